"""The exercises of chapter 7: each takes an answer, and returns a hint, or "" if it is right."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nonlocal_tut.check.largest import Largest
from nonlocal_tut.check.misfit import misfit


def _smallest_side(answer: Any) -> str:
    """7.1: the smallest square map with more positions than the pyramid has keys, by its side."""
    if not isinstance(answer, int):
        return f"a whole number of positions along a side is asked for, not {answer!r}."
    keys = 1 + 9 + 36 + 64
    if answer == 11:
        return ""
    if answer in (keys, keys + 1, 11 * 11):
        return "that counts positions on the map; how many lie along a side?"
    if answer < 11:
        return f"{answer}×{answer} has {answer**2} positions, and the pyramid {keys} keys."
    return f"{answer}×{answer} has more than {keys}, but it is not the smallest that has."


def _implied_map(answer: Callable[[Tensor, Tensor], Tensor]) -> str:
    """7.2: the (B, N, N) map of efficient attention from query and key, (B, N, d) each."""
    luck = torch.Generator().manual_seed(7)
    query, key = (2 * torch.randn(2, 6, 3, generator=luck, dtype=torch.float64) for _ in "qk")
    wanted = query.softmax(2) @ key.softmax(1).mT
    got = answer(query, key)
    if hint := misfit(got, wanted):
        return hint
    if torch.allclose(got, wanted):
        return ""
    if torch.allclose(got, (query @ key.mT).softmax(-1)):
        return "that is the full block's map: one softmax after the product, not two before it."
    if torch.allclose(got, wanted.mT):
        return "rows are queries, columns are keys."
    if not torch.allclose(got.sum(-1), torch.ones_like(got[..., 0])):
        return "its rows do not sum to one. Over what does each of the two softmaxes run?"
    return "its rows sum to one, but with other weights. Over what does each softmax run?"


def _own_row(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    """7.3: attention over the own row of the map: three (B, d, H, W) -> (B, d, H, W)."""
    luck = torch.Generator().manual_seed(8)
    theta, phi, g = (torch.randn(2, 3, 5, 7, generator=luck, dtype=torch.float64) for _ in "tpg")
    wanted = _rows_alone(theta, phi, g)
    with Largest() as seen:
        got = answer(theta, phi, g)
    if hint := misfit(got, wanted):
        return hint
    if not torch.allclose(got, wanted):
        if torch.allclose(got, _rows_alone(theta.mT, phi.mT, g.mT).mT):
            return "that attends to the own column."
        ones = answer(theta, phi, torch.ones_like(g))
        if isinstance(ones, Tensor) and torch.allclose(ones, torch.ones_like(g)):
            return "the weights sum to one, but they are not those of the own row."
        return "a constant g should come out as it went in. Over which side does softmax run?"
    if seen.entries > 2 * 5 * 7 * 7:
        return f"right numbers, but a tensor of {seen.entries} entries was made; 490 are enough."
    return ""


def _rows_alone(theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
    out = torch.zeros_like(g)
    for r in range(g.shape[2]):
        weights = (theta[:, :, r].mT @ phi[:, :, r]).softmax(-1)  # (B, W, W)
        out[:, :, r] = (weights @ g[:, :, r].mT).mT
    return out


VALUES = {"7.1": _smallest_side}
FUNCTIONS = {"7.2": _implied_map, "7.3": _own_row}
