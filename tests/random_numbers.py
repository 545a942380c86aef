"""Numbers that a seed decides, for inputs and for all that a block can learn."""

import torch


def normal(*shape, seed=0, dtype=torch.float64):
    """Standard normal, drawn in float64: the same numbers in every dtype."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def awake(block, seed=0, std=0.3):
    """The block with every parameter random, the zeros too: no longer the identity."""
    for i, p in enumerate(block.parameters()):
        p.data = std * normal(*p.shape, seed=1000 * seed + i, dtype=p.dtype)
    return block
