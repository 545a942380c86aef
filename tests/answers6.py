"""Right answers to the exercises of chapter 6, and wrong ones with the hint that each earns."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def pooled_row(block, x, h, w):
    """6.2 key by key: each is the largest of four, channel by channel."""
    query = block.theta(x)[0, :, h, w] * block.scale  # (C',)
    keys = block.phi(x)[0]  # (C', H, W)
    scores = [
        [query @ keys[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].amax((1, 2)) for j in range(5)]
        for i in range(3)
    ]
    weights = torch.tensor(scores, dtype=x.dtype).exp()
    return weights / weights.sum()


def with_row(query=lambda block, x, h, w: block.theta(x)[0, :, h, w] * block.scale, keys=None):
    """6.2 with another query or other keys."""

    def row(block, x, h, w):
        phi = F.max_pool2d(block.phi(x), 2)[0] if keys is None else keys(block, x)  # (C', …)
        return (query(block, x, h, w) @ phi.flatten(1)).softmax(0).view(phi.shape[1:])

    return row


def scores(block, x, h, w):
    keys = F.max_pool2d(block.phi(x), 2)[0]  # (C', …)
    return torch.einsum("c,cij->ij", block.theta(x)[0, :, h, w] * block.scale, keys)


def in_place(block, x, h, w):
    """6.2 right, and careless with what it is given."""
    row = pooled_row(block, x, h, w)
    x.zero_()
    block.float()
    return row


def randomize(block):
    nn.init.normal_(block.w_z.weight)


def one_weight(block):
    nn.init.ones_(block.norm.weight)


def without_norm(block):
    block.norm = None


def returned(block):
    randomize(block)
    return block


def another(block):
    return type(block)(8, norm=False)


def in_single(block):
    randomize(block)
    block.float()


def all_frozen(block):
    randomize(block)
    block.requires_grad_(False)


def both(block):
    randomize(block)
    one_weight(block)


RIGHT = [
    ("6.1", 13),
    ("6.1", 13.0),
    ("6.1", np.int64(13)),
    ("6.1", torch.tensor(13)),
    ("6.1", np.array([13])),
    ("6.2", pooled_row),
    ("6.2", with_row()),
    ("6.2", in_place),
    ("6.3", randomize),
    ("6.3", one_weight),
    ("6.3", without_norm),
    ("6.3", returned),
    ("6.3", lambda block: nn.init.xavier_uniform_(block.w_z.weight)),
]
WRONG = [
    ("6.1", 4, "what follows the last one?"),
    ("6.1", 8, "What follows the last one?"),
    ("6.1", 10, "Batch norm also keeps"),
    ("6.1", 12, "a count of batches"),
    ("6.1", 2208, "Entries, not numbers"),
    ("6.1", "13", "a whole number of entries is asked for, not "),
    ("6.1", True, "a whole number of entries is asked for, not "),
    ("6.1", 12.5, "a whole number of entries is asked for, not "),
    ("6.1", float("nan"), "a whole number of entries is asked for, not "),
    ("6.1", ["theta", "phi", "g", "w_z", "norm"], "a whole number of entries is asked for, not "),
    ("6.2", lambda *given: pooled_row(*given).flatten(), "should have shape (3, 5)"),
    ("6.2", with_row(keys=lambda block, x: block.phi(x)[0]), "yours has (6, 10)"),
    ("6.2", with_row(lambda block, x, h, w: block.theta(x)[0, :, h, w]), "and the scale?"),
    ("6.2", with_row(keys=lambda block, x: block.phi(F.max_pool2d(x, 2))[0]), "pools before phi"),
    ("6.2", with_row(keys=lambda b, x: F.avg_pool2d(b.phi(x), 2)[0]), "takes the largest"),
    ("6.2", lambda *given: pooled_row(*given).tolist(), "should return a tensor"),
    ("6.2", lambda *given: pooled_row(*given).float(), "should be torch.float64"),
    ("6.2", lambda *given: pooled_row(*given) * float("nan"), "the row sums to nan"),
    ("6.2", scores, "those are the scores"),
    ("6.2", lambda *given: 2 * pooled_row(*given), "the row sums to 2"),
    ("6.2", lambda block, x, h, w: pooled_row(block, x, w - 3, h), "it is another row"),
    ("6.2", lambda block, x, h, w: pooled_row(block, x.flip(0), h, w), "and of which image?"),
    ("6.2", lambda *given: pooled_row(*given).log() + 1, "Softmax runs over all the keys"),
    ("6.2", lambda *given: None, "None"),
    ("6.3", lambda block: None, "only norm.bias has moved"),
    ("6.3", both, "no longer returns its input"),
    ("6.3", lambda block: nn.init.ones_(block.norm.bias), "no longer returns its input"),
    ("6.3", another, "change the one that you are given"),
    ("6.3", in_single, "the block no longer runs"),
    ("6.3", all_frozen, "no parameter asks for a gradient"),
    ("6.3", lambda block: block.norm.eval().requires_grad_(False), "only nothing has moved"),
]
