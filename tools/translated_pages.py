"""What a page has to translate, and the page with its translation put in.

A page is Markdown or a notebook; of a notebook the Markdown cells, and the caption and the
alternative text of a figure, which stand in the metadata of the cell that draws it. Code and
outputs stay what they are.
"""

import re

from catalogue import translations
from markdown_lines import messages as lines_of
from markdown_lines import parts, rewritten
from normal_form import read, write
from repository import ROOT

BOOK = ROOT / "book"
SPOKEN = (("figure", "caption"), ("image", "alt"))  # of a cell's metadata, under "mystnb"

TERM = re.compile(r"^([^\s`].*)$\n(?=  \S)", re.MULTILINE)  # a line with an indented one below


def pages():
    """{name of the catalogue: file} of all that is translated, in the book's order of files."""
    files = sorted([*BOOK.glob("*.ipynb"), *BOOK.glob("*.md")])
    return {"README": ROOT / "README.md"} | {path.stem: path for path in files}


def messages(path):
    """The messages of a page, in its order, each once."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return lines_of(text)
    found = {}
    for cell in read(text).cells:
        if cell.cell_type == "markdown":
            found |= dict.fromkeys(lines_of(cell.source))
        found |= dict.fromkeys(said for _, _, said in spoken(cell))
    return list(found)


def headings(path):
    """The headings of a page, in Markdown, in its order."""
    text = path.read_text(encoding="utf-8")
    cells = [text]
    if path.suffix == ".ipynb":
        cells = [cell.source for cell in read(text).cells if cell.cell_type == "markdown"]
    return [words for cell in cells for hashes, words, _ in parts(cell) if hashes.startswith("#")]


def glossary():
    """{term, in lower case: its fixed translation}."""
    known, found = translations("glossary"), {}
    text = (BOOK / "glossary.md").read_text(encoding="utf-8")
    for term in TERM.findall(text[text.index("{glossary}") :]):
        if term in known:
            found[term.lower()] = known[term]
    return found


def teller(name):
    """From a message of a page to its translation, or to itself if there is none yet.

    A term of the glossary keeps its English name, too, so that both lead to it.
    """
    known = translations(name)
    terms = glossary() if name == "glossary" else {}

    def tell(message):
        told = known.get(message, message)
        if message.lower() in terms and told != message:
            return f"{told}\n{message}"
        return told

    return tell


def spoken(cell):
    """(mapping, key, words) of what a cell's metadata say of its figure."""
    for part, key in SPOKEN:
        mapping = cell.metadata.get("mystnb", {}).get(part, {})
        if key in mapping:
            yield mapping, key, mapping[key]


def translated(text, suffix, translate, *, outputs=True):
    """A page's text in the other language; without `outputs` a notebook loses them."""
    if suffix == ".md":
        return rewritten(text, translate)
    nb = read(text)
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = rewritten(cell.source, translate)
        for mapping, key, words in spoken(cell):
            mapping[key] = translate(words)
        if cell.cell_type == "code" and not outputs:
            cell.outputs, cell.execution_count = [], None
    return write(nb)
