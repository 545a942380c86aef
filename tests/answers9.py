"""Right answers to the exercises of chapter 9, and wrong ones with the hint that each earns."""

import torch


def gradients(wishes, sizes):
    """9.2 worker by worker."""
    ends = torch.tensor(sizes).cumsum(0).tolist()
    return [
        sum(wish[:, end - n : end] for wish in wishes) for n, end in zip(sizes, ends, strict=True)
    ]


def own_wishes(wishes, sizes):
    return [wish.split(sizes, dim=1)[rank] for rank, wish in enumerate(wishes)]


def turned(wishes, sizes):
    """Each gets the sum for its right neighbor, cut to its size."""
    total = sum(wishes).roll(-1, dims=1)
    return list(total.split(sizes, dim=1))


def statistics(counts, means, variances):
    """9.3 through sums and sums of squares."""
    n, squares = counts[:, None], variances + means**2
    mean = (n * means).sum(0) / counts.sum()
    return mean, (n * squares).sum(0) / counts.sum() - mean**2


def spread(counts, means, variances):
    """9.3 as within plus between."""
    share = (counts / counts.sum())[:, None]
    mean = (share * means).sum(0)
    return mean, (share * (variances + (means - mean) ** 2)).sum(0)


def within(counts, means, variances):
    share = (counts / counts.sum())[:, None]
    return (share * means).sum(0), (share * variances).sum(0)


def unbiased(counts, means, variances):
    mean, variance = statistics(counts, means, variances)
    return mean, variance * counts.sum() / (counts.sum() - 1)


RIGHT = [
    ("9.1", 224),
    ("9.1", 224.0),
    ("9.2", gradients),
    ("9.2", lambda wishes, sizes: sum(wishes).split(sizes, dim=1)),
    ("9.3", statistics),
    ("9.3", spread),
]
WRONG = [
    ("9.1", 256, "there already"),
    ("9.1", 32, "how many parts arrive?"),
    ("9.1", 28, "one part arrives from each"),
    ("9.1", 112, "32 numbers each"),
    ("9.1", 128, "32 numbers each"),
    ("9.1", 448, "forward alone"),
    ("9.1", 56, "4 bytes"),
    ("9.1", 234881024, "not bytes"),
    ("9.1", 7, "How many bytes"),
    ("9.2", own_wishes, "its own queries' wishes"),
    ("9.2", lambda w, s: [part / 3 for part in gradients(w, s)], "a mean is not"),
    ("9.2", turned, "Whose wishes"),
    ("9.2", lambda w, s: sum(w).chunk(3, dim=1), "should have shape (2, 4, 4)"),
    ("9.2", lambda w, s: sum(w), "a list of 3 tensors"),
    ("9.2", lambda w, s: None, "a list of 3 tensors"),
    ("9.3", lambda n, m, v: (m.mean(0), v.mean(0)), "weighs more"),
    ("9.3", lambda n, m, v: (m[0], v[0]), "the mean differs"),
    ("9.3", within, "that is variance, too"),
    ("9.3", unbiased, "not by one less"),
    ("9.3", lambda n, m, v: (spread(n, m, v)[0], 2 * spread(n, m, v)[1]), "the variance is not"),
    ("9.3", lambda n, m, v: spread(n, m, v)[0], "two tensors"),
    ("9.3", lambda n, m, v: [t.float() for t in spread(n, m, v)], "should be torch.float64"),
]
