"""Right answers to the exercises of chapter 2, and wrong ones with the hint that each earns."""

import numpy as np
import torch


def attend(query, key, value):
    """2.2 position by position: (B, N, d), (B, N, d), (B, N, c) -> (B, N, c)."""
    out = torch.zeros_like(value)
    for b, i in torch.cartesian_prod(*map(torch.arange, value.shape[:2])).tolist():
        weight = torch.stack([query[b, i] @ other for other in key[b]]).softmax(0)  # (N,)
        out[b, i] = sum(w * v for w, v in zip(weight, value[b], strict=True))
    return out


def with_columns(test):
    """2.3 for an attention on (B, d, N): `test` gets the result and the right one."""

    def accepts(attention):
        luck = torch.Generator().manual_seed(1)
        query, key, value = (torch.randn(2, d, 6, generator=luck) for d in (3, 3, 4))
        return test(attention(query, key, value), attend(query.mT, key.mT, value.mT).mT)

    return accepts


def is_constant_kept(attention):
    luck, ones = torch.Generator().manual_seed(1), torch.ones(2, 4, 6)
    query, key = (torch.randn(2, 3, 6, generator=luck) for _ in "qk")
    return torch.allclose(attention(query, key, ones), ones)


def ignores_what_all_keys_share(attention):
    """Alone, the row test of softmax: a vector added to every key adds one number per row."""
    luck = torch.Generator().manual_seed(1)
    query, key, value = (torch.randn(2, d, 6, generator=luck) for d in (3, 3, 4))
    return torch.allclose(attention(query, key + 1, value), attention(query, key, value), atol=1e-5)


def without_a_batch(attention):
    luck = torch.Generator().manual_seed(1)
    query, key, value = (torch.randn(d, 6, generator=luck) for d in (3, 3, 4))
    right = attend(query.mT[None], key.mT[None], value.mT[None])[0].mT
    return torch.allclose(attention(query, key, value), right, atol=1e-5)


compares = with_columns(lambda out, right: torch.allclose(out, right, atol=1e-5))
NUMBERS = 4 * (8 * 7 * 7) ** 2

RIGHT = [
    ("2.1", NUMBERS),
    ("2.1", float(NUMBERS)),
    ("2.1", np.int64(NUMBERS)),
    ("2.1", np.array([NUMBERS])),
    ("2.1", torch.tensor(NUMBERS)),
    ("2.2", attend),
    ("2.2", lambda q, k, v: torch.einsum("bij,bjc->bic", (q @ k.mT).softmax(-1), v)),
    ("2.2", lambda q, k, v: (v.mT @ (k @ q.mT).softmax(1)).mT),
    ("2.2", lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=1.0)),
    ("2.3", compares),
    ("2.3", without_a_batch),
    ("2.3", lambda attention: torch.tensor(compares(attention))),
    ("2.3", lambda attention: np.bool_(compares(attention))),
    ("2.3", lambda attention: np.array([compares(attention)])),
    ("2.3", lambda attention: is_constant_kept(attention) and compares(attention)),
]
WRONG = [
    ("2.1", 392**2, "one clip; the batch has four"),
    ("2.1", float(392**2), "one clip; the batch has four"),
    ("2.1", (4 * 392) ** 2, "different clips never meet"),
    ("2.1", 4 * 49**2, "across frames too"),
    ("2.1", 4 * 8 * 49**2, "one matrix per frame"),
    ("2.1", 4 * 32 * 392**2, "channels are summed away"),
    ("2.1", 4 * 392, "those are the positions"),
    ("2.1", 392, "How many positions are there?"),
    ("2.1", -1, "How many positions are there?"),
    ("2.1", NUMBERS + 0.5, "a whole number is asked for"),
    ("2.1", float("nan"), "a whole number is asked for, not nan"),
    ("2.1", float("inf"), "a whole number is asked for, not inf"),
    ("2.1", str(NUMBERS), "a whole number is asked for, not '614656'"),
    ("2.1", True, "a whole number is asked for, not True"),
    ("2.2", lambda q, k, v: attend(q, k, v).mT, "should have shape (2, 5, 4), yours has (2, 4, 5)"),
    ("2.2", lambda q, k, v: (q @ k.mT).softmax(-2) @ v, "softmax runs over the queries"),
    ("2.2", lambda q, k, v: (q @ k.mT).softmax(0) @ v, "softmax runs over the batch"),
    ("2.2", lambda q, k, v: (q @ k.mT).softmax(-1).mT @ v, "the weights are transposed"),
    ("2.2", lambda q, k, v: attend(k, q, v), "query and key have changed places"),
    ("2.2", lambda q, k, v: q @ k.mT @ v, "softmax belongs between the two products"),
    ("2.2", lambda q, k, v: q @ (k.mT @ v), "softmax belongs between the two products"),
    ("2.2", lambda q, k, v: q @ k.mT @ v / 5, "dividing by the number of keys"),
    ("2.2", lambda q, k, v: attend(q / 3**0.5, k, v), "multiplied by 1/√d"),
    ("2.2", torch.nn.functional.scaled_dot_product_attention, "multiplied by 1/√d"),
    (
        "2.2",
        lambda q, k, v: (q @ k.mT).flatten(1).softmax(1).unflatten(1, (5, 5)) @ v,
        "softmax runs over all pairs at once",
    ),
    ("2.2", lambda q, k, v: v, "come out as they went in"),
    ("2.2", lambda q, k, v: torch.zeros_like(v), "another result than the loop's"),
    ("2.2", lambda q, k, v: v * float("nan"), "another result than the loop's"),
    ("2.2", lambda q, k, v: attend(q, k, v).tolist(), "should return a tensor"),
    ("2.2", lambda q, k, v: None, "None"),
    ("2.2", lambda q, k, v: attend(q, k, v).double(), "should be torch.float32"),
    ("2.3", lambda attention: True, "it lets through: softmax over queries, softmax over the b"),
    ("2.3", with_columns(lambda out, right: out.shape == right.shape), "softmax over both"),
    ("2.3", is_constant_kept, "lets through: reshape, not permute, query and key swapped."),
    ("2.3", ignores_what_all_keys_share, "through: weights not transposed, reshape, not permute."),
    ("2.3", lambda attention: False, "does not accept the right one"),
    ("2.3", lambda attention: not compares(attention), "does not accept the right one"),
    ("2.3", lambda attention: None, "for the right one it returns nothing"),
    ("2.3", lambda a: True if compares(a) else None, "for softmax over queries it returns nothing"),
    (
        "2.3",
        lambda attention: str(compares(attention)),
        "for the right one it returns a value of type str",
    ),
    (
        "2.3",
        with_columns(lambda out, right: out == right),
        "it returns a value of type Tensor; True or",
    ),
    ("2.3", with_columns(lambda out, right: (out == right).numpy()), "a value of type ndarray"),
]
