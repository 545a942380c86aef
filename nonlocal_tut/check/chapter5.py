"""The exercises of chapter 5: each takes an answer, and returns a hint, or "" if it is right."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nonlocal_tut.check.largest import Largest
from nonlocal_tut.check.misfit import misfit
from nonlocal_tut.check.operations import Operations
from nonlocal_tut.check.whole import not_whole, whole

Partial = tuple[Tensor, Tensor, Tensor]


def _rows_that_fit(answer: Any) -> str:
    """5.1: how many rows of the attention matrix of 128×128 positions have 64 MiB, in float32."""
    if (rows := whole(answer)) is None:
        return not_whole(answer, "rows")
    hints = {
        4096: "a float32 has 4 bytes.",
        131072: "a row has one entry for each position, and there are 128 · 128.",
        524288: "a row has one entry for each position, and there are 128 · 128.",
    }
    if rows == 64 * 2**20 // (4 * 128 * 128):
        return ""
    return hints.get(rows, f"not {rows}. How many bytes has one row?")


def _merge(answer: Callable[[Partial, Partial], Partial]) -> str:
    """5.2: (m, s, y) over some keys and over others -> over all, m (B, N, 1), s, y (B, N, C)."""
    luck = torch.Generator().manual_seed(9)
    scores = torch.randn(2, 5, 7, generator=luck, dtype=torch.float64)  # (B, N, M)
    g = torch.randn(2, 7, 3, generator=luck, dtype=torch.float64)  # (B, M, C)
    for size in (1, 400):  # exp(800) is infinite
        for cut in (2, 5):
            parts = [_partial(size * scores[..., s], g[:, s]) for s in (slice(cut), slice(cut, 7))]
            wanted = _partial(size * scores, g)
            for first, second in (parts, parts[::-1]):
                if hint := _merged(answer(first, second), first, second, wanted):
                    return hint
    return ""


def _partial(scores: Tensor, g: Tensor) -> Partial:
    m = scores.amax(-1, keepdim=True)  # (B, N, 1)
    weights = (scores - m).exp()  # (B, N, M)
    return m, weights.sum(-1, keepdim=True), weights @ g


def _merged(got: Any, first: Partial, second: Partial, wanted: Partial) -> str:
    several = isinstance(got, (tuple, list))
    if not several or len(got) != 3 or not all(isinstance(t, Tensor) for t in got):
        return f"three tensors (m, s, y) are asked for, not {_kind(got)}."
    for name, ours, right in zip("msy", got, wanted, strict=True):
        if ours.shape != right.shape:
            return f"{name} should have shape {tuple(right.shape)}, yours has {tuple(ours.shape)}."
        if ours.dtype != right.dtype:
            return f"{name} should be {right.dtype}, like what it is made from, not {ours.dtype}."
    m, s, y = got
    if not torch.isfinite(y).all() or not torch.isfinite(s).all():
        return "with large scores something overflows; only ever take exp of a difference ≤ 0."
    if not torch.allclose(m, wanted[0]):
        return "m is the larger of the two m, entry by entry."
    if torch.allclose(s, first[1] + second[1]) or torch.allclose(y, first[2] + second[2]):
        return "sums taken under different m do not add up; each shrinks to the common m first."
    if not torch.allclose(s, wanted[1]):
        return "s differs. By which factor does each part shrink?"
    return "" if torch.allclose(y, wanted[2]) else "s is right and y is not; y shrinks as s does."


def _kind(got: Any) -> str:
    """What was returned, and how many of them."""
    count = f" of {len(got)}" if isinstance(got, (tuple, list)) else ""
    return f"{type(got).__name__}{count}"


def _relu_sums(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    """5.3: Σ_j ReLU(a_i + b_j) g_j, from (B, N), (B, M), (B, M, C), with no tensor of pairs."""
    operands = _operands(60)
    a, b, g = operands
    wanted = (a[:, :, None] + b[:, None]).relu() @ g  # (B, N, C)
    with Largest() as large, Operations() as few:
        got = answer(*operands)
    if hint := misfit(got, wanted):
        return hint
    if not torch.allclose(got, wanted):
        if torch.allclose(got, (a[:, :, None] + b[:, None]) @ g):
            return "and the ReLU?"
        if torch.allclose(got * 60, wanted):
            return "the sum is asked for, not the average over keys."
        return "the numbers differ. For which j is a_i + b_j positive?"
    if large.entries >= 2 * 60 * 60:
        return f"right numbers, but a tensor of {large.entries} entries was made; pairs have 7200."
    with Largest() as larger, Operations() as many:
        answer(*_operands(480))
    if larger.entries > 16 * large.entries:  # 8 times as many keys: 8 times is linear, 64 all pairs
        return (
            f"right numbers, but with 8 times as many positions the largest tensor has "
            f"{larger.entries // large.entries} times as many entries: a fixed share of all pairs."
        )
    if many.count > 2 * few.count:
        return (
            f"right numbers, but in a loop: {few.count} operations for 60 keys, {many.count} for "
            "480. Still all pairs are computed; sort, and none needs to be."
        )
    return ""


def _operands(count: int) -> Partial:
    """a (B, N), b (B, N) and g (B, N, C), N being count."""
    luck = torch.Generator().manual_seed(10)
    a, b = torch.randn(2, 2, count, generator=luck, dtype=torch.float64)
    return a, b, torch.randn(2, count, 3, generator=luck, dtype=torch.float64)


VALUES = {"5.1": _rows_that_fit}
FUNCTIONS = {"5.2": _merge, "5.3": _relu_sums}
