"""Right answers to the exercises of chapter 7, and wrong ones with the hint that each earns."""

import torch


def implied(query, key):
    """7.2 entry by entry: sum over channels of the query's share times the key's."""
    ask, have = query.exp(), key.exp()
    ask, have = ask / ask.sum(2, keepdim=True), have / have.sum(1, keepdim=True)
    out = torch.empty(len(query), query.shape[1], key.shape[1], dtype=query.dtype)
    for b, i, j in torch.cartesian_prod(*map(torch.arange, out.shape)).tolist():
        out[b, i, j] = (ask[b, i] * have[b, j]).sum()
    return out


def own_row(theta, phi, g):
    """7.3 with one matrix product a row of the map."""
    theta, phi, g = (t.permute(0, 2, 3, 1) for t in (theta, phi, g))  # (B, H, W, d)
    return ((theta @ phi.mT).softmax(-1) @ g).permute(0, 3, 1, 2)


def own_row_by_mask(theta, phi, g):
    height, width = g.shape[2:]
    row = torch.arange(height).repeat_interleave(width)
    scores = theta.flatten(2).mT @ phi.flatten(2)  # (B, N, N)
    weights = scores.masked_fill(row[:, None] != row, -torch.inf).softmax(-1)
    return (weights @ g.flatten(2).mT).mT.view_as(g)


RIGHT = [
    ("7.1", 11),
    ("7.2", implied),
    ("7.2", lambda q, k: q.softmax(-1) @ k.softmax(-2).mT),
    ("7.3", own_row),
]
WRONG = [
    ("7.1", 10, "10×10 has 100 positions, and the pyramid 110 keys"),
    ("7.1", 12, "not the smallest"),
    ("7.1", 110, "how many lie along a side?"),
    ("7.1", 121, "how many lie along a side?"),
    ("7.1", 10.5, "a whole number"),
    ("7.2", lambda q, k: (q @ k.mT).softmax(-1), "the full block's map"),
    ("7.2", lambda q, k: implied(q, k).mT, "rows are queries"),
    ("7.2", lambda q, k: q.softmax(1) @ k.softmax(2).mT, "do not sum to one"),
    ("7.2", lambda q, k: q.softmax(2) @ k.softmax(2).mT, "do not sum to one"),
    ("7.2", lambda q, k: implied(2 * q, k), "with other weights"),
    ("7.2", lambda q, k: implied(q, k)[0], "should have shape (2, 6, 6), yours has (6, 6)"),
    ("7.2", lambda q, k: None, "None"),
    ("7.3", own_row_by_mask, "a tensor of 2450 entries was made; 490 are enough"),
    ("7.3", lambda t, p, g: own_row(t.mT, p.mT, g.mT).mT, "the own column"),
    ("7.3", lambda t, p, g: own_row(t, p, g).mT, "should have shape (2, 3, 5, 7)"),
    ("7.3", lambda t, p, g: own_row(2 * t, p, g), "not those of the own row"),
    ("7.3", lambda t, p, g: g, "not those of the own row"),
    ("7.3", lambda t, p, g: own_row(t, p, 2 * g), "Over which side does softmax run?"),
    ("7.3", lambda *given: None, "None"),
]
