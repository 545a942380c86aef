"""The exercises of chapter 2: each takes an answer, and returns a hint, or "" if it is right."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nonlocal_tut.check.misfit import misfit
from nonlocal_tut.check.whole import not_whole, whole

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return v @ (q.mT @ k).softmax(-1).mT  # (B, d, N), (B, d, N), (B, c, N) -> (B, c, N)


MISTAKES: dict[str, Attention] = {  # 2.3: of _attend; each returns the right shape
    "softmax over queries": lambda q, k, v: v @ (q.mT @ k).softmax(-2).mT,
    "softmax over the batch": lambda q, k, v: v @ (q.mT @ k).softmax(0).mT,
    "weights not transposed": lambda q, k, v: v @ (q.mT @ k).softmax(-1),
    "reshape, not permute": lambda q, k, v: v @ (q.reshape(q.mT.shape) @ k).softmax(-1).mT,
    "query and key swapped": lambda q, k, v: v @ (k.mT @ q).softmax(-1).mT,
    "softmax over both": lambda q, k, v: (
        v @ (q.mT @ k).flatten(-2).softmax(-1).unflatten(-1, (q.shape[-1], k.shape[-1])).mT
    ),
}


def _rows_with(weights: Callable[[Tensor], Tensor]) -> Attention:
    return lambda q, k, v: weights(q @ k.mT) @ v  # (B, N, d), (B, N, d), (B, N, c) -> (B, N, c)


DIAGNOSES: dict[str, Attention] = {  # 2.2: a hint, and the mistake that earns it
    "softmax runs over the queries; which side are the keys?": _rows_with(
        lambda scores: scores.softmax(-2)
    ),
    "softmax runs over the batch; which side are the keys?": _rows_with(
        lambda scores: scores.softmax(0)
    ),
    "softmax runs over all pairs at once; each query has weights of its own.": _rows_with(
        lambda scores: scores.flatten(1).softmax(1).view_as(scores)
    ),
    "those are scores times values; softmax belongs between the two products.": _rows_with(
        lambda scores: scores
    ),
    "dividing by the number of keys is not softmax.": _rows_with(
        lambda scores: scores / scores.shape[-1]
    ),
    "position i is mixed with what the others give to i: the weights are transposed.": _rows_with(
        lambda scores: scores.softmax(-1).mT
    ),
    "query and key have changed places.": _rows_with(lambda scores: scores.mT.softmax(-1)),
    "the scores are multiplied by 1/√d; this block does not do that.": lambda q, k, v: (
        (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) @ v
    ),
    "the values come out as they went in.": lambda q, k, v: v,
}


def _vectors() -> tuple[Tensor, Tensor, Tensor]:
    luck = torch.Generator().manual_seed(2)
    query, key, value = (torch.randn(2, width, 5, generator=luck) for width in (3, 3, 4))
    return query, key, value


def _clip(answer: Any) -> str:
    """2.1: entries of the attention matrices of 4 clips of 8×7×7 positions."""
    if (number := whole(answer)) is None:
        return not_whole(answer)
    positions = 8 * 7 * 7
    if number == 4 * positions**2:
        return ""
    hints = {
        positions**2: "that is one clip; the batch has four.",
        (4 * positions) ** 2: "positions of different clips never meet.",
        4 * 49**2: "each frame alone has 49 positions, and this block looks across frames too.",
        4 * 8 * 49**2: "that is one matrix per frame; this block looks across frames too.",
        4 * 32 * positions**2: "the channels are summed away in the product.",
        4 * positions: "those are the positions; each of them has a score for each of its clip.",
    }
    return hints.get(number, f"not {answer!r}. How many positions are there?")


def _rows(answer: Attention) -> str:
    """2.2: attention on (B, N, d), (B, N, d), (B, N, c)."""
    query, key, value = _vectors()
    rows = [t.mT for t in (query, key, value)]
    wanted = _attend(query, key, value).mT  # (B, N, c)
    got = answer(*rows)
    if hint := misfit(got, wanted):
        return hint
    if torch.allclose(got, wanted, atol=1e-5):
        return ""
    for hint, mistake in DIAGNOSES.items():
        if torch.allclose(got, mistake(*rows), atol=1e-5):
            return hint
    return "another result than the loop's: y_i is the sum over j of weight (i, j) times value j."


def _is_right(answer: Callable[[Attention], Any]) -> str:
    """2.3: a test that tells the right attention from each mistake."""
    said = {name: _said(answer, f) for name, f in {"the right one": _attend, **MISTAKES}.items()}
    for name, verdict in said.items():
        if verdict is None:
            return f"for {name} it returns nothing; does every way through it end in a `return`?"
        if not isinstance(verdict, bool):
            kind = type(verdict).__name__
            return f"for {name} it returns a value of type {kind}; True or False is asked for."
    if not said.pop("the right one"):
        return "it does not accept the right one: it should return True."
    missed = [name for name, verdict in said.items() if verdict]
    return f"it lets through: {', '.join(missed)}." if missed else ""


def _said(answer: Callable[[Attention], Any], attend: Attention) -> Any:
    """What the reader's test says: a bool, also where NumPy or torch has wrapped it."""
    said = answer(attend)
    if isinstance(said, (Tensor, np.ndarray, np.generic)) and np.prod(said.shape) == 1:
        said = said.item()
    return said


VALUES = {"2.1": _clip}
FUNCTIONS = {"2.2": _rows, "2.3": _is_right}
