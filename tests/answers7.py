"""Right answers to the exercises of chapter 7, and wrong ones with the hint that each earns."""

import numpy as np
import torch
from torch.nn import functional as F


def implied(query, key):
    """7.2 entry by entry: sum over channels of the query's share times the key's."""
    ask, have = query.exp(), key.exp()
    ask, have = ask / ask.sum(2, keepdim=True), have / have.sum(1, keepdim=True)
    out = torch.empty(len(query), query.shape[1], key.shape[1], dtype=query.dtype)
    for b, i, j in torch.cartesian_prod(*map(torch.arange, out.shape)).tolist():
        out[b, i, j] = (ask[b, i] * have[b, j]).sum()
    return out


def own_row(theta, phi, g):
    """7.3 with one more entry of the batch for each row."""
    theta, phi, g = (t.permute(0, 2, 3, 1) for t in (theta, phi, g))  # (B, H, W, d)
    return ((theta @ phi.mT).softmax(-1) @ g).permute(0, 3, 1, 2)


def own_row_by(weigh, scale=1.0):
    """7.3 with other weights from the scores, (B, H, W, W)."""

    def attend(theta, phi, g):
        theta, phi, g = (t.permute(0, 2, 3, 1) for t in (theta, phi, g))  # (B, H, W, d)
        return (weigh(scale * theta @ phi.mT) @ g).permute(0, 3, 1, 2)

    return attend


def own_row_by_einsum(theta, phi, g):
    weights = torch.einsum("bchw,bchk->bhwk", theta, phi).softmax(-1)
    return torch.einsum("bhwk,bchk->bchw", weights, g)


def own_row_as_batch(theta, phi, g):
    """7.3 with (B·H, W, d), as a bmm wants it."""
    query, key, value = (t.transpose(1, 2).flatten(0, 1).mT for t in (theta, phi, g))
    y = torch.bmm(torch.bmm(query, key.mT).softmax(-1), value)  # (B·H, W, d)
    return y.unflatten(0, (len(g), -1)).permute(0, 3, 1, 2)


def own_row_fused(theta, phi, g):
    query, key, value = (t.permute(0, 2, 3, 1) for t in (theta, phi, g))
    return F.scaled_dot_product_attention(query, key, value, scale=1.0).permute(0, 3, 1, 2)


def own_row_by_mask(theta, phi, g):
    height, width = g.shape[2:]
    row = torch.arange(height).repeat_interleave(width)
    scores = theta.flatten(2).mT @ phi.flatten(2)  # (B, N, N)
    weights = scores.masked_fill(row[:, None] != row, -torch.inf).softmax(-1)
    return (weights @ g.flatten(2).mT).mT.view_as(g)


def own_row_in_a_loop(theta, phi, g):
    rows = [
        ((t.mT @ p).softmax(-1) @ v.mT).mT
        for t, p, v in zip(theta.unbind(2), phi.unbind(2), g.unbind(2), strict=True)
    ]
    return torch.stack(rows, dim=2)


def own_row_image_by_image(theta, phi, g):
    return torch.cat([own_row(*(t[b : b + 1] for t in (theta, phi, g))) for b in range(len(g))])


def everywhere(theta, phi, g):
    weights = (theta.flatten(2).mT @ phi.flatten(2)).softmax(-1)
    return (weights @ g.flatten(2).mT).mT.view_as(g)


RIGHT = [
    ("7.1", 11),
    ("7.1", 11.0),
    ("7.1", np.int64(11)),
    ("7.1", np.float32(11)),
    ("7.1", torch.tensor(11)),
    ("7.2", implied),
    ("7.2", lambda q, k: q.softmax(-1) @ k.softmax(-2).mT),
    ("7.2", lambda q, k: torch.einsum("bic,bjc->bij", q.softmax(2), k.softmax(1))),
    ("7.3", own_row),
    ("7.3", own_row_by_einsum),
    ("7.3", own_row_as_batch),
    ("7.3", own_row_fused),
    ("7.3", own_row_by(lambda scores: scores.exp() / scores.exp().sum(-1, keepdim=True))),
]
WRONG = [
    ("7.1", 10, "10×10 has 100 positions, and the pyramid 110 keys"),
    ("7.1", 12, "not the smallest"),
    ("7.1", 110, "how many lie along a side?"),
    ("7.1", 111.0, "how many lie along a side?"),
    ("7.1", 121, "how many lie along a side?"),
    ("7.1", 0, "one position or more"),
    ("7.1", -11, "one position or more"),
    ("7.1", 10.5, "a whole number of positions along a side is asked for, not 10.5."),
    ("7.1", float("nan"), "a whole number of positions along a side is asked for, not "),
    ("7.1", float("inf"), "a whole number of positions along a side is asked for, not "),
    ("7.1", True, "a whole number of positions along a side is asked for, not "),
    ("7.1", "11", "a whole number of positions along a side is asked for, not "),
    ("7.1", (11, 11), "a whole number of positions along a side is asked for, not "),
    ("7.2", lambda q, k: (q @ k.mT).softmax(-1), "the full block's"),
    ("7.2", lambda q, k: implied(q, k).mT, "rows are queries"),
    ("7.2", lambda q, k: implied(k, q), "have changed places"),
    ("7.2", lambda q, k: q.softmax(1) @ k.softmax(2).mT, "do not sum to one"),
    ("7.2", lambda q, k: q @ k.softmax(1).mT, "do not sum to one"),
    ("7.2", lambda q, k: q.softmax(2) @ k.softmax(2).mT, "both softmaxes run over channels"),
    ("7.2", lambda q, k: q.softmax(1) @ k.softmax(1).mT, "both softmaxes run over positions"),
    ("7.2", lambda q, k: implied(2 * q, k), "with other weights"),
    ("7.2", lambda q, k: implied(q, k)[0], "should have shape (2, 6, 6), yours has (6, 6)"),
    ("7.2", lambda q, k: implied(q, k).float(), "should be torch.float64"),
    ("7.2", lambda q, k: implied(q, k).tolist(), "should return a tensor"),
    ("7.2", lambda q, k: None, "None"),
    ("7.3", own_row_by_mask, "a tensor of 2450 entries was made; 490 are enough"),
    ("7.3", own_row_in_a_loop, "in a loop"),
    ("7.3", own_row_image_by_image, "in a loop"),
    ("7.3", lambda t, p, g: own_row(t.mT, p.mT, g.mT).mT, "the own column"),
    ("7.3", lambda t, p, g: own_row(t, p, g).mT, "should have shape (2, 3, 5, 7)"),
    ("7.3", lambda t, p, g: own_row(p, t, g), "have changed places"),
    ("7.3", own_row_by(lambda scores: scores.softmax(-1).mT), "transposed"),
    ("7.3", own_row_by(lambda scores: scores.softmax(-2)), "over the queries"),
    ("7.3", own_row_by(lambda scores: scores), "those weights are scores"),
    ("7.3", own_row_by(lambda scores: scores.softmax(-1), scale=3**-0.5), "scaled by 1/√d"),
    ("7.3", everywhere, "not to the own row alone"),
    ("7.3", lambda t, p, g: own_row(2 * t, p, g), "not the values of the own row"),
    ("7.3", lambda t, p, g: own_row(t, p, 2 * g), "not the values of the own row"),
    ("7.3", lambda t, p, g: g, "not the values of the own row"),
    ("7.3", lambda *given: own_row(*given).float(), "should be torch.float64"),
    ("7.3", lambda *given: None, "None"),
]
