"""The exercises of chapter 2: each takes an answer, and returns a hint, or "" if it is right."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nonlocal_tut.check.misfit import misfit

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]  # (B, d, N), (B, d, N), (B, c, N)


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return v @ (q.mT @ k).softmax(-1).mT  # (B, c, N)


MISTAKES: dict[str, Attention] = {  # each returns the right shape
    "softmax over queries": lambda q, k, v: v @ (q.mT @ k).softmax(-2).mT,
    "softmax over the batch": lambda q, k, v: v @ (q.mT @ k).softmax(0).mT,
    "map not transposed": lambda q, k, v: v @ (q.mT @ k).softmax(-1),
    "reshape, not permute": lambda q, k, v: v @ (q.reshape(q.mT.shape) @ k).softmax(-1).mT,
    "query and key swapped": lambda q, k, v: v @ (k.mT @ q).softmax(-1).mT,
    "softmax over both": lambda q, k, v: (
        v @ (q.mT @ k).flatten(1).softmax(1).unflatten(1, (q.shape[2], k.shape[2])).mT
    ),
}


def _vectors() -> tuple[Tensor, Tensor, Tensor]:
    luck = torch.Generator().manual_seed(2)
    return tuple(torch.randn(2, width, 5, generator=luck) for width in (3, 3, 4))


def _clip(answer: Any) -> str:
    """2.1: entries of the map of 4 clips of 8×7×7 positions."""
    if not isinstance(answer, int):
        return f"a whole number is asked for, not {answer!r}."
    positions = 8 * 7 * 7
    hints = {
        positions**2: "that is one clip; the batch has four.",
        4 * 49**2: "each frame alone has 49 positions, and this block looks across frames too.",
        4 * 8 * 49**2: "that is one map a frame; this block looks across frames too.",
        4 * 32 * positions**2: "the channels are summed away in the product.",
    }
    right = 4 * positions**2
    return (
        ""
        if answer == right
        else hints.get(answer, f"not {answer!r}. How many positions are there?")
    )


def _rows(answer: Callable) -> str:
    """2.2: attention on (B, N, d), (B, N, d), (B, N, c)."""
    query, key, value = _vectors()
    rows = [t.transpose(1, 2) for t in (query, key, value)]
    wanted = _attend(query, key, value).transpose(1, 2)  # (B, N, c)
    got = answer(*rows)
    if hint := misfit(got, wanted):
        return hint
    if torch.allclose(got, wanted, atol=1e-5):
        return ""
    if torch.allclose(answer(*rows[:2], torch.ones_like(rows[2])), torch.ones_like(wanted)):
        return "the weights sum to one, but they are not the ones of the definition."
    return "a constant value should come out as it went in. Over which side does softmax run?"


def _is_right(answer: Callable) -> str:
    """2.3: a test that tells the right attention from each mistake."""
    if _said(answer, _attend) is not True:
        return "it does not accept the right one: it should return True."
    missed = [name for name, attend in MISTAKES.items() if _said(answer, attend) is not False]
    return f"it lets through: {', '.join(missed)}." if missed else ""


def _said(answer: Callable, attend: Attention) -> Any:
    """What the reader's test says; `(a == b).all()` says it in a tensor."""
    said = answer(attend)
    return said.item() if isinstance(said, Tensor) and said.numel() == 1 else said


VALUES = {"2.1": _clip}
FUNCTIONS = {"2.2": _rows, "2.3": _is_right}
