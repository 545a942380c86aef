"""The closed form as a calculator in the page: sliders, worked out by the reader's own browser.

The formulas go into the page from `closed_form.py`; the arithmetic and the controls are the two
scripts beside this file. It needs no kernel, no network and no library, so it works in the
rendered book and in a notebook alike. Where scripts are off, a table stands in its place.
"""

import json
from importlib.resources import files

import torch

from nonlocal_tut import words
from nonlocal_tut.memory.closed_form import closed_form
from nonlocal_tut.memory.formulas import FORMULAS, SYMBOLS, WHERE_SMALL
from nonlocal_tut.memory.report import MIB, amount
from nonlocal_tut.pairwise import small

# GiB in all that torch reports for each card, rounded down; chapter 4 names the reports.
GPUS = {"T4": 14.5, "L4": 22.0, "A100 40GB": 39.5, "A100 or H100 80GB": 79.1}
BLOCKS = {
    "article": "the article's block",
    "swapped": "the article's, second product swapped",
    "dot_product": "the article's, dot product",
    "fused": "the module's, without the matrix",
    "paper": "the paper's block",
    "paper_pooled": "the paper's, keys and values pooled",
}
ITEMS = {4: "float32", 2: "float16 or bfloat16"}  # bytes a number
TURNS = {1: "a training step", 0: "inference"}
START = {"B": 1, "C": 64, "H": 64, "W": 64}
SIDES = (16, 32, 64, 96, 128)  # of the table that stands in


def calculator() -> "Calculator":
    """What a cell ends with to show the calculator: `closed_form` for any block, with sliders.

    B from 1 to 64, C from 8 to 2048, H and W from 2 to 1024, training or inference, float32 or 16
    bits, the six variants, and for each of `GPUS` whether it fits there. See chapter 4.
    """
    return Calculator()


class Calculator:
    """Shows itself as HTML in a notebook, and as one line of text elsewhere."""

    def __repr__(self) -> str:
        peak = closed_form("article", START["B"], START["C"], START["H"], START["W"])
        return f"calculator, where scripts run; it starts at {amount(peak.peak_bytes)}"

    def _repr_html_(self) -> str:
        return words.live(
            '<div class="bytes-calculator">\n'
            f'{stand_in()}\n</div>\n<script>(() => {{\n"use strict";\n{script()}}})();</script>'
        )


def arithmetic() -> str:
    """The formulas and what computes with them, as JavaScript that needs no page."""
    bounds = [small.SMALL, small.SMALL * small.IF_PADDED]
    small_ones = {"WHERE_SMALL": WHERE_SMALL, "SMALL": bounds}
    tables = _constants(FORMULAS=FORMULAS, SYMBOLS=SYMBOLS, GPUS=GPUS, **small_ones)
    return tables + _file("closed_form.js")


def script() -> str:
    """All that runs in the page."""
    choices = {
        "variant": ["block", list(BLOCKS.items())],
        "training": ["run", list(TURNS.items())],
        "itemsize": ["numbers", list(ITEMS.items())],
        "gpu": ["GPU", [(name, f"{name}, {size} GiB") for name, size in GPUS.items()]],
    }
    return arithmetic() + _constants(CHOICES=choices, START=START) + _file("calculator.js")


def stand_in() -> str:
    """What a page without scripts shows: the peaks of all variants on a few sizes."""
    head = "".join(f'<th scope="col">{name}</th>' for name in FORMULAS)
    rows = "".join(
        f'<tr><th scope="row">{side}×{side}</th>'
        + "".join(f"<td>{_peak(variant, side) / MIB:,.2f}</td>" for variant in FORMULAS)
        + "</tr>\n"
        for side in SIDES
    )
    return (
        f"<p>Peak of a training step in MiB, for B = {START['B']}, C = {START['C']}, float32. "
        "Where scripts run, a calculator stands here.</p>\n"
        '<div style="overflow-x: auto"><table class="dataframe">\n'
        f'<thead><tr><th scope="col">H×W</th>{head}</tr></thead>\n'
        f"<tbody>\n{rows}</tbody></table></div>"
    )


def _peak(variant: str, side: int) -> int:
    return closed_form(variant, START["B"], START["C"], side, side, torch.float32).peak_bytes


def _constants(**tables: object) -> str:
    return "".join(
        f"const {name} = {json.dumps(table, ensure_ascii=False)};\n"
        for name, table in tables.items()
    )


def _file(name: str) -> str:
    return files("nonlocal_tut.memory").joinpath(name).read_text(encoding="utf-8")
