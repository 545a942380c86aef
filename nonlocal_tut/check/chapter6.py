"""The exercises of chapter 6: each takes an answer, and returns a hint, or "" if it is right."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nonlocal_tut.attention_maps import attention_maps
from nonlocal_tut.blocks import NonLocalBlock
from nonlocal_tut.check.misfit import misfit
from nonlocal_tut.check.whole import not_whole, whole


def _new_keys(answer: Any) -> str:
    """6.1: how many entries of a state dict are new after one block with batch norm."""
    hints = {
        4: "four convolutions, each with a weight and a bias; and what follows the last one?",
        8: "that is the four convolutions. What follows the last one?",
        10: "those are the parameters. Batch norm also keeps what it does not learn.",
        12: "nearly: batch norm keeps a mean, a variance, and a count of batches.",
    }
    if (number := whole(answer)) is None:
        return not_whole(answer, "entries")
    if number == 13:
        return ""
    return hints.get(number, f"not {number}. Entries, not numbers: a weight is one, a bias is one.")


def _pooled_row(answer: Callable[[NonLocalBlock, Tensor, int, int], Tensor]) -> str:
    """6.2: what one position of the first image takes from the pooled keys, in the keys' shape."""
    luck = torch.Generator().manual_seed(6)
    with torch.random.fork_rng():
        block = NonLocalBlock(8, subsample="after", scale="sqrt").double().eval()
    for p in block.parameters():
        nn.init.normal_(p, generator=luck)
    x = torch.randn(2, 8, 6, 10, generator=luck, dtype=torch.float64)
    h, w = 1, 7
    wanted = attention_maps(block, x)[""].row(0, h, w)  # (3, 5)
    with torch.no_grad():
        got = answer(deepcopy(block), x.clone(), h, w)
    if hint := misfit(got, wanted):
        return hint
    if torch.allclose(got, wanted):
        return ""
    with torch.no_grad():
        theta = block.theta(x)[0, :, h, w]  # (C',)
        after = F.max_pool2d(block.phi(x), 2)[0]  # (C', 3, 5)
        before = block.phi(F.max_pool2d(x, 2))[0]  # (C', 3, 5)
        mean = F.avg_pool2d(block.phi(x), 2)[0]  # (C', 3, 5)
    scale = block.inner_channels**-0.5
    scores, early, soft = (torch.einsum("c,cij->ij", theta, phi) for phi in (after, before, mean))
    wrong = {
        "and the scale? This block has scale='sqrt'.": scores,
        "that pools before phi; this block has subsample='after'.": early * scale,
        "that averages four keys; the block's pool takes the largest.": soft * scale,
    }
    for hint, row in wrong.items():
        if torch.allclose(got, row.flatten().softmax(0).view_as(row)):
            return hint
    if torch.allclose(got, scores * scale):
        return "those are the scores. What makes them weights that sum to one?"
    if not torch.allclose(got.sum(), torch.ones_like(got.sum())):
        return f"the row sums to {got.sum().item():.3g}. Softmax runs over all the keys at once."
    return "it sums to one, but it is another row. Which position asks, and of which image?"


def _revive(answer: Callable[[NonLocalBlock], Any]) -> str:
    """6.3: make a block with two zeros in a row learn, and leave it the identity."""
    luck = torch.Generator().manual_seed(7)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        block = NonLocalBlock(8).double()
        for p in block.w_z.parameters():
            nn.init.zeros_(p)
        returned = answer(block)
    if isinstance(returned, NonLocalBlock) and returned is not block:
        return "that is another block; change the one that you are given, in place."
    x = torch.randn(2, 8, 4, 5, generator=luck, dtype=torch.float64)
    wish = torch.randn(x.shape, generator=luck, dtype=torch.float64)
    try:
        y = block(x)
    except Exception as error:  # whatever a block raises that was taken apart
        return f"the block no longer runs: {str(error).splitlines()[0]}"
    if not torch.equal(y, x):
        return "the block no longer returns its input."
    if not y.requires_grad:
        return "no parameter asks for a gradient any more."
    before = {name: p.detach().clone() for name, p in block.named_parameters()}
    optimizer = torch.optim.SGD(block.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (block(x) * wish).sum().backward()
        optimizer.step()
    moved = [n for n, p in block.named_parameters() if (p - before[n]).abs().max() > 1e-9]
    needed = {f"{layer}.weight" for layer in ("theta", "phi", "g", "w_z")}
    if needed <= set(moved):
        return ""
    return f"after three steps only {', '.join(moved) or 'nothing'} has moved: two zeros in a row?"


VALUES = {"6.1": _new_keys}
FUNCTIONS = {"6.2": _pooled_row, "6.3": _revive}
