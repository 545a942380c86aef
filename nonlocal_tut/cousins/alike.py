"""Who sees whom: a scene of four things, and a block that looks for what is like itself."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

SIDE, SIZE = 12, 2  # of the scene, and of a thing in it
THINGS = {"A": [(2, 2), (2, 8), (8, 8)], "B": [(8, 2)]}  # the first corner of each, (h, w)
ASKS = (3, 3)  # a position of the first A
CHANNELS = 8  # the first says B, the second A, the third that there is nothing


def seen(make: Callable[[int, int], nn.Module]) -> Tensor:
    """How much each position of the scene counts for what a block adds at one of them: (12, 12).

    make: (channels, inner_channels) -> a block, as `COUSINS` has them. Its convolutions are made
    the identity: a query asks for keys like itself, and what all positions share (`m`, of one
    channel) asks for B. No number is trained. What is returned is the size of the gradient of
    block(x) - x at `ASKS`, by x, over the largest that another position has; 1 at most.

    See chapter 7, "What did the follow-ups give up?".
    """
    block = make(CHANNELS, CHANNELS).double()
    for layer in block.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.dirac_(layer.weight)
            nn.init.zeros_(layer.bias)

    def added(x: Tensor) -> Tensor:
        return (block(x) - x)[0, :, *ASKS]

    jacobian = torch.autograd.functional.jacobian(added, scene())  # (C, 1, C, H, W)
    size = jacobian.square().sum((0, 1, 2)).sqrt()
    others = size.clone()
    others[ASKS] = 0
    return (size / others.max()).clamp(max=1)


def scene() -> Tensor:
    """(1, 8, 12, 12): at each position 3 in the channel of what is there."""
    kinds = torch.full((SIDE, SIDE), 2)
    for channel, name in enumerate("BA"):
        for h, w in THINGS[name]:
            kinds[h : h + SIZE, w : w + SIZE] = channel
    return 3 * nn.functional.one_hot(kinds, CHANNELS).permute(2, 0, 1)[None].double()
