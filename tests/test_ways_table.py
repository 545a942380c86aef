"""The table of the ways in which people run modules is what they come to."""

import itertools
import json

import pytest
import ways
import ways_table
from every import some

from nonlocal_tut import parallel
from nonlocal_tut.pairwise import ATTENTION

DATA = json.loads(ways_table.PATH.read_text(encoding="utf-8"))
SENTENCES = {  # how those of our own that may stand in the table begin
    "torch.func.jvp": (
        "RuntimeError: the fused softmax has no forward-mode derivative",
        'RuntimeError: attention="chunked" has no forward-mode derivative',
    ),
}


def test_the_text_is_made_from_the_data():
    assert ways_table.TABLE.read_text(encoding="utf-8") == ways_table.rendered(DATA)
    assert "| `fused` | `matmul` | `chunked` |" in ways_table.rendered(DATA), (
        "short: a phone is narrow"
    )
    assert {*ways.WAYS, *ways.WRAPPED} - {*DATA["ways"]} <= {*ways.LONG}


def test_a_way_that_fails_for_some_forms_names_them():
    by_form = {"dot_product": "works", "gaussian": "E: no", "concat": "E: not yet"}
    notes = {}
    assert ways_table.cell(by_form, notes, str) == "all but `gaussian` (1) `concat` (2)"
    by_form["dot_product"] = "E: no"
    assert ways_table.cell(by_form, notes, str) == "no (1, 2)" and len(notes) == 2


def test_code_in_a_sentence_is_marked_as_code():
    said = 'E: attention="chunked" has none; use jacrev, or attention="matmul"'
    marked = 'E: `attention="chunked"` has none; use jacrev, or `attention="matmul"`'
    assert ways_table.code(said) == marked


@pytest.mark.parametrize("way", [way for way in ways.WAYS if way in DATA["ways"]])
def test_each_way_still_ends_so(way):
    pairs = list(itertools.product(ways.FORMS, ATTENTION))
    if way in ways.LONG:  # each form in one of them; test_ways.py compiles them with "fused"
        pairs = list(zip(ways.FORMS, itertools.cycle(("matmul", "chunked")), strict=False))
        pairs = some(pairs[ways.LONG.index(way) :: len(ways.LONG)], 2)
    elif way.startswith("torch.export"):
        pairs = some(pairs, 2)
    for form, attention in pairs:
        ended = ways.outcome(ways.WAYS[way], ways.made(form, attention))
        assert ended == DATA["ways"][way][attention][form], f"{form}, {attention}"


def test_wrapped_blocks_still_end_so():
    for worker in parallel.run(ways.wrapped, workers=2, seconds=600):
        assert worker == {way: DATA["ways"][way] for way in ways.WRAPPED}


def test_what_does_not_work_ends_in_a_sentence_of_ours():
    for way, by_attention in DATA["ways"].items():
        for by_form in by_attention.values():
            for end in by_form.values():
                assert end == ways_table.WORKS or end.startswith(SENTENCES[way]), f"{way}: {end}"
