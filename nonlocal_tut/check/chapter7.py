"""The exercises of chapter 7: each takes an answer, and returns a hint, or "" if it is right."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nonlocal_tut.check.largest import Largest
from nonlocal_tut.check.misfit import misfit
from nonlocal_tut.check.operations import Operations
from nonlocal_tut.check.whole import not_whole, whole


def _smallest_side(answer: Any) -> str:
    """7.1: the smallest square with more positions than the pyramid has keys, by its side."""
    side = whole(answer)
    if side is None:
        return not_whole(answer, "positions along a side")
    keys = 1 + 9 + 36 + 64
    if side == 11:
        return ""
    if side in (keys, keys + 1, 11 * 11):
        return "that counts positions on the feature map; how many lie along a side?"
    if side < 1:
        return "a side has one position or more."
    if side < 11:
        return f"{side}×{side} has {side**2} positions, and the pyramid {keys} keys."
    return f"{side}×{side} has more than {keys}, but it is not the smallest that has."


def _implied(answer: Callable[[Tensor, Tensor], Tensor]) -> str:
    """7.2: the (B, N, N) attention matrix of efficient attention: query, key (B, N, d) each."""
    luck = torch.Generator().manual_seed(7)
    query, key = (2 * torch.randn(2, 6, 3, generator=luck, dtype=torch.float64) for _ in "qk")
    wanted = query.softmax(2) @ key.softmax(1).mT
    got = answer(query.clone(), key.clone())
    if hint := misfit(got, wanted):
        return hint
    wrong = {
        "": wanted,
        "that is the full block's: one softmax after the product, not two before it.": (
            (query @ key.mT).softmax(2)
        ),
        "rows are queries, columns are keys.": wanted.mT,
        "query and key have changed places.": key.softmax(2) @ query.softmax(1).mT,
        "both softmaxes run over channels; the keys' runs over positions.": (
            query.softmax(2) @ key.softmax(2).mT
        ),
        "both softmaxes run over positions; the queries' runs over channels.": (
            query.softmax(1) @ key.softmax(1).mT
        ),
    }
    for hint, numbers in wrong.items():
        if torch.allclose(got, numbers):
            return hint
    if not torch.allclose(got.sum(-1), torch.ones_like(got[..., 0])):
        return "its rows do not sum to one. Over what does each of the two softmaxes run?"
    return "its rows sum to one, but with other weights. Over what does each softmax run?"


def _own_row(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    """7.3: attention along the own row of the feature map: three (B, d, H, W) -> (B, d, H, W)."""
    theta, phi, g = few = _operands(2, 5, 7)
    wanted = _along_rows(theta, phi, g)
    with Largest() as seen, Operations() as on_few:
        got = answer(*(t.clone() for t in few))
    if hint := misfit(got, wanted):
        return hint
    if not torch.allclose(got, wanted):
        return _other_row(got, theta, phi, g)
    if seen.entries > 2 * 5 * 7 * 7:
        return f"right numbers, but a tensor of {seen.entries} entries was made; 490 are enough."
    many = _operands(4, 9, 11)
    with Operations() as on_many:
        answer(*many)
    if on_many.count > on_few.count:
        return (
            f"right numbers, but in a loop: {on_few.count} operations for 2 times 5×7 positions, "
            f"{on_many.count} for 4 times 9×11."
        )
    return ""


def _other_row(got: Tensor, theta: Tensor, phi: Tensor, g: Tensor) -> str:
    wrong = {
        "that attends to the own column.": _along_rows(theta.mT, phi.mT, g.mT).mT,
        "query and key have changed places.": _along_rows(phi, theta, g),
        "the weights are transposed: rows are queries, columns are keys.": _along_rows(
            theta, phi, g, lambda scores: scores.softmax(-1).mT
        ),
        "softmax runs over the queries; over which should it?": _along_rows(
            theta, phi, g, lambda scores: scores.softmax(-2)
        ),
        "those weights are scores. What makes a row of them sum to one?": _along_rows(
            theta, phi, g, lambda scores: scores
        ),
        "that is scaled by 1/√d; here nothing is.": _along_rows(theta / 3**0.5, phi, g),
        "that attends to all positions, not to the own row alone.": _everywhere(theta, phi, g),
    }
    for hint, numbers in wrong.items():
        if torch.allclose(got, numbers):
            return hint
    return "those are not the values of the own row, weighted by a softmax over its places."


def _operands(batch: int, height: int, width: int) -> tuple[Tensor, ...]:
    luck = torch.Generator().manual_seed(8)
    shape = batch, 3, height, width
    return tuple(torch.randn(shape, generator=luck, dtype=torch.float64) for _ in "tpg")


def _along_rows(
    theta: Tensor,
    phi: Tensor,
    g: Tensor,
    weigh: Callable[[Tensor], Tensor] = lambda scores: scores.softmax(-1),
) -> Tensor:
    out = torch.zeros_like(g)
    for r in range(g.shape[2]):
        weights = weigh(theta[:, :, r].mT @ phi[:, :, r])  # (B, W, W)
        out[:, :, r] = (weights @ g[:, :, r].mT).mT
    return out


def _everywhere(theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
    weights = (theta.flatten(2).mT @ phi.flatten(2)).softmax(-1)  # (B, N, N)
    return (weights @ g.flatten(2).mT).mT.view_as(g)


VALUES = {"7.1": _smallest_side}
FUNCTIONS = {"7.2": _implied, "7.3": _own_row}
