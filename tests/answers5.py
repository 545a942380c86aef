"""Right answers to the exercises of chapter 5, and wrong ones with the hint that each earns."""

import torch


def merge(first, second):
    """5.2: each part shrinks to the larger of the two maxima."""
    m = torch.maximum(first[0], second[0])
    shrink = [(part[0] - m).exp() for part in (first, second)]
    return m, *(shrink[0] * first[i] + shrink[1] * second[i] for i in (1, 2))


def merge_around(center):
    """5.2 around another number than the maximum."""

    def merged(first, second):
        m = center(first[0], second[0])
        parts = [[(part[0] - m).exp() * t for t in part[1:]] for part in (first, second)]
        return m, parts[0][0] + parts[1][0], parts[0][1] + parts[1][1]

    return merged


def through_raw_exponentials(first, second):
    m = torch.maximum(first[0], second[0])
    s, y = (first[0].exp() * first[i] + second[0].exp() * second[i] for i in (1, 2))
    return m, s / m.exp(), y / m.exp()


def added(first, second):
    return torch.maximum(first[0], second[0]), first[1] + second[1], first[2] + second[2]


def without_y(first, second):
    m, s, _ = merge(first, second)
    return m, s, first[2] + 0.5 * second[2]


def sums(a, b, g):
    """5.3 key by key."""
    weights = ((a + b[:, j, None]).relu()[..., None] for j in range(b.shape[1]))  # (B, N, 1) each
    return sum(weight * g[:, None, j] for j, weight in enumerate(weights))


def sorted_sums(a, b, g):
    """5.3 with running sums over keys in descending order."""
    b, order = b.sort(dim=1, descending=True)
    g = g.gather(1, order[..., None].expand_as(g))
    running = [torch.nn.functional.pad(t.cumsum(1), (0, 0, 1, 0)) for t in (g, b[..., None] * g)]
    first = torch.searchsorted(-b, a)[..., None].expand(-1, -1, g.shape[-1])
    of_g, of_bg = (t.gather(1, first) for t in running)
    return a[..., None] * of_g + of_bg


def without_relu(a, b, g):
    return a[..., None] * g.sum(1, True) + (b[..., None] * g).sum(1, True)


def pairs(a, b, g):
    return (a[:, :, None] + b[:, None]).relu() @ g


RIGHT = [
    ("5.1", 1024),
    ("5.2", merge),
    ("5.3", sums),
    ("5.3", sorted_sums),
]
WRONG = [
    ("5.1", 4096, "4 bytes"),
    ("5.1", 131072, "128 · 128"),
    ("5.1", 512, "How many bytes has one row?"),
    ("5.1", 1024.0, "a whole number of rows"),
    ("5.2", added, "each shrinks to the common m"),
    ("5.2", through_raw_exponentials, "overflows"),
    ("5.2", merge_around(torch.minimum), "the larger of the two m"),
    ("5.2", merge_around(lambda a, b: torch.maximum(a, b) + 1), "the larger of the two m"),
    ("5.2", without_y, "y shrinks as s does"),
    ("5.2", lambda first, second: (merge(first, second)[0], first[1], first[2]), "s differs"),
    ("5.2", lambda first, second: None, "three tensors"),
    ("5.2", lambda first, second: merge(first, second)[:2], "three tensors"),
    ("5.2", lambda first, second: tuple(t[0] for t in merge(first, second)), "m should have shape"),
    ("5.3", pairs, "a tensor of 7200 entries was made; pairs have 7200"),
    ("5.3", without_relu, "ReLU?"),
    ("5.3", lambda a, b, g: sums(b, a, g), "For which j"),
    ("5.3", lambda a, b, g: sums(a, b, g).mT, "should have shape (2, 60, 3)"),
    ("5.3", lambda a, b, g: None, "None"),
]
