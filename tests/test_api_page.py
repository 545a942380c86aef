"""The page of the module's names has every public one; the sections that docstrings name exist."""

import dataclasses
import importlib
import inspect
import re
from pathlib import Path

import pytest
from book_pages import Book
from book_targets import readable
from data_files import ROOT
from public_names import LISTED, names_in

# What shares a room with public names and is no part of the interface that pages or users rely on.
NOT_LISTED = {"nonlocal_tut.figures"}
NAMED = re.compile(r"(chapter \d|appendix on \w+),\s+\"([^\"]+?)\.?\"")


def rooms():
    folder = ROOT / "nonlocal_tut"
    found = {f"nonlocal_tut.{init.parent.name}" for init in folder.glob("*/__init__.py")}
    return sorted(found - NOT_LISTED)


@pytest.mark.parametrize("room", rooms())
def test_every_room_is_on_the_page(room):
    assert room in dict(LISTED), f"{room} is not in book/api.md"


@pytest.mark.parametrize(("module", "members"), LISTED)
def test_every_name_is_there_and_documented(module, members):
    room = importlib.import_module(module)
    names = names_in(module, members)
    assert names
    for name in names:
        value = getattr(room, name)
        if callable(value) and not isinstance(value, type):
            assert len(value.__doc__ or "") > 40, f"{module}.{name} has no docstring"


@dataclasses.dataclass
class Kept:
    size: tuple[Path, ...] = ()
    rows: list = dataclasses.field(default_factory=list)
    names: dict = dataclasses.field(default_factory=dict)
    made: type = Book


def test_a_default_is_shown_as_one_would_write_it():
    signature = str(inspect.signature(Kept))
    assert "<factory>" in signature and "<class 'book_pages.Book'>" in signature
    shown, _ = readable(None, "class", "Kept", Kept, {}, signature, None)
    assert "rows: list = []" in shown and "names: dict = {}" in shown and shown.count("<") == 0
    assert "= Book)" in shown and "size: tuple[pathlib.Path, ...] = ()" in shown
    assert readable(None, "function", "f", len, {}, None, None) is None


def sections():
    """{page, as a docstring names it: its headings}, as a reader reads them."""
    found = {}
    for page, cells in Book(ROOT).notebooks.items():
        name = re.sub(r"book/0(\d)_.*", r"chapter \1", page.removesuffix(".ipynb"))
        text = "\n".join(cell.source for cell in cells if not cell.is_code)
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        found[name.replace("book/appendix_", "appendix on ")] = headings
    return found


def named():
    found = []
    for file in sorted((ROOT / "nonlocal_tut").rglob("*.py")):
        text = re.sub(r"\n\s*#?\s*", " ", file.read_text(encoding="utf-8"))
        for page, heading in NAMED.findall(text):
            found.append(pytest.param(page, heading, id=f"{file.name}: {heading}"))
    return found


@pytest.mark.parametrize(("page", "heading"), named())
def test_the_section_that_a_docstring_names_exists(page, heading):
    plain = [re.sub(r"[`*$]", "", title) for title in sections()[page]]
    assert heading in plain, f"{page} has: {plain}"


def test_the_test_would_see_a_section_that_is_gone():
    assert Path(ROOT / "book").is_dir() and "No such question?" not in sections()["chapter 1"]
