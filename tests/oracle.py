"""The equations as loops over queries and keys: slow, in float64, with no matmul and no softmax."""

from itertools import product

import torch


def mean_over_keys(theta, phi, g, w_f, pairwise):
    """Eq. 1 for one sample: theta (N, d), phi (M, d), g (M, dv) -> y (N, dv), map (N, M)."""
    attention, ys = [], []
    for theta_i in theta:
        f = [similarity(theta_i, phi_j, w_f, pairwise) for phi_j in phi]
        normalizer = sum(f) if "gaussian" in pairwise else len(f)  # C(x)
        row = [f_ij / normalizer for f_ij in f]
        attention.append(torch.stack(row))
        ys.append(sum(a_ij * g_j for a_ij, g_j in zip(row, g, strict=True)))
    return torch.stack(ys), torch.stack(attention)


def similarity(theta_i, phi_j, w_f, pairwise):
    """f(x_i, x_j) of Eq. 2 to 5: (d,), (d,) -> a number."""
    if pairwise == "concatenation":
        f = (w_f * torch.cat([theta_i, phi_j])).sum()
        return f if f > 0 else 0 * f
    f = (theta_i * phi_j).sum()
    return f if pairwise == "dot_product" else f.exp()


def attend(theta, phi, g, w_f=None, *, pairwise):
    """A batch of them: (B, N, d), (B, M, d), (B, M, dv) -> (B, N, dv), (B, N, M)."""
    samples = zip(theta, phi, g, strict=True)
    ys, maps = zip(*(mean_over_keys(*s, w_f, pairwise) for s in samples), strict=True)
    return torch.stack(ys), torch.stack(maps)


def positions(x):
    """The vectors of one sample in row-major order: (C, …) -> N times (C,)."""
    return [x[(slice(None), *p)] for p in product(*map(range, x.shape[1:]))]


def conv(x, weight, bias):
    """A 1×1 convolution, position by position: (B, C, …) -> (B, C', …)."""
    weight = weight.flatten(1)  # (C', C)
    return unrolled([[(weight * x_i).sum(dim=1) + bias for x_i in positions(s)] for s in x], x)


def unrolled(samples, like):
    """B times N vectors (C,) -> (B, C, …): the place p of sample b is its p-th vector."""
    channels = range(len(samples[0][0]))
    planes = [[torch.stack([v[c] for v in vectors]) for c in channels] for vectors in samples]
    return torch.stack([torch.stack(p) for p in planes]).view(len(samples), -1, *like.shape[2:])


def rows(x):
    """(B, C, …) -> (B, N, C)."""
    return torch.stack([torch.stack(positions(sample)) for sample in x])


def pool(x):
    """The largest of 2×2 (in one dimension, 2) places, never over time; odd ends are left out."""
    window = {3: (2,), 4: (2, 2), 5: (1, 2, 2)}[x.ndim]
    sides = [side // k for side, k in zip(x.shape[2:], window, strict=True)]
    out = []
    for p in product(*map(range, sides)):
        corners = product(*(range(k * i, k * i + k) for i, k in zip(p, window, strict=True)))
        out.append(torch.stack([x[(..., *c)] for c in corners]).amax(dim=0))  # (B, C)
    return torch.stack(out, dim=-1).view(*x.shape[:2], *sides)  # (B, C, …)


def batch_norm(z, weight, bias, eps=1e-5):
    """Training mode: over batch and positions, channel by channel."""
    z = z.movedim(1, -1)  # (B, …, C)
    dims = tuple(range(z.ndim - 1))
    centered = z - z.mean(dims, keepdim=True)
    normed = centered / (centered.square().mean(dims, keepdim=True) + eps).sqrt()
    return (normed * weight + bias).movedim(-1, 1)


def non_local(p, x, *, pairwise, factor, subsample, norm):
    """Eq. 6 with the parameters p by name: (B, C, …) -> (B, C, …), (B, N, M)."""
    keys = pool(x) if subsample == "before" else x
    theta, phi = x, keys
    if pairwise != "gaussian":
        theta = conv(x, p["theta.weight"], p["theta.bias"])
        phi = conv(keys, p["phi.weight"], p["phi.bias"])
    g = conv(keys, p["g.weight"], p["g.bias"])
    if subsample == "after":
        phi, g = pool(phi), pool(g)
    w_f = p["w_f.weight"].flatten() if pairwise == "concatenation" else None
    y, attention = attend(rows(theta) * factor, rows(phi), rows(g), w_f, pairwise=pairwise)
    z = conv(unrolled(y, x), p["w_z.weight"], p["w_z.bias"])
    return x + (batch_norm(z, p["norm.weight"], p["norm.bias"]) if norm else z), attention


def self_attention(p, x):
    """The article's block with the parameters p by name: (B, C, H, W) -> same, (B, N, N)."""
    names = ("query_conv", "key_conv", "value_conv")
    q, k, v = (rows(conv(x, p[f"{name}.weight"], p[f"{name}.bias"])) for name in names)
    out, attention = attend(q, k, v, pairwise="embedded_gaussian")
    return p["gamma"] * unrolled(out, x) + x, attention


def distance(actual, expected):
    """The largest difference, relative to the largest value expected where that exceeds 1."""
    if actual.shape != expected.shape:
        raise AssertionError(f"shape {tuple(actual.shape)}, expected {tuple(expected.shape)}")
    scale = max(1.0, expected.abs().max().item())
    return ((actual - expected).abs().max() / scale).item()
