"""The bytes of five blocks as formulas: a sum of named tensors for each moment that can be worst.

Each moment of a training run is a sum such as "4A + 2X + 2Q + V + s": four maps, two tensors of
the input's size, and so on. The peak is the largest of these sums. Which moments there are was
read off `predict`; tests hold the two together as integers. See chapter 4, "Can the formula be
written down?".
"""

import re
from collections.abc import Iterator

import torch

from nonlocal_tut.arguments import one_of
from nonlocal_tut.memory.report import Allocation, Report
from nonlocal_tut.memory.run import DTYPES

SYMBOLS = {
    "A": "the size of the map, B·N·keys",
    "X": "the size of the input, B·C·N",
    "Q": "the size of the query, B·C/8·N",
    "I": "inner width, B·C/2·N",
    "P": "pooled inner width, B·C/2·keys",
    "J": "the pool's indices, 8 bytes each, B·C/2·keys",
    "V": "the gradients of the value's weight and bias",
    "K": "the gradients of the key's weight and bias",
    "W": "the gradient of a weight, C/2·C",
    "b": "a number a channel",
    "c": "a number an inner channel",
    "s": "one number",
    "F": "16 bits alone: float32 copy of X and its sum",
    "R": "what batch norm's backward needs beside its results",
}
FORMULAS = {
    "article": {
        "saved": "A + 2X + 2Q",
        "forward": ("2A + 4X + 2Q",),
        "backward": (
            "4A + 2X + 2Q + V + s",
            "2A + 3X + 2Q + V + s",
            "2A + 3X + 2Q + b + F + s",
            "A + 5X + 2Q + s",
            "3X + 2Q + V + 2K + s",
        ),
    },
    "swapped": {
        "saved": "A + 2X + 2Q",
        "forward": ("2A + 4X + 2Q",),
        "backward": (
            "3A + 2X + 2Q + V + s",
            "2A + 4X + 2Q + V + s",
            "A + 5X + 2Q + s",
            "3X + 2Q + V + 2K + s",
        ),
    },
    "dot_product": {
        "saved": "A + 2X + 2Q",
        "forward": ("2A + 4X + 2Q",),
        "backward": (
            "2A + 4X + 2Q + s",
            "A + 5X + 2Q + s",
            "A + 3X + 2Q + V + s",
            "A + 3X + 2Q + b + F + s",
            "3X + 2Q + V + 2K + s",
        ),
    },
    "paper": {
        "saved": "A + X + 4I + 2b",
        "forward": ("2A + 3I", "A + 3X + 4I + 2b"),
        "backward": (
            "3A + X + 3I + W + 3b",
            "A + 3X + 4I + 4b + R",
            "3X + 2I + 4W + 3b + 3c",
        ),
    },
    "paper_pooled": {
        "saved": "A + X + 4I + 2P + 2J + 2b",
        "forward": ("2A + 3I + 2P + 2J", "A + 3X + 4I + 2P + 2J + 2b"),
        "backward": (
            "3A + X + 3I + 2P + 2J + W + 3b",
            "A + 3X + 4I + 2P + 2J + 4b + R",
            "3X + 2I + 4W + 3b + 3c",
        ),
    },
}


def closed_form(
    variant: str, B: int, C: int, H: int, W: int, dtype: torch.dtype = torch.float32
) -> Report:
    """The bytes of a training run of a variant on (B, C, H, W), from formulas alone.

    variant: "article", "swapped", "dot_product", "paper" or "paper_pooled"; see `variants.py`.
    Equal to `predict(…, device="cpu")` of that variant, as integers. `at_peak` holds one row a
    symbol of the formula of the peak.

    Raises ValueError for an unknown variant or dtype, for sizes that are not positive integers, for
    fewer channels than the block needs, and for maps of one row or column.
    """
    one_of("variant", variant, tuple(FORMULAS))
    one_of("dtype", dtype, DTYPES)
    least = {"B": 1, "C": 2 if variant.startswith("paper") else 8, "H": 2, "W": 2}
    for name, size in zip("BCHW", (B, C, H, W), strict=True):
        if type(size) is not int or size < least[name]:
            raise ValueError(f"{name} must be an integer of {least[name]} or more, not {size!r}")
    sizes = symbol_bytes(variant, B, C, H, W, dtype.itemsize)
    formulas = FORMULAS[variant]
    forward, backward = (_worst(formulas[turn], sizes) for turn in ("forward", "backward"))
    worst = max(forward, backward, key=lambda moment: total(moment, sizes))
    peak = total(worst, sizes)
    return Report(
        "closed form",
        "cpu",
        peak_bytes=peak,
        forward_peak_bytes=total(forward, sizes),
        backward_peak_bytes=total(backward, sizes),
        saved_bytes=total(formulas["saved"], sizes),
        requested_bytes=peak,
        at_peak=tuple(_rows(worst, sizes)),
    )


def symbol_bytes(variant: str, B: int, C: int, H: int, W: int, itemsize: int) -> dict[str, int]:
    """What each symbol stands for in bytes, N = H·W."""
    N, keys, d = H * W, H * W, C // 8
    if variant.startswith("paper"):
        d = C // 2
        keys = (H // 2) * (W // 2) if variant == "paper_pooled" else N
    numbers = {
        "A": B * N * keys,
        "X": B * C * N,
        "Q": B * d * N,
        "I": B * d * N,
        "P": B * d * keys,
        "V": C * C + C,
        "K": C * d + d,
        "W": C * d,
        "b": C,
        "c": d,
        "s": 1,
    }
    sizes = {name: count * itemsize for name, count in numbers.items()}
    cast = 4 if itemsize == 2 and B > 1 else 0  # sums in 16 bits go through float32
    sizes["F"] = cast * (B * C * N + C)
    sizes["J"] = 8 * B * d * keys
    # A batch of one has no channels-last format of its own, so rows are copied to be read.
    sizes["R"] = sizes["X"] if B == 1 else sizes["b"] + sizes["F"]
    return sizes


def terms(moment: str) -> Iterator[tuple[int, str]]:
    """ "4A + 2X + s" -> (4, "A"), (2, "X"), (1, "s")."""
    for count, symbol in re.findall(r"(\d*)([A-Za-z])", moment):
        yield int(count or 1), symbol


def total(moment: str, sizes: dict[str, int]) -> int:
    """The bytes of a moment."""
    return sum(count * sizes[symbol] for count, symbol in terms(moment))


def _worst(moments: tuple[str, ...], sizes: dict[str, int]) -> str:
    return max(moments, key=lambda moment: total(moment, sizes))


def _rows(moment: str, sizes: dict[str, int]) -> Iterator[Allocation]:
    rows = [(count * sizes[symbol], f"{count} {symbol}", symbol) for count, symbol in terms(moment)]
    for size, name, symbol in sorted(rows, reverse=True):
        yield Allocation("", f"{name}: {SYMBOLS[symbol]}", None, None, size, 0)
