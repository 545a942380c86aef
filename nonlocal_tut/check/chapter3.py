"""The exercises of chapter 3: each takes an answer, and returns a hint, or "" if it is right."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nonlocal_tut.blocks import NonLocalBlock
from nonlocal_tut.check.largest import Largest
from nonlocal_tut.check.misfit import misfit
from nonlocal_tut.check.whole import whole

SCALE = 0.3  # of exercise 3.2
SCORES = ("theta.weight", "theta.bias", "phi.weight", "phi.bias")  # what the scores are made from


def _pooled_matrix(answer: Any) -> str:
    """3.1: the attention matrix's shape for (2, 64, 14, 14) and pooled keys."""
    hints = {
        (2, 196, 49): "",
        (2, 196, 196): "that is the matrix without the pool.",
        (2, 49, 49): "the queries are not pooled.",
        (2, 49, 196): "rows are queries, columns are keys.",
        (196, 49): "and the batch?",
        (2, 196, 98): "the pool halves both sides of the feature map.",
        (2, 64, 7, 7): "those are the pooled keys. A row of the matrix has one weight for each.",
        (2, 32, 7, 7): "those are the pooled keys. A row of the matrix has one weight for each.",
    }
    given = _shape(answer)
    if given is None:
        said = " ".join(repr(answer).split())
        return f"a shape is asked for, (B, queries, keys), not {said}."
    return hints.get(given, f"not {given}. Which of queries and keys does the pool touch?")


def _shape(answer: Any) -> tuple[int, ...] | None:
    """Whole numbers in a row, whatever they come as; None for anything else."""
    if isinstance(answer, (Tensor, np.ndarray)):
        answer = answer.tolist()
    if not isinstance(answer, (tuple, list)):
        return None
    sides = tuple(side for side in map(whole, answer) if side is not None)
    return sides if len(sides) == len(answer) else None


def _fold_scale(answer: Callable[[dict[str, Tensor], float], dict[str, Tensor]]) -> str:
    """3.2: weights with which a block without scale does what one with a scale does."""
    luck = torch.Generator().manual_seed(3)
    with torch.random.fork_rng():
        with_scale = NonLocalBlock(8, scale=SCALE, norm=False).double()
        without = NonLocalBlock(8, norm=False).double()
    for p in with_scale.parameters():
        nn.init.normal_(p, generator=luck)
    before = {name: t.clone() for name, t in with_scale.state_dict().items()}
    folded = answer(dict(before), SCALE)
    try:
        without.load_state_dict(folded)
    except (RuntimeError, AttributeError, TypeError) as error:
        return f"the block does not load what you return: {' '.join(str(error).split())}"
    x = torch.randn(1, 8, 3, 4, generator=luck, dtype=torch.float64)
    if torch.allclose(with_scale(x), without(x)):
        return ""
    return _what_was_folded(with_scale.state_dict(), without.state_dict())


def _what_was_folded(given: dict[str, Tensor], got: dict[str, Tensor]) -> str:
    """Why a state dict is no folded one, from what has changed in it."""
    touched = [name for name in given if not torch.equal(given[name], got[name])]
    if not touched:
        return "the outputs differ; you changed nothing."
    if others := [name for name in touched if name not in SCORES]:
        return f"the scale belongs to the scores; you changed {', '.join(others)}, too."
    if {"theta.weight", "phi.weight"} <= set(touched):
        return "scaled on both sides, the product is scaled twice."
    if touched in (["theta.weight"], ["theta.bias"]):
        return "a projection has a weight and a bias."
    factor = (got[touched[0]] / given[touched[0]]).mean().item()
    return f"{touched[0]} is {factor:.3g} times what it was; the scale is {SCALE}."


def _split(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    """3.3: Eq. 5 before the division, from (B, N, d), (B, N, d), (2d,), with no tensor of pairs."""
    luck = torch.Generator().manual_seed(4)
    theta, phi = (torch.randn(2, 9, 4, generator=luck, dtype=torch.float64) for _ in range(2))
    w_f = torch.randn(8, generator=luck, dtype=torch.float64)
    sums = torch.stack(
        [
            torch.stack([torch.cat([q, k]) @ w_f for q in queries for k in keys])
            for queries, keys in zip(theta, phi, strict=True)
        ]
    ).view(2, 9, 9)
    wanted = sums.relu()
    with Largest() as seen:
        got = answer(theta, phi, w_f)
    if hint := misfit(got, wanted):
        return hint
    if not torch.allclose(got, wanted):
        others = _not_eq5(theta, phi, w_f, sums)
        hints = [hint for hint, other in others.items() if torch.allclose(got, other)]
        return hints[0] if hints else "the numbers differ from Eq. 5."
    if seen.entries > wanted.numel():
        return f"right, but by a tensor of {seen.entries} entries; the result has {wanted.numel()}."
    return ""


def _not_eq5(theta: Tensor, phi: Tensor, w_f: Tensor, sums: Tensor) -> dict[str, Tensor]:
    """What comes out where Eq. 5 is misread, by the hint for it."""
    first, last = w_f.chunk(2)  # (d,), (d,)
    of_query, of_key = (theta @ first)[:, :, None], (phi @ last)[:, None]  # (B, N, 1), (B, 1, N)
    swapped = (theta @ last)[:, :, None] + (phi @ first)[:, None]
    return {
        "rows are queries, columns are keys.": sums.relu().mT,
        "which half of w_f meets theta? [theta, phi] has theta first.": swapped.relu(),
        "that is divided by N; f alone is asked for.": sums.relu() / sums.shape[1],
        "and the ReLU?": sums,
        "the ReLU comes last: it takes the sum, not its two parts.": of_query.relu()
        + of_key.relu(),
        "Eq. 5 has no softmax.": sums.relu().softmax(-1),
        "Eq. 5 has no softmax, but a ReLU.": sums.softmax(-1),
        "that is Eq. 4, the dot product.": theta @ phi.mT,
    }


VALUES = {"3.1": _pooled_matrix}
FUNCTIONS = {"3.2": _fold_scale, "3.3": _split}
