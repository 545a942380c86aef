"""The ten seeds of each page's trainings: the file is whole, and the nets are the page's own."""

import inspect
import json
import textwrap

import pytest
from book_pages import Book
from data_files import ROOT

from bench.seeds import SEEDS
from bench.seeds.__main__ import PATH, chapters, rounded, written

CHAPTERS = chapters()
each_chapter = pytest.mark.parametrize("name", CHAPTERS)


@pytest.fixture(scope="module")
def kept():
    return json.loads(PATH.read_text(encoding="utf-8")) if PATH.is_file() else {}


def test_every_chapter_that_trains_is_kept(kept):
    assert set(kept) == set(CHAPTERS)


@each_chapter
def test_all_experiments_are_kept_with_all_seeds(name, kept):
    experiments = kept[name]["experiments"]
    assert list(experiments) == list(CHAPTERS[name].EXPERIMENTS)
    for rows in experiments.values():
        assert [row["seed"] for row in rows] == list(SEEDS)
        assert len({tuple(row) for row in rows}) == 1


@each_chapter
def test_the_page_shows_the_nets_that_were_trained(name):
    number = name.removeprefix("chapter")
    book = Book(ROOT)
    (page,) = (p for p in book.chapters if p.startswith(f"book/0{number}_"))
    code = "\n".join(cell.source for cell in book.code[page])
    assert CHAPTERS[name].SHOWN
    for function in CHAPTERS[name].SHOWN:
        source = textwrap.dedent(inspect.getsource(function)).strip()
        assert source in code, f"{page} does not show {function.__name__} as bench.seeds trains it"


def test_the_file_is_read_as_it_was_written():
    rows = [{"seed": 0, "accuracy": [1.0, 0.25]}, {"seed": 1, "accuracy": [0.5, 0.5]}]
    found = {"chapter9": {"provenance": {"torch": "2"}, "experiments": {"a": rows, "b": rows}}}
    assert json.loads(written(found)) == found


def test_figures_keep_four_digits():
    assert rounded([0.123456, 3, True, [1 / 3]]) == [0.1235, 3, True, [0.3333]]
