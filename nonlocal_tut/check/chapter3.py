"""The exercises of chapter 3: each takes an answer, and returns a hint, or "" if it is right."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nonlocal_tut.blocks import NonLocalBlock
from nonlocal_tut.check.largest import Largest
from nonlocal_tut.check.misfit import misfit


def _pooled_map(answer: Any) -> str:
    """3.1: the map's shape for (2, 64, 14, 14) and pooled keys."""
    hints = {
        (2, 196, 196): "that is the map without the pool.",
        (2, 49, 49): "the queries are not pooled.",
        (2, 49, 196): "rows are queries, columns are keys.",
        (196, 49): "and the batch?",
    }
    if not isinstance(answer, (tuple, list)) or not all(isinstance(side, int) for side in answer):
        return f"a shape is asked for, (B, queries, keys), not {answer!r}."
    given = tuple(answer)
    if given == (2, 196, 49):
        return ""
    return hints.get(given, f"not {given}. Which of queries and keys does the pool touch?")


def _fold_scale(answer: Callable[[dict[str, Tensor], float], dict[str, Tensor]]) -> str:
    """3.2: weights with which a block without scale does what one with a scale does."""
    luck = torch.Generator().manual_seed(3)
    scale = 0.3
    with torch.random.fork_rng():
        with_scale = NonLocalBlock(8, scale=scale, norm=False).double()
        without = NonLocalBlock(8, norm=False).double()
    for p in with_scale.parameters():
        nn.init.normal_(p, generator=luck)
    before = {name: t.clone() for name, t in with_scale.state_dict().items()}
    folded = answer(dict(before), scale)
    try:
        without.load_state_dict(folded)
    except (RuntimeError, AttributeError, TypeError) as error:
        return f"the block does not load what you return: {' '.join(str(error).split())}"
    x = torch.randn(1, 8, 3, 4, generator=luck, dtype=torch.float64)
    if torch.allclose(with_scale(x), without(x)):
        return ""
    ours, theirs = with_scale.state_dict(), without.state_dict()
    touched = [name for name in ours if not torch.equal(ours[name], theirs[name])]
    if {"theta.weight", "phi.weight"} <= set(touched):
        return "scaled on both sides, the product is scaled twice."
    if touched == ["theta.weight"]:
        return "a projection has a weight and a bias."
    return f"the outputs differ; you changed {', '.join(touched) or 'nothing'}."


def _split(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    """3.3: Eq. 5 before the division, from (B, N, d), (B, N, d), (2d,), with no tensor of pairs."""
    luck = torch.Generator().manual_seed(4)
    theta, phi = (torch.randn(2, 9, 4, generator=luck, dtype=torch.float64) for _ in range(2))
    w_f = torch.randn(8, generator=luck, dtype=torch.float64)
    wanted = torch.stack(
        [
            torch.stack([(torch.cat([q, k]) @ w_f).relu() for q in queries for k in keys])
            for queries, keys in zip(theta, phi, strict=True)
        ]
    ).view(2, 9, 9)
    with Largest() as seen:
        got = answer(theta, phi, w_f)
    if hint := misfit(got, wanted):
        return hint
    if not torch.allclose(got, wanted):
        if torch.allclose(got, wanted.mT):
            return "rows are queries, columns are keys."
        return "the numbers differ from Eq. 5. Is the ReLU outside the sum?"
    if seen.entries > wanted.numel():
        return f"right numbers, but a tensor of {seen.entries} entries was made; the map has 162."
    return ""


VALUES = {"3.1": _pooled_map}
FUNCTIONS = {"3.2": _fold_scale, "3.3": _split}
