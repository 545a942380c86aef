"""Right answers to the exercises of chapter 5, and wrong ones with the hint that each earns."""

import numpy as np
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
    """5.3 key by key: right numbers, and still all pairs."""
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


def by_bisection(a, b, g):
    """5.3 with k(i) found by halving: a loop, of as many turns as the keys have binary digits."""
    b, order = b.sort(dim=1, descending=True)
    g = g.gather(1, order[..., None].expand_as(g))
    running = [torch.nn.functional.pad(t.cumsum(1), (0, 0, 1, 0)) for t in (g, b[..., None] * g)]
    low, high = torch.zeros_like(a).long(), torch.full_like(a, b.shape[1]).long()
    for _ in range(b.shape[1].bit_length()):
        middle = (low + high) // 2
        counts = b.gather(1, middle.clamp(max=b.shape[1] - 1)) + a > 0
        low = torch.where(counts & (low < high), middle + 1, low)
        high = torch.where(counts, high, middle).maximum(low)
    first = low[..., None].expand(-1, -1, g.shape[-1])
    of_g, of_bg = (t.gather(1, first) for t in running)
    return a[..., None] * of_g + of_bg


def image_by_image(a, b, g):
    return torch.cat([sorted_sums(*(t[i, None] for t in (a, b, g))) for i in range(len(a))])


def in_pieces(pieces):
    """5.3 with a fixed share of all pairs at a time."""

    def made(a, b, g):
        return torch.cat([pairs(part, b, g) for part in a.chunk(pieces, dim=1)], dim=1)

    return made


def in_steps(rows):
    """5.3 with so many queries at a time."""
    return lambda a, b, g: torch.cat([pairs(part, b, g) for part in a.split(rows, 1)], 1)


def without_relu(a, b, g):
    return a[..., None] * g.sum(1, True) + (b[..., None] * g).sum(1, True)


def pairs(a, b, g):
    return (a[:, :, None] + b[:, None]).relu() @ g


RIGHT = [
    ("5.1", 1024),
    ("5.1", 1024.0),
    ("5.1", np.int64(1024)),
    ("5.1", torch.tensor(1024)),
    ("5.2", merge),
    ("5.2", lambda first, second: [*merge(first, second)]),
    ("5.3", sorted_sums),
    ("5.3", by_bisection),
    ("5.3", image_by_image),
]
WRONG = [
    ("5.1", 4096, "4 bytes"),
    ("5.1", 131072, "128 · 128"),
    ("5.1", 524288.0, "128 · 128"),
    ("5.1", 512, "How many bytes has one row?"),
    ("5.1", -1, "How many bytes has one row?"),
    ("5.1", 1024.5, "a whole number of rows is asked for, not 1024.5"),
    ("5.1", "1024", "a whole number of rows is asked for, not '1024'"),
    ("5.1", True, "a whole number of rows"),
    ("5.2", added, "each shrinks to the common m"),
    ("5.2", through_raw_exponentials, "overflows"),
    ("5.2", merge_around(torch.minimum), "the larger of the two m"),
    ("5.2", merge_around(lambda a, b: torch.maximum(a, b) + 1), "the larger of the two m"),
    ("5.2", without_y, "y shrinks as s does"),
    ("5.2", lambda first, second: (merge(first, second)[0], first[1], first[2]), "s differs"),
    ("5.2", lambda first, second: None, "three tensors (m, s, y) are asked for, not NoneType"),
    ("5.2", lambda first, second: merge(first, second)[:2], "not tuple of 2"),
    ("5.2", lambda first, second: torch.stack([*merge(first, second)[:2]]), "not Tensor"),
    ("5.2", lambda first, second: ["m", "s", "y"], "three tensors"),
    ("5.2", lambda first, second: tuple(t[0] for t in merge(first, second)), "m should have shape"),
    ("5.2", lambda first, second: [t.float() for t in merge(first, second)], "m should be torch"),
    ("5.3", pairs, "a tensor of 7200 entries was made; pairs have 7200"),
    ("5.3", sums, "in a loop: "),
    ("5.3", in_steps(1), "in a loop: "),
    ("5.3", in_steps(7), "in a loop: "),
    ("5.3", in_pieces(2), "64 times as many entries: a fixed share of all pairs"),
    ("5.3", in_pieces(8), "a fixed share of all pairs"),
    ("5.3", in_steps(240), "a tensor of 7200 entries"),
    ("5.3", without_relu, "ReLU?"),
    ("5.3", lambda a, b, g: sorted_sums(a, b, g) / g.shape[1], "not the average over keys"),
    ("5.3", lambda a, b, g: sums(b, a, g), "For which j"),
    ("5.3", lambda a, b, g: sorted_sums(a, b, g).mT, "should have shape (2, 60, 3)"),
    ("5.3", lambda a, b, g: sorted_sums(a, b, g).float(), "should be torch.float64"),
    ("5.3", lambda a, b, g: None, "None"),
]
