"""What the book says twice, it says alike: tables and their text, claims, links and targets."""

import re
from html import unescape

from book_rules import rule
from headings import TARGET, targets, titles

CELL = re.compile(r"<t[hd][^>]*>(.*?)</t[hd]>", re.DOTALL)
LINK = re.compile(r"\]\(((?:book/)?\w+\.(?:ipynb|md))?#([^)\s]+)\)")
FIGURE = re.compile(r"^`{3,}\{(?:figure|image)\} .*\n((?:.*\n)*?)`{3,}", re.MULTILINE)
WAYS = frozenset(  # words that would turn a claim round if they were swapped
    "more less larger smaller large small higher lower few many fewer far near deep early late "
    "grow shrink fast slow long short wide narrow before after whole part little much alike".split()
)


@rule
def tables_read_alike_as_page_and_as_text(book):
    """A table's HTML, which a page shows, has the cells of its text, which a terminal shows."""
    found = []
    for cell in book.code_cells:
        for output in cell.outputs:
            data = output.get("data", {})
            if "<table" in data.get("text/html", "")[:20]:
                shown = [
                    unescape(re.sub(r"<[^>]*>", "", c)) for c in CELL.findall(data["text/html"])
                ]
                told = " ".join(data["text/plain"].split())
                if " ".join(" ".join(shown).split()) != told:
                    found.append(f"{cell.where}: its table is another in HTML and in text")
    return found


@rule
def drawn_files_have_alt_text(book):
    """A {figure} from a file, too, says in words what it shows."""
    return [
        f"{where}: a figure from a file without an :alt: of 40 characters"
        for where, text in book.markdown
        for options in FIGURE.findall(text)
        if not re.search(r"^:alt: .{40}", options, re.MULTILINE)
    ]


@rule
def anchors_lead_somewhere(book):
    """Links to a heading, a target or a claim's cell: [the cell](#claim-a2-1)."""
    own, everywhere = {}, set()
    for where, text in book.markdown:
        own.setdefault(_page(where), set()).update(targets(text), _slugs(titles(text)))
        everywhere.update(TARGET.findall(text))
    for cell in book.code_cells:
        chapter = cell.where.removeprefix("book/")[1]
        everywhere.update(f"{t.lower()}-{chapter}" for t in cell.tags if t.startswith("claim-"))
        label = cell.metadata.get("mystnb", {}).get("figure", {}).get("name")
        everywhere.update([label] if label else [])
    return [
        f"{where}: its link to {page}#{target} leads nowhere"
        for where, text in book.markdown
        for page, target in LINK.findall(text)
        if target not in (own.get(page, ()) if page else everywhere | own[_page(where)])
    ]


def _page(where):
    return where.split(",")[0].removeprefix("book/")


def _slugs(found):
    """As GitHub and MyST name headings in Markdown."""
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in found]


@rule
def claims_point_the_same_way(book):
    """A claim's row in claims.md and its cells' comments: both say "few" or "deep", or none."""
    comments, rows, found = {}, {}, []
    for cell in book.code_cells:
        for name in [t.removeprefix("claim-") for t in cell.tags if t.startswith("claim-")]:
            comments.setdefault(name, set()).update(_ways(_claim(cell.source, name)))
    for line in book.text("book/claims.md").splitlines():
        cells = [column.strip() for column in line.split("|")]
        if len(cells) > 3 and cells[1] in comments:
            rows[cells[1]] = _ways(cells[2])
    for name in rows:
        if odd := rows[name] ^ comments[name]:
            words = ", ".join(sorted(odd))
            found.append(f"book/claims.md: {name}: only it or only its cells say {words!r}")
    return found


def _claim(source, name):
    """The claim as a cell's comment says it, up to its first stop."""
    m = re.search(rf"^# Claim {name}: ((?:.*\n#(?! Claim))*.*)$", source, re.MULTILINE)
    return re.split(r"\. ", m[1].replace("\n#", ""))[0] if m else ""


def _ways(text):
    return WAYS & set(re.findall(r"[a-z]+", text.lower()))
