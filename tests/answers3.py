"""Right answers to the exercises of chapter 3, and wrong ones with the hint that each earns."""

import numpy as np
import torch
from torch.nn import functional as F

from nonlocal_tut import NonLocalBlock


def pooled_matrix(**switches):
    """3.1 by looking."""
    block = NonLocalBlock(64, **switches)
    return block(torch.zeros(2, 64, 14, 14), return_attention=True)[1].shape


def scaled(*names, power=1.0):
    """3.2: these entries times scale ** power."""
    return lambda state, scale: {
        name: t * scale**power if name in names else t for name, t in state.items()
    }


THETA, PHI = ("theta.weight", "theta.bias"), ("phi.weight", "phi.bias")


def in_place(state, scale):
    for name in THETA:
        state[name] *= scale
    return state


def parts(theta, phi, w_f):
    """3.3: what queries add, a column (B, N, 1), and what keys add, a row (B, 1, N)."""
    of_theta, of_phi = w_f.chunk(2)
    return (theta @ of_theta)[:, :, None], (phi @ of_phi)[:, None, :]


def split(*given):
    of_query, of_key = parts(*given)
    return (of_query + of_key).relu()  # (B, N, N)


def by_einsum(theta, phi, w_f):
    d = theta.shape[2]
    of_query = torch.einsum("bid,d->bi", theta, w_f[:d])
    return F.relu(of_query.unsqueeze(2) + torch.einsum("bjd,d->bj", phi, w_f[d:]).unsqueeze(1))


def paired(theta, phi, w_f):
    n = theta.shape[1]
    rows, columns = theta[:, :, None].expand(-1, -1, n, -1), phi[:, None].expand(-1, n, -1, -1)
    return (torch.cat([rows, columns], -1) @ w_f).relu()


RIGHT = [
    ("3.1", pooled_matrix(subsample="after")),
    ("3.1", (2, 14 * 14, 7 * 7)),
    ("3.1", [2, 196, 49]),
    ("3.1", [2.0, 196.0, 49.0]),
    ("3.1", (np.int64(2), np.float32(196), torch.tensor(49))),
    ("3.1", np.array([2, 196, 49])),
    ("3.1", torch.tensor([2, 196, 49])),
    ("3.2", scaled(*THETA)),
    ("3.2", scaled(*PHI)),
    ("3.2", scaled(*THETA, *PHI, power=0.5)),
    ("3.2", scaled("phi.weight")),  # phi's bias adds theta·b to a whole row: softmax drops it
    ("3.2", in_place),
    ("3.3", split),
    ("3.3", by_einsum),
    ("3.3", lambda *given: sum(parts(*given)).clamp(min=0)),
]
WRONG = [
    ("3.1", pooled_matrix(), "the matrix without the pool"),
    ("3.1", (2, 49, 49), "queries are not pooled"),
    ("3.1", (2, 49, 196), "rows are queries, columns are keys"),
    ("3.1", (196, 49), "and the batch?"),
    ("3.1", (2, 196, 98), "halves both sides"),
    ("3.1", (2, 32, 7, 7), "those are the pooled keys"),
    ("3.1", (2, 14, 7), "Which of queries and keys does the pool touch?"),
    ("3.1", (2, 196, 49.5), "a shape is asked for"),
    ("3.1", (2, 196, True), "a shape is asked for"),
    ("3.1", (2, float("nan"), float("inf")), "a shape is asked for"),
    ("3.1", (2, 196, (7, 7)), "a shape is asked for"),
    ("3.1", np.zeros((2, 2)), "a shape is asked for, (B, queries, keys), not array([[0."),
    ("3.1", 9604, "a shape is asked for"),
    ("3.1", "2, 196, 49", "a shape is asked for"),
    ("3.2", scaled("theta.weight"), "a weight and a bias"),
    ("3.2", scaled("theta.bias"), "a weight and a bias"),
    ("3.2", scaled(*THETA, *PHI), "scaled twice"),
    ("3.2", scaled(*THETA, power=-1), "theta.weight is 3.33 times what it was; the scale is 0.3"),
    ("3.2", scaled(*THETA, power=0.5), "theta.weight is 0.548 times"),
    ("3.2", scaled(*PHI, power=2), "phi.weight is 0.09 times"),
    ("3.2", scaled(), "you changed nothing"),
    ("3.2", scaled("w_z.weight"), "you changed w_z.weight, too"),
    ("3.2", lambda state, scale: {k: scale * t for k, t in state.items()}, "g.weight"),
    ("3.2", lambda state, scale: None, "does not load"),
    ("3.2", lambda state, scale: list(state.items()), "does not load"),
    ("3.2", lambda state, scale: state["theta.weight"] * scale, "does not load"),
    ("3.2", lambda state, scale: state | {"theta.weight": [scale]}, "does not load"),
    ("3.2", lambda state, scale: {"theta.weight": state["theta.weight"]}, "phi.weight"),
    ("3.2", lambda state, scale: state | {"scale": torch.tensor(scale)}, '"scale"'),
    ("3.3", lambda *given: split(*given)[0], "should have shape (2, 9, 9), yours has (9, 9)"),
    ("3.3", lambda *given: split(*given).mT, "rows are queries, columns are keys"),
    ("3.3", lambda t, p, w: split(t, p, w.roll(4)), "which half of w_f meets theta?"),
    ("3.3", lambda t, p, w: split(t, p, w) / t.shape[1], "that is divided by N"),
    ("3.3", lambda *given: sum(parts(*given)), "and the ReLU?"),
    ("3.3", lambda *given: sum(p.relu() for p in parts(*given)), "the ReLU comes last"),
    ("3.3", lambda *given: split(*given).softmax(-1), "Eq. 5 has no softmax."),
    ("3.3", lambda *given: sum(parts(*given)).softmax(-1), "Eq. 5 has no softmax, but a ReLU."),
    ("3.3", lambda t, p, w: t @ p.mT, "that is Eq. 4"),
    ("3.3", lambda t, p, w: split(t, p, -w), "the numbers differ from Eq. 5."),
    ("3.3", lambda *given: split(*given) * float("nan"), "the numbers differ from Eq. 5."),
    ("3.3", paired, "right, but by a tensor of 1296 entries; the result has 162"),
    ("3.3", lambda *given: split(*given).numpy(), "should return a tensor"),
    ("3.3", lambda *given: None, "None"),
    ("3.3", lambda *given: split(*given).float(), "should be torch.float64"),
]
