"""The tables of mistakes made on purpose say what the data files say."""

import json
import re

import broken_on_purpose
import pytest
from catalogue import translations
from repository import ROOT


def rows_of(name, data):
    _, made, head = broken_on_purpose.TABLES[name]
    lines = made(data, head, str.upper).splitlines()
    assert {line.count("|") for line in lines} == {head.count("|")}
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_a_part_of_the_module_has_what_was_run_and_what_was_noticed():
    tests = {"run": 8, "killed": 5, "timed_out": 1}
    none = {"run": 0, "killed": 0, "timed_out": 0}
    rooms = {
        "shapes": {"tests": tests, "pages": none},
        "words": {"tests": none, "pages": none},
        "tasks": {"tests": tests, "pages": tests | {"killed": 1}},
    }
    shares = "6/8\u00a0·\u00a075\u00a0%", "2/8\u00a0·\u00a025\u00a0%"
    assert rows_of("module", {"rooms": rooms}) == [
        ["`shapes`", shares[0], "–"],
        ["`tasks`", *shares],
    ]


def test_kinds_are_added_up_over_pages_and_named_for_a_reader():
    count = {"made": 1000, "caught": 500, "run": 4, "caught_in_run": 3}
    data = {"pages": {"book/a.md": {"number": count}, "book/b.md": {"number": count}}}
    assert rows_of("kinds", data) == [["NUMBER", "2,000", "50\u00a0%", "8", "75\u00a0%"]]


@pytest.mark.parametrize("name", broken_on_purpose.TABLES)
def test_the_book_shows_every_row_of_its_data(name):
    page = (ROOT / "book" / "tested_on.md").read_text(encoding="utf-8")
    assert f"{{broken-on-purpose}} {name}\n" in page
    file = ROOT / "book" / "data" / f"{broken_on_purpose.TABLES[name][0]}.json"
    data = json.loads(file.read_text(encoding="utf-8"))
    rows = rows_of(name, data)
    if name == "pages":
        links = {re.sub(r"\[\]\((.*)\)|`(.*)`", r"\1\2", first) for first, *_ in rows}
        assert links == {page.removeprefix("book/") for page in data["numbers"]}
    assert len(rows) >= 10


def test_all_that_a_table_says_has_its_chinese():
    data = json.loads((ROOT / "book" / "data" / "mutants_book.json").read_text(encoding="utf-8"))
    kinds = {kind for page in data["pages"].values() for kind in page}
    heads = {head for _, _, head in broken_on_purpose.TABLES.values()}
    assert kinds | heads <= set(translations("site"))
