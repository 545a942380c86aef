"""The tool that breaks the book: what it makes is one mistake, and the rules see it in memory."""

import argparse
import json

import data_files
import mutants_book
import pytest
from book_examples import FILES, NEAR, build
from book_pages import Cell
from mutants_book_judged import Copy, Mutated, noticed_by
from mutants_book_made import mutants, unchanged
from mutants_book_report import as_json, summary
from mutants_book_text import others, text_mutants
from normal_form import read


@pytest.fixture
def book(tmp_path):
    build(tmp_path)
    return mutants_book.WholeBook(tmp_path)


def made(book, kind, page=None):
    return [m for m in mutants(book) if m.kind == kind and page in (None, m.page)]


def test_a_number_becomes_another_with_as_many_digits():
    assert others("3.1", "a", 1) == ["3.2"] and others("19", "a", 1) == ["10"]
    near, other = others("1,024", "a", 2)
    assert near == "1,025" and len(other) == 5 and other not in ("1,024", "1,025")
    assert others("1,024", "a", 2) == [near, other] != others("1,024", "b", 2)


TEXT = "It takes 16 more steps, {cite}`one`, see [there](#so-it-is).\n\n| 0.25 | two of three |\n"


@pytest.mark.parametrize(
    ("kind", "was", "becomes"),
    [
        ("number", "16", "17"),
        ("number in a table", "0.25", "0.26"),
        ("number in words", "three", "two"),
        ("comparison word", "more", "less"),
        ("citation gone", "{cite}`one`", ""),
        ("link elsewhere", "#so-it-is", "#nowhere"),
    ],
)
def test_a_text_is_broken_in_one_place(kind, was, becomes):
    found = [m for m in text_mutants(TEXT) if m[:2] == (kind, was)]
    assert (kind, was, becomes) in [m[:3] for m in found]
    assert all(text.replace(new, was, 1) != TEXT or new for _, _, new, text in found)
    assert all(text != TEXT for *_, text in found)


def test_a_page_gives_all_kinds(book):
    kinds = {m.kind for m in mutants(book)}
    assert {"number in code", "number in an output", "assertion gone", "alt text gone"} <= kinds
    assert {"page gone from the contents", "number", "link elsewhere"} <= kinds


def test_nothing_is_made_of_a_fetching_cell_or_of_code_in_prose(book):
    assert not [m for m in made(book, "number in code") if "pip" in m.text]
    assert not [*text_mutants("```python\nx = 16\n```\n")]


def test_a_mutated_book_differs_in_one_cell_and_no_file_does(book):
    before = book.text(NEAR)
    (mutant,) = [m for m in made(book, "number in code", NEAR) if m.was == "11"]
    mutated = Mutated(book, mutant)
    cells = zip(book.notebooks[NEAR], mutated.notebooks[NEAR], strict=True)
    (changed,) = [b for a, b in cells if a.source != b.source]
    assert isinstance(changed, Cell) and "step(12)" in changed.source
    assert "step(12)" in mutated.text(NEAR) and read(mutated.text(NEAR)).cells
    assert (book.root / NEAR).read_text(encoding="utf-8") == before == book.text(NEAR)


@pytest.mark.parametrize(
    ("kind", "page", "rule"),
    [
        ("alt text gone", NEAR, "figures_have_alt_text"),
        ("assertion gone", NEAR, "claims_are_backed"),
        ("page gone from the contents", "_toc.yml", "pages_and_contents_agree"),
        ("link elsewhere", "book/claims.md", "claims_are_backed"),
        ("number", "book/intro.md", "each_number_has_a_source"),
    ],
)
def test_a_rule_notices(book, kind, page, rule):
    assert rule in {noticed_by(book, m) for m in made(book, kind, page)}


def test_without_a_mistake_no_rule_speaks_or_nothing_is_judged(book, monkeypatch):
    assert {noticed_by(book, unchanged(book, page)) for page in book.pages} == {""}
    monkeypatch.setattr(mutants_book, "noticed_by", lambda book, mutant: "a_rule")
    with pytest.raises(SystemExit, match=r"Without a mistake.*a_rule"):
        mutants_book.main([])


def test_what_no_rule_reads_passes(book):
    (book.root / "book/intro.md").write_text(
        FILES["book/intro.md"] + "It is more.\n", encoding="utf-8"
    )
    (mutant,) = (m for m in made(book, "comparison word", "book/intro.md") if m.was == "more")
    assert noticed_by(book, mutant) == ""


def report(book, ran):
    rows = [(m, noticed_by(book, m)) for m in mutants(book)]
    runnable = [i for i, (m, rule) in enumerate(rows) if not rule and m.kind == "number in code"]
    return summary(rows, {runnable[0]: ran}, "c" * 40, 0)


@pytest.mark.parametrize("ran", [True, False])
def test_the_report_keeps_its_schema(book, ran):
    found = report(book, ran)
    told = json.loads(as_json(found))
    assert told == found and data_files.problems("mutants_book.json", told) == []
    counts = [page["number in code"] for page in told["pages"].values() if "number in code" in page]
    assert sum(c["run"] for c in counts) == 1 and sum(c["caught_in_run"] for c in counts) == ran
    listed = [s for s in told["survivors"] if s["kind"] == "number in code"]
    assert len(listed) == (not ran)
    told["numbers"]["book/intro.md"]["made"] = 0
    assert data_files.problems("mutants_book.json", told)


def test_a_run_is_judged_once(book, tmp_path):
    class Runs:
        asked = 0

        def runs(self, mutant, text):
            Runs.asked += 1
            return False

    mutant, file = made(book, "number in code")[0], tmp_path / "runs.txt"
    for _ in range(2):
        assert mutants_book.Judged(file).verdict(mutant, "text", Runs)
    assert Runs.asked == 1 and file.read_text(encoding="utf-8").endswith(" caught\n")


def test_a_copy_runs_what_reads_the_file(tmp_path, monkeypatch):
    class Fake(Copy):
        def __init__(self):
            self.folder, self.seen = tmp_path, []

        def _passes(self, arguments):
            self.seen.append(
                (arguments, (tmp_path / "book/data/x.json").read_text(encoding="utf-8"))
            )
            return True

    (tmp_path / "book/data").mkdir(parents=True)
    (tmp_path / "tests").mkdir()
    (tmp_path / "book/data/x.json").write_text("1", encoding="utf-8")
    (tmp_path / "book/9.ipynb").write_text('records.read(\\"x\\")', encoding="utf-8")
    (tmp_path / "tests/test_x.py").write_text('"x.json"', encoding="utf-8")
    copy = Fake()
    mutant = argparse.Namespace(page="book/data/x.json")
    assert (
        copy.runs(mutant, "2")
        and (tmp_path / "book/data/x.json").read_text(encoding="utf-8") == "1"
    )
    ways = [" ".join(arguments) for arguments, text in copy.seen if text == "2"]
    assert ways == ["tests/test_data_files.py", "tests/test_x.py", "--nbval book/9.ipynb"]
