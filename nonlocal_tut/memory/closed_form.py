"""The bytes of five blocks as formulas: a sum of named tensors for each moment that can be worst.

Each moment of a training run is a sum such as "4 matrix + 2 input + 2 query + …": four attention
matrices, two tensors like the input, and so on. The peak is the largest of these sums. Which
moments there are was read off `predict`; tests hold the two together as integers. See the appendix
on bytes, "Can the peak be written as a formula?".
"""

import re
from collections.abc import Iterator
from typing import Any

import torch

from nonlocal_tut.arguments import one_of
from nonlocal_tut.memory.report import Allocation, Report
from nonlocal_tut.memory.run import DTYPES

SYMBOLS = {
    "matrix": "attention matrix (B·N·keys)",
    "input": "tensor like the input (B·C·N)",
    "query": "tensor like the query (B·C/8·N)",
    "inner": "tensor of the inner width (B·C/2·N)",
    "pooled": "pooled tensor of the inner width (B·C/2·keys)",
    "places": "places of the pool's maxima, 8 bytes each (B·C/2·keys)",
    "value_grads": "gradients of the value's weight and bias",
    "key_grads": "gradients of the key's weight and bias",
    "weight_grad": "gradient of a weight (C/2·C)",
    "channels": "one number per channel",
    "inner_channels": "one number per inner channel",
    "number": "single number",
    "float32_copy": "16 bits alone: the input in float32, and its sum",
    "norm": "what batch norm's backward needs beside its results",
}
FORMULAS: dict[str, dict[str, Any]] = {  # a moment, or for the two passes several
    "article": {
        "saved": "matrix + 2 input + 2 query",
        "forward": ("2 matrix + 4 input + 2 query",),
        "backward": (
            "4 matrix + 2 input + 2 query + value_grads + number",
            "2 matrix + 3 input + 2 query + value_grads + number",
            "2 matrix + 3 input + 2 query + channels + float32_copy + number",
            "matrix + 5 input + 2 query + number",
            "3 input + 2 query + value_grads + 2 key_grads + number",
        ),
    },
    "swapped": {
        "saved": "matrix + 2 input + 2 query",
        "forward": ("2 matrix + 4 input + 2 query",),
        "backward": (
            "3 matrix + 2 input + 2 query + value_grads + number",
            "2 matrix + 4 input + 2 query + value_grads + number",
            "matrix + 5 input + 2 query + number",
            "3 input + 2 query + value_grads + 2 key_grads + number",
        ),
    },
    "dot_product": {
        "saved": "matrix + 2 input + 2 query",
        "forward": ("2 matrix + 4 input + 2 query",),
        "backward": (
            "2 matrix + 4 input + 2 query + number",
            "matrix + 5 input + 2 query + number",
            "matrix + 3 input + 2 query + value_grads + number",
            "matrix + 3 input + 2 query + channels + float32_copy + number",
            "3 input + 2 query + value_grads + 2 key_grads + number",
        ),
    },
    "paper": {
        "saved": "matrix + input + 4 inner + 2 channels",
        "forward": ("2 matrix + 3 inner", "matrix + 3 input + 4 inner + 2 channels"),
        "backward": (
            "3 matrix + input + 3 inner + weight_grad + 3 channels",
            "matrix + 3 input + 4 inner + 4 channels + norm",
            "3 input + 2 inner + 4 weight_grad + 3 channels + 3 inner_channels",
        ),
    },
    "paper_pooled": {
        "saved": "matrix + input + 4 inner + 2 pooled + 2 places + 2 channels",
        "forward": (
            "2 matrix + 3 inner + 2 pooled + 2 places",
            "matrix + 3 input + 4 inner + 2 pooled + 2 places + 2 channels",
        ),
        "backward": (
            "3 matrix + input + 3 inner + 2 pooled + 2 places + weight_grad + 3 channels",
            "matrix + 3 input + 4 inner + 2 pooled + 2 places + 4 channels + norm",
            "3 input + 2 inner + 4 weight_grad + 3 channels + 3 inner_channels",
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
    fewer channels than the block needs, and for one row or column.
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
        "matrix": B * N * keys,
        "input": B * C * N,
        "query": B * d * N,
        "inner": B * d * N,
        "pooled": B * d * keys,
        "value_grads": C * C + C,
        "key_grads": C * d + d,
        "weight_grad": C * d,
        "channels": C,
        "inner_channels": d,
        "number": 1,
    }
    sizes = {name: count * itemsize for name, count in numbers.items()}
    cast = 4 if itemsize == 2 and B > 1 else 0  # sums in 16 bits go through float32
    sizes["float32_copy"] = cast * (B * C * N + C)
    sizes["places"] = 8 * B * d * keys
    # A batch of one has no channels-last format of its own, so rows are copied to be read.
    sizes["norm"] = sizes["input"] if B == 1 else sizes["channels"] + sizes["float32_copy"]
    return sizes


def terms(moment: str) -> Iterator[tuple[int, str]]:
    """ "4 matrix + 2 input + number" -> (4, "matrix"), (2, "input"), (1, "number")."""
    for count, symbol in re.findall(r"(?:(\d+) )?([a-z]\w*)", moment):
        yield int(count or 1), symbol


def total(moment: str, sizes: dict[str, int]) -> int:
    """The bytes of a moment."""
    return sum(count * sizes[symbol] for count, symbol in terms(moment))


def _worst(moments: tuple[str, ...], sizes: dict[str, int]) -> str:
    return max(moments, key=lambda moment: total(moment, sizes))


def _rows(moment: str, sizes: dict[str, int]) -> Iterator[Allocation]:
    rows = [
        (count * sizes[symbol], f"{count} × {SYMBOLS[symbol]}") for count, symbol in terms(moment)
    ]
    for size, name in sorted(rows, reverse=True):
        yield Allocation("", name, None, None, size, 0)
