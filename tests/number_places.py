"""What the numbers of each text of the book may repeat: {text: the sources within its reach}."""

import re
from dataclasses import dataclass, field

import number_sources as read
from headings import HEADING, TARGET, targets
from number_facts import checks, cited, named
from number_reading import readable

LINK = re.compile(r"\]\((\w*(?:\.ipynb|\.md)?)(?:#([\w.-]+))?\)")
# The title's cell, what is not shown and the summary are about the whole page.
WIDE = re.compile(r"^# |^## (?:Summary|Where does this page stop|Further reading)", re.MULTILINE)
PREDICT = re.compile(r'<details class="predict"[^>]*><summary>(.*?)</summary>')
PARTS = re.compile(r"(?m)^(?=## |\|)|(?<=\n)\n(?=\S+\n  )")  # sections, rows, a glossary's terms


@dataclass(frozen=True)
class Place:
    """A text, where it is, and the sources that it may repeat, the near and the far ones."""

    where: str
    text: str
    near: list
    far: list = field(default_factory=list)  # these need one more digit
    own: list = field(default_factory=list)  # and these one less: a question's answers


def places(book):
    """Each text of the book in which numbers are read."""
    return [place for page in book.pages for place in of_page(book, page)]


def of_page(book, page):
    """Each text of a page."""
    if not hasattr(book, "computed"):
        book.computed = Computed(book)  # once for all of its pages
    known = book.computed
    if page in book.notebooks:
        yield from _of_notebook(book, page, known)
    else:
        for part in PARTS.split(book.text(page)):
            near, far = known.linked(part)
            yield Place(page, part, near + cited(page, part), far)


def _of_notebook(book, page, known):
    cells, last = book.notebooks[page], []
    for section in sections(cells):
        prose = "\n".join(cell.source for cell in section if not cell.is_code)
        here, linked = known.of(section), known.linked(prose)
        here = here + checks(book, section) + named(book, prose)
        far = known.of(cells) + linked[0] + linked[1]
        if wide := bool(WIDE.search(prose)):
            prose = "\n".join(cell.source for cell in cells if not cell.is_code)
        here += cited(page, prose)
        around = [None, *section, None]
        for cell, before, behind in zip(section, around, around[2:], strict=False):
            if cell.is_code:
                shown = cell.metadata.get("mystnb", {})
                for text in (
                    shown.get("figure", {}).get("caption"),
                    shown.get("image", {}).get("alt"),
                ):
                    if text:
                        yield Place(cell.where, text, here, far, known.of([cell]))
            else:
                near, more = known.linked(cell.source)
                near = here + near + (far if wide else [])
                if cell is section[0] and HEADING.split(TARGET.sub("", cell.source))[0].strip():
                    near = near + last  # it ends the section before
                own = [*options(cell, behind), *answered(cell, before)]
                yield Place(cell.where, cell.source, near, far + more, own)
        last = here


def sections(cells):
    """A notebook's cells below each heading; those of a solution stay with their exercise."""
    found = [[]]
    for cell in cells:
        if not cell.is_code and HEADING.search(cell.source) and not cell.in_solution:
            found.append([])
        found[-1].append(cell)
    return [section for section in found if section]


def options(cell, behind):
    """The answers to choose from, for the cell that has them and the question in front of it."""
    found = PREDICT.findall(cell.source) or (behind and PREDICT.findall(behind.source)) or []
    own = read.of_formulas(behind.source) if behind and PREDICT.search(behind.source) else ()
    answers = [answer for text in found for answer in text.split(" · ")]
    return [*own, *(one for answer in answers for one in read.of_line(answer))]


def answered(cell, before):
    """The numbers of a question, for the cell with its answers."""
    if not PREDICT.search(cell.source) or before is None or before.is_code:
        return []
    return read.of_line(readable(before.source)) + read.of_formulas(before.source)


class Computed:
    """The numbers that the book's cells compute, by cell and by target of a link."""

    def __init__(self, book):
        self.targets, self.pages = {}, {}
        self.claims = read.of_line(f"{len(book.claims)} claims")
        for page, cells in book.notebooks.items():
            name = page.removeprefix("book/")
            self.pages[name] = self.of(cells)
            for section in sections(cells):
                numbers = self.of(section)
                for cell in section:
                    for target in self._targets(cell, name):
                        self.targets["", target] = self.targets[name, target] = numbers

    @staticmethod
    def of(cells):
        """The numbers of cells' code and outputs."""
        found = []
        for cell in cells:
            if cell.is_code:
                found += read.of_code(cell.source)
                for output in cell.outputs:
                    text = output.get("text") or output.get("data", {}).get("text/plain", "")
                    found += read.of_output(text)
        return found

    @staticmethod
    def _targets(cell, name):
        if cell.is_code:
            return [f"{t.lower()}-{name[1]}" for t in cell.tags if t.startswith("claim-")]
        return targets(cell.source)

    def linked(self, text):
        """The numbers of the sections that a text links to, and those of whole pages."""
        near, far = [], []
        for page, target in LINK.findall(text):
            near += self.targets.get((page, target), [])
            far += [] if target else self.pages.get(page, [])
            near += self.claims if page == "claims.md" else []
        return near, far
