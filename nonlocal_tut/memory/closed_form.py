"""The bytes of six blocks from formulas alone (`formulas.py`): the largest of a few sums.

Each moment of a run is a sum such as "4 matrix + 2 input + 2 query + …": four attention
matrices, two tensors like the input, and so on. The peak is the largest of these sums. See the
appendix on bytes, "Can the peak be written as a formula?".
"""

import re
from collections.abc import Iterator, Sequence

import torch

from nonlocal_tut.arguments import one_of, whole
from nonlocal_tut.memory.formulas import FORMULAS, SYMBOLS, formulas_for, symbol_bytes
from nonlocal_tut.memory.report import Allocation, Report
from nonlocal_tut.memory.run import DTYPES


def closed_form(
    variant: str,
    B: int,
    C: int,
    H: int,
    W: int,
    dtype: torch.dtype = torch.float32,
    *,
    training: bool = True,
) -> Report:
    """The bytes of a run of a variant on (B, C, H, W), from formulas alone.

    variant: "article", "swapped", "dot_product", "paper" or "paper_pooled", see `variants.py`, or
    "fused", which is `SelfAttention2d`, without the attention matrix. Equal to `predict(…,
    device="cpu")` of that variant, as integers. `at_peak` holds one row a symbol of the formula of
    the peak. A run that is not training is one forward pass, as `predict` has it. From 16 images
    on, torch convolves float32 one image after the other; that scratch, which shows only where
    weights outweigh the feature map, is left out.

    Raises ValueError for an unknown variant or dtype, for sizes that are not positive integers, for
    fewer channels than the block needs, and for one row or column.
    """
    one_of("variant", variant, tuple(FORMULAS))
    one_of("dtype", dtype, DTYPES)
    least = {"B": 1, "C": 2 if variant.startswith("paper") else 8, "H": 2, "W": 2}
    one_of("training", training, (True, False))
    given = zip("BCHW", (B, C, H, W), strict=True)
    B, C, H, W = (whole(name, size, least[name]) for name, size in given)
    sizes = symbol_bytes(variant, B, C, H, W, dtype.itemsize)
    formulas = formulas_for(variant, B, H, W, dtype.itemsize)
    turns = ("forward", "backward") if training else ("inference",)
    moments = [_worst(formulas[turn], sizes) for turn in turns]
    worst = _worst(moments, sizes)
    peak = total(worst, sizes)
    return Report(
        "closed form",
        "cpu",
        peak_bytes=peak,
        forward_peak_bytes=total(moments[0], sizes),
        backward_peak_bytes=total(moments[1], sizes) if training else 0,
        saved_bytes=total(formulas["saved"], sizes) if training else 0,
        requested_bytes=peak,
        at_peak=tuple(_rows(worst, sizes)),
    )


def terms(moment: str) -> Iterator[tuple[int, str]]:
    """ "4 matrix + 2 input + number" -> (4, "matrix"), (2, "input"), (1, "number")."""
    for count, symbol in re.findall(r"(?:(\d+) )?([a-z]\w*)", moment):
        yield int(count or 1), symbol


def total(moment: str, sizes: dict[str, int]) -> int:
    """The bytes of a moment."""
    return sum(count * sizes[symbol] for count, symbol in terms(moment))


def _worst(moments: Sequence[str], sizes: dict[str, int]) -> str:
    return max(moments, key=lambda moment: total(moment, sizes))


def _rows(moment: str, sizes: dict[str, int]) -> Iterator[Allocation]:
    rows = [
        (count * sizes[symbol], f"{count} × {SYMBOLS[symbol]}") for count, symbol in terms(moment)
    ]
    for size, name in sorted(rows, reverse=True):
        yield Allocation("", name, None, None, size, 0)
