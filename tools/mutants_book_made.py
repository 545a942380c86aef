"""The book with one mistake at a time: a number changed, a word swapped, an assertion gone."""

import ast
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml
from mutants_book_text import numbers, others, put, text_mutants, words

LITERAL = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])")


@dataclass(frozen=True)
class Mutant:
    """One mistake: in a file, or in one cell of a notebook at the path `at`."""

    page: str  # the file, as in "book/claims.md"
    kind: str
    where: str  # for a reader: the cell, or the file
    was: str
    becomes: str
    text: str  # the whole new text, of the file or of the cell's part
    cell: int | None = None
    at: tuple = ()

    @property
    def key(self):
        return f"{self.page} {self.where} {self.at} {self.kind}: {self.was} -> {self.becomes}"


def unchanged(book, page):
    """No mistake at all: what every check must let pass."""
    if page not in book.notebooks:
        return Mutant(page, "none", page, "", "", book.text(page))
    cell = book.notebooks[page][0]
    return Mutant(page, "none", cell.where, "", "", cell.source, 0, ("source",))


MANY = {"number in code": 40, "number in an output": 40}  # of these so many per page are enough


def mutants(book, only=(), seed=0) -> list[Mutant]:
    """The mutants of the book's pages and contents; `only` are the pages wanted.

    Of some kinds there are hundreds on a page, and a few are drawn by the seed.
    """
    made, kept = list(_all(book, only)), []
    for kind, count in MANY.items():
        for page in book.notebooks:
            those = [m for m in made if (m.page, m.kind) == (page, kind)]
            kept += random.Random(f"{seed} {page} {kind}").sample(those, min(count, len(those)))
    return [m for m in made if m.kind not in MANY] + kept


def _all(book, only):
    for page in book.pages:
        if only and page not in only:
            continue
        if page in book.notebooks:
            for number, cell in enumerate(book.notebooks[page]):
                yield from _of_cell(page, number, cell)
        else:
            for kind, was, becomes, text in text_mutants(book.text(page)):
                yield Mutant(page, kind, page, was, becomes, text)
    if not only or "_toc.yml" in only:
        yield from _of_contents(book)


def _of_cell(page, number, cell):
    def one(kind, was, becomes, text, *at):
        return Mutant(page, kind, cell.where, was, becomes, text, number, at)

    if not cell.is_code:
        for found in text_mutants(cell.source):
            yield one(*found, "source")
        return
    shown = cell.metadata.get("mystnb", {})
    for part, name, label in (("figure", "caption", "caption"), ("image", "alt", "alt text")):
        text = shown.get(part, {}).get(name, "")
        for found in numbers(text, label):
            yield one(*found, "metadata", "mystnb", part, name)
        for found in words(text):
            yield one(*found, "metadata", "mystnb", part, name)
    if shown.get("image", {}).get("alt"):
        alt = shown["image"]["alt"]
        yield one("alt text gone", alt, "", "", "metadata", "mystnb", "image", "alt")
    if "hide-input" in cell.tags and "pip install" in cell.source:
        return
    for m in LITERAL.finditer(cell.source):
        for new in others(m[0], f"{cell.where}{m.start()}", 1):
            yield one("number in code", m[0], new, put(cell.source, m, new), "source")
    yield from (one("assertion gone", was, "", text, "source") for was, text in _asserts(cell))
    for k, output in enumerate(cell.outputs):
        if text := output.get("text", ""):
            yield from _of_output(one, text, cell, "outputs", k, "text")
        elif "text/plain" in output.get("data", {}):
            text = output["data"]["text/plain"]
            if not text.startswith("<Figure"):
                yield from _of_output(one, text, cell, "outputs", k, "data", "text/plain")


def _of_output(one, text, cell, *at):
    for m in LITERAL.finditer(text):
        for new in others(m[0], f"{cell.where}{at}{m.start()}", 1):
            yield one("number in an output", m[0], new, put(text, m, new), *at)


def _asserts(cell):
    """Each assertion of a cell's code, and the code without it."""
    try:
        tree = ast.parse(re.sub(r"^\s*[%!].*$", "pass", cell.source, flags=re.MULTILINE))
    except SyntaxError:
        return
    lines = cell.source.split("\n")
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            indent = re.match(r"\s*", lines[node.lineno - 1])[0]
            kept = [*lines[: node.lineno - 1], f"{indent}pass", *lines[node.end_lineno :]]
            yield lines[node.lineno - 1].strip(), "\n".join(kept)


def _of_contents(book):
    text = book.text("_toc.yml")
    for name in book.toc:
        m = re.search(rf"^\s*- file: {name}\s*\n", text, re.MULTILINE)
        if m:
            after = put(text, m, "")
            yaml.safe_load(after)
            yield Mutant("_toc.yml", "page gone from the contents", "_toc.yml", name, "", after)


def data_mutants(root, count, seed) -> Iterator[Mutant]:
    """Some numbers of each file in book/data, each with its last digit moved."""
    for file in sorted((root / "book" / "data").glob("*.json")):
        if file.name.startswith("mutants"):
            continue
        text, name = file.read_text(encoding="utf-8"), f"book/data/{file.name}"
        found = list(re.finditer(r'(?<=[:\[,\s])\d+(?:\.\d+)?(?=[,\]}\s])(?![^"\n]*": )', text))
        for m in random.Random(f"{seed} {name}").sample(found, min(count, len(found))):
            line = text.count("\n", 0, m.start()) + 1
            (new,) = others(m[0], name, 1)
            yield Mutant(name, "number in data", f"line {line}", m[0], new, put(text, m, new))
