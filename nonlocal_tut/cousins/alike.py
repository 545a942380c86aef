"""Who sees whom: a scene of four things, and a block that looks for what is like itself."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

SIDE, SIZE = 12, 2  # of the scene, and of a thing in it
THINGS = {"A": [(2, 2), (2, 8), (8, 8)], "B": [(8, 2)]}  # the first corner of each, (h, w)
ASKS = (3, 3)  # a position of the first A
CHANNELS = 8  # the first is where B is, the second where A is, the third where nothing is


def seen(make: Callable[[int, int], nn.Module]) -> Tensor:
    """How much each position of the scene counts for what a block adds at one of them: (12, 12).

    make: (channels, inner_channels) -> a block, as `COUSINS` has them. Nothing is trained: all its
    convolutions, and the bases of EM, are made the identity. So a query asks for keys like itself,
    and what all positions share, of one channel, asks for B. Each entry is the size of the gradient
    of block(x) - x at `ASKS` by x there, over the largest of all other positions; 1 at most.

    See chapter 7, "Who sees whom?".
    """
    block = make(CHANNELS, CHANNELS).double()
    for name, weight in block.named_parameters():
        if weight.dim() == 4:
            nn.init.dirac_(weight)
        elif weight.dim() == 2:
            nn.init.eye_(weight)
        elif name.endswith("bias"):
            nn.init.zeros_(weight)

    def added(x: Tensor) -> Tensor:
        change: Tensor = block(x) - x
        return change[0, :, *ASKS]

    jacobian: Tensor = torch.autograd.functional.jacobian(added, _scene())  # (C, 1, C, H, W)
    size = jacobian.square().sum((0, 1, 2)).sqrt()
    others = size.clone()
    others[ASKS] = 0
    return (size / others.max()).clamp(max=1)


def where(thing: str) -> Tensor:
    """Which positions belong to a thing, "A" or "B": (12, 12), bool."""
    mask = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    for h, w in THINGS[thing]:
        mask[h : h + SIZE, w : w + SIZE] = True
    return mask


def _scene() -> Tensor:
    """(1, 8, 12, 12): at each position 3 in the channel of what is there."""
    x = torch.zeros(1, CHANNELS, SIDE, SIDE, dtype=torch.float64)
    things = where("B"), where("A"), ~(where("A") | where("B"))
    for channel, mask in enumerate(things):
        x[0, channel, mask] = 3
    return x
