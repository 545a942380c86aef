"""What every task's data keep: their generator alone decides, and no other random state moves."""

import torch


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def assert_the_generator_alone_decides(draw):
    """draw: a generator -> tensors, those of one batch."""

    def numbers(generator):
        return torch.cat([t.flatten() for t in draw(generator)])

    with torch.random.fork_rng():
        torch.manual_seed(1)
        first = numbers(seeded(5))
        torch.manual_seed(2)
        before, generator = torch.get_rng_state(), seeded(5)
        assert torch.equal(first, numbers(generator))
        assert not torch.equal(first, numbers(generator)), "a second batch is a fresh one"
        assert not torch.equal(first, numbers(seeded(6)))
        assert torch.equal(torch.get_rng_state(), before)
