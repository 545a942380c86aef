"""The front door and the page of problems: what they promise stands in the cells that they link."""

import re

from book_rules import rule
from headings import HEADING, targets

SECTION = re.compile(r"^## (.+)\n((?:(?!## ).*\n?)*)", re.MULTILINE)
LINK = re.compile(r"\]\(((?:\w+\.ipynb)?#[\w.-]+|\w+\.ipynb|api\.md)\)")
PAGE = "book/problems.md"


@rule
def every_problem_has_its_cell(book):
    found = []
    for title, text in SECTION.findall(book.text(PAGE)):
        answer, _, where = text.partition("\n→ ")
        links = LINK.findall(where)
        if not links or len(answer.split()) < 8:
            found.append(f"{PAGE}: {title}: no answer, or no “→” with a link to a cell")
            continue
        shown = " ".join(printed(book, link) for link in links)
        found += [
            f"{PAGE}: {title}: its cells do not print “{quoted}”"
            for quoted in re.findall(r"`([^`]+)`", where)
            if " ".join(quoted.split()) not in shown
        ]
    return found


def printed(book, link):
    """All that the code cells below a heading or a target print, until the next heading."""
    page, _, target = link.partition("#")
    texts = []
    for name, cells in book.notebooks.items():
        if page and name != f"book/{page}":
            continue
        inside = not target
        for cell in cells:
            if not cell.is_code:
                begins = target in targets(cell.source)
                inside = begins or (inside and not HEADING.search(cell.source))
            elif inside:
                texts += cell.output_texts
    return " ".join(" ".join(texts).split())


@rule
def the_front_door_says_what_stands_behind_it(book):
    """Titles and minutes of the chapters; and of each result, the bold number in a linked cell."""
    text, found = book.text("book/intro.md"), []
    rows = re.findall(r"^\| (\d) \| \[(.+?)\]\((\w+\.ipynb)\) \| (\d+) \|$", text, re.MULTILINE)
    listed = [f"book/{file}" for _, _, file, _ in rows]
    if listed != book.chapters:
        found.append(f"book/intro.md: its chapters are {listed}, the book's are {book.chapters}")
    for number, title, file, minutes in rows:
        first = book.notebooks.get(f"book/{file}", [])[:1]
        head = first[0].source if first else ""
        if f"# {title}\n" not in head or not file.startswith(f"0{number}_"):
            found.append(f"book/intro.md: chapter {number} is not called {title!r}")
        if f"{minutes} minutes to read" not in head:
            found.append(f"book/intro.md: chapter {number} does not take {minutes} minutes")
    for line in re.findall(
        r"^- (.*\*\*.+)$", text.partition("## What comes out?")[2], re.MULTILINE
    ):
        for bold in re.findall(r"\*\*(.*?\d.*?)\*\*", line):
            if not any(bold in printed(book, link) for link in LINK.findall(line)):
                found.append(f"book/intro.md: no cell that its line links to prints {bold!r}")
    return found
