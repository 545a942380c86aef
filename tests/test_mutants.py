"""The tool that breaks the module: its mutants, its verdicts, and what its report comes to.

Making mutants wants requirements-mutants.txt; where that is not installed, those tests are skipped.
"""

import ast
import json
import os
from itertools import pairwise

import mutants
import pytest

SOURCE = '''\
"""A file."""

__all__ = ["f"]
LIMIT = 3


def f(x: int = 2, *, words="a") -> bool:
    """Says so."""
    if x > LIMIT and words:
        raise ValueError("too many")
    return dict(
        zip([x], words, strict=True),
        more=len(words) + 1,
    )


def g(x):
    return not x
'''
GOAL = {"tests": 90, "pages": 75}


@pytest.fixture
def made():
    if not os.environ.get("REQUIRE_MUTANTS"):
        pytest.importorskip("mutmut")
    import mutants_made

    return lambda source: mutants_made.mutants("nonlocal_tut/f.py", source)


def test_each_mutant_is_the_file_with_one_statement_changed(made):
    found = made(SOURCE)
    assert len({mutant.id for mutant in found}) == len({mutant.text for mutant in found}) > 15
    for mutant in found:
        ast.parse(mutant.text)
        was, becomes = mutant.change
        assert was != becomes and was.split()[0] in SOURCE
        assert SOURCE.startswith(mutant.text[: mutant.start])
        assert mutant.line in mutant.lines
    assert [a.line <= b.line for a, b in pairwise(found)].count(False) == 0


def test_what_a_mutant_can_be(made):
    changes = {mutant.change for mutant in made(SOURCE)}
    assert ("LIMIT = 3", "LIMIT = 4") in changes
    assert ("if x > LIMIT and words:", "if x >= LIMIT and words:") in changes
    assert ("if x > LIMIT and words:", "if x > LIMIT or words:") in changes
    assert ("return not x", "return x") in changes
    assert ("zip([x], words, strict=True),", "zip([x], None, strict=True),") in changes
    head = 'def f(x: int = 2, *, words="a") -> bool:'
    assert (head, head.replace("2", "3")) in changes
    assert (head, head.replace('"a"', '"XXaXX"')) in changes


def test_what_is_left_as_it_is(made):
    for mutant in made(SOURCE):
        for kept in ('"""A file."""', '"""Says so."""', '__all__ = ["f"]', "x: int", "-> bool"):
            assert kept in mutant.text
        assert '"too many"' in mutant.text or "ValueError(None)" in mutant.text
        assert "strict=True" in mutant.text or "zip" not in mutant.text
        assert "len(words)" in mutant.text or "len" not in mutant.text


def test_a_change_elsewhere_leaves_a_mutant_what_it_was(made):
    known = {mutant.id for mutant in made(SOURCE) if mutant.line > 6}
    assert known <= {mutant.id for mutant in made(SOURCE.replace("LIMIT = 3", "LIMIT = 1 + 3"))}
    other = {mutant.id for mutant in made(SOURCE.replace("not x", "not not x"))}
    assert known & other == {mutant.id for mutant in made(SOURCE) if 6 < mutant.line < 17}


def test_a_mutant_is_shown_to_the_tests_that_run_its_statement(made):
    pytest.importorskip("coverage")
    from mutants_judged import asked

    found = {mutant.change[1]: mutant for mutant in made(SOURCE)}
    body, module = found["return x"], found["LIMIT = 4"]
    default = found['def f(x: int = 3, *, words="a") -> bool:']
    lines = {"18": ["a::g"], "9": ["a::f"], "11": ["a::f", "b"]}
    known = {
        "a": {"seconds": {"a::f": 1, "a::g": 1}, "lines": {"nonlocal_tut/f.py": lines}},
        "b": {"seconds": {"b::1": 1, "b::2": 1}, "lines": {"nonlocal_tut/f.py": {"11": ["b"]}}},
    }
    assert asked(body, known) == {"a::g"}
    assert asked(found["if x >= LIMIT and words:"], known) == {"a::f"}
    assert asked(default, known) >= {"a::f", "b::1", "b::2"}  # run by imports: its function's
    lines |= {"4": ["a::f"]}
    assert asked(module, known) == set()  # outside of all functions: whoever looks
    page = {"seconds": {"book/p.ipynb": 9}, "lines": {"nonlocal_tut/f.py": {"4": ["book/p.ipynb"]}}}
    assert asked(module, {"book/p.ipynb": page}) == {"book/p.ipynb"}
    page["lines"]["nonlocal_tut/f.py"] = {"9": ["book/p.ipynb"]}
    assert asked(default, {"book/p.ipynb": page}) == {"book/p.ipynb"}
    sum_ = found["more=len(words) + 2,"]  # of its function another line runs
    assert asked(sum_, {"book/p.ipynb": page}) == set()


# --- verdicts and the report


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setattr(mutants, "VERDICTS", tmp_path / "judged.txt")
    monkeypatch.setattr(mutants, "ACCEPTED", tmp_path / "accepted.toml")
    return tmp_path


def test_the_newest_verdict_holds_and_the_report_counts_those_that_still_apply(made, files):
    a, b, c, *_ = found = made(SOURCE)
    (files / "judged.txt").write_text(
        f"tests {a.id} 00000000 survived\ntests {a.id} 11111111 killed\n"
        f"tests {b.id} 00000000 survived\ntests {c.id} 00000000 timed out\n"
        f"pages {a.id} 00000000 not run\ntests 0123456789abcdef 00000000 survived\n",
        encoding="utf-8",
    )
    was, becomes = b.change
    (files / "accepted.toml").write_text(
        f"[[mutant]]\nfile = '{b.path}'\nwas = '''{was}'''\nbecomes = '''{becomes}'''\n"
        "why = 'Nobody reads it.'\n",
        encoding="utf-8",
    )
    said = mutants.told("tests", found, mutants.verdicts(), mutants.accepted())
    row = {"at": f"{b.path}:{b.line}", "was": was, "becomes": becomes, "why": "Nobody reads it."}
    assert said == {"run": 3, "killed": 1, "timed_out": 1, "survived": 1, "survivors": [row]}
    assert mutants.share(said) == pytest.approx(200 / 3)
    assert mutants.told("pages", found, mutants.verdicts(), {})["run"] == 0


def test_every_room_is_there_and_has_its_tests():
    for room in mutants.ROOMS:
        assert mutants.sources(room)
        for file in mutants.judges("tests", room):
            assert (mutants.ROOT / file).is_file(), file
    known = {path for room in mutants.ROOMS for path in mutants.sources(room)}
    apart = {"draw", "figures"}  # pictures, which no other code uses
    small = {"__init__.py", "about.py", "arguments.py", "copies.py", "records.py", "tables.py"}
    for path in (mutants.ROOT / "nonlocal_tut").rglob("*.py"):
        place = path.relative_to(mutants.ROOT / "nonlocal_tut").parts[0]
        assert (str(path.relative_to(mutants.ROOT)) in known) != (place in apart | small)


@pytest.mark.parametrize("room", mutants.ROOMS)
def test_the_report_s_counts_agree_and_its_reasons_are_ours(room):
    """How many of ten are noticed is what the report is for: it is no test's to demand."""
    rooms = json.loads(mutants.REPORT.read_text(encoding="utf-8"))["rooms"]
    for judge in GOAL:
        said = rooms[room][judge]
        assert said["run"] == said["killed"] + said["timed_out"] + said["survived"]
        assert len(said["survivors"]) == said["survived"]
        for row in said["survivors"]:
            key = row["at"].split(":")[0], row["was"], row["becomes"]
            assert row["why"] is None or mutants.accepted()[key] == row["why"]
