"""Each cousin against its formula in loops over positions, in float64, and what all promise."""

import math
from itertools import product

import oracle
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nonlocal_tut import NonLocalBlock, memory
from nonlocal_tut.cousins import (
    COUSINS,
    CompactGeneralized,
    CrissCross,
    DoubleAttention,
    EfficientAttention,
    ExpectationMaximization,
    GlobalContext,
    PooledKeys,
    Pyramid,
)

C, INNER = 6, 4
SIZES = [(5, 7), (6, 4), (2, 3)]


def softmax(scores):
    """A list of numbers -> as many weights."""
    exps = [s.exp() for s in scores]
    return [e / sum(exps) for e in exps]


def mean(weights, vectors):
    return sum(w * v for w, v in zip(weights, vectors, strict=True))


def dot(a, b):
    return (a * b).sum()


# The formulas. p: the block's parameters by name; x: one sample, (C, H, W). Each returns the vector
# (C',) of every position in row-major order, before w_z.


def projected(p, name, x):
    return oracle.positions(oracle.conv(x[None], p[f"{name}.weight"], p[f"{name}.bias"])[0])


def pooled_keys(p, x):
    theta = projected(p, "theta", x)
    maps = (oracle.conv(x[None], p[f"{n}.weight"], p[f"{n}.bias"]) for n in ("phi", "g"))
    phi, g = (oracle.positions(oracle.pool(m)[0]) for m in maps)
    return [mean(softmax([dot(q, k) for k in phi]), g) for q in theta]


def cells(vectors, height, width, sides=(1, 3, 6, 8)):
    """Cell (a, b) of n×n averages rows ⌊aH/n⌋ … ⌈(a+1)H/n⌉ - 1, and columns alike."""
    out = []
    for n in sides:
        for a, b in product(range(n), range(n)):
            down = range(a * height // n, -(-(a + 1) * height // n))
            across = range(b * width // n, -(-(b + 1) * width // n))
            inside = [vectors[r * width + c] for r in down for c in across]
            out.append(sum(inside) / len(inside))
    return out


def pyramid(p, x):
    theta, g = projected(p, "theta", x), projected(p, "g", x)
    keys, values = cells(theta, *x.shape[1:]), cells(g, *x.shape[1:])
    assert len(keys) == 110
    scale = math.sqrt(len(theta[0]))
    return [mean(softmax([dot(q, k) / scale for k in keys]), values) for q in theta]


def criss_cross(p, x):
    height, width = x.shape[1:]
    theta, phi, g = (projected(p, n, x) for n in ("theta", "phi", "g"))
    out = []
    for r, c in product(range(height), range(width)):
        cross = {(r, k) for k in range(width)} | {(k, c) for k in range(height)}
        assert len(cross) == height + width - 1
        places = [k * width + m for k, m in cross]
        query = theta[r * width + c]
        out.append(mean(softmax([dot(query, phi[j]) for j in places]), [g[j] for j in places]))
    return out


def efficient(p, x):
    theta, phi, g = (projected(p, n, x) for n in ("theta", "phi", "g"))
    ask = [softmax(q) for q in theta]  # over channels
    have = [softmax(channel) for channel in zip(*phi, strict=True)]  # over positions
    weight = [
        [sum(a * h[j] for a, h in zip(q, have, strict=True)) for j in range(len(g))] for q in ask
    ]
    return [mean(row, g) for row in weight]


def double(p, x):
    theta, phi, g = (projected(p, n, x) for n in ("theta", "phi", "g"))
    gathered = [mean(softmax(scores), g) for scores in zip(*phi, strict=True)]
    return [mean(softmax(choice), gathered) for choice in theta]


def expectation_maximization(p, x):
    vectors, mu = projected(p, "g", x), list(p["mu"])
    for _ in range(3):
        z = [softmax([dot(v, base) for base in mu]) for v in vectors]
        mu = [mean([row[k] for row in z], vectors) for k in range(len(mu))]
        mu = [base / base.square().sum().sqrt() for base in mu]
    return [mean(row, mu) for row in z]


def compact(p, x, groups):
    theta, phi, g = (projected(p, n, x) for n in ("theta", "phi", "g"))
    width = len(theta[0]) // groups
    out = [torch.empty_like(t) for t in theta]
    for group in range(groups):
        channels = range(group * width, (group + 1) * width)
        entries = list(product(range(len(theta)), channels))
        for i, c in entries:  # the affinity of entry (i, c) with (j, d) is theta[i][c] · phi[j][d]
            out[i][c] = sum(theta[i][c] * phi[j][d] * g[j][d] for j, d in entries)
            out[i][c] /= math.sqrt(len(entries))
    return out


def global_context(p, x):
    saliency = softmax([m[0] for m in projected(p, "m", x)])
    context = mean(saliency, oracle.positions(x))
    v = (p["w_v.weight"].flatten(1) * context).sum(1) + p["w_v.bias"]
    v = (v - v.mean()) / ((v - v.mean()).square().mean() + 1e-5).sqrt()
    v = v * p["norm.weight"] + p["norm.bias"]
    return [torch.where(v > 0, v, 0 * v)] * x[0].numel()


def disentangled(p, x):
    theta, phi, m, g = (projected(p, n, x) for n in ("theta", "phi", "m", "g"))
    middle, center = sum(theta) / len(theta), sum(phi) / len(phi)
    unary = softmax([score[0] for score in m])
    pairwise = [softmax([dot(q - middle, k - center) for k in phi]) for q in theta]
    return [mean([a + b for a, b in zip(row, unary, strict=True)], g) for row in pairwise]


REFERENCES = {
    "pooled keys": pooled_keys,
    "pyramid": pyramid,
    "criss-cross": criss_cross,
    "efficient": efficient,
    "double": double,
    "EM": expectation_maximization,
    "compact": compact,
    "global context": global_context,
    "disentangled": disentangled,
}
OPTIONS = {"compact": {"groups": 2}, "EM": {"bases": 3}}


def drawn(block, seed=0):
    """The block in float64 with every parameter drawn anew, so that none is zero or one."""
    luck = torch.Generator().manual_seed(seed)
    for p in block.double().parameters():
        nn.init.normal_(p, std=0.7, generator=luck)
    return block


def sample(height, width, batch=2, seed=1):
    luck = torch.Generator().manual_seed(seed)
    return torch.randn(batch, C, height, width, generator=luck, dtype=torch.float64)


def in_loops(block, x, reference, **options):
    """x + w_z(y), y by the reference."""
    p = dict(block.named_parameters())
    y = oracle.unrolled([reference(p, s, **options) for s in x], x)  # (B, C', H, W)
    return x + oracle.conv(y, p["w_z.weight"], p["w_z.bias"])


def test_every_cousin_has_a_reference():
    assert REFERENCES.keys() == COUSINS.keys()


def formula(name, block, x, options):
    """What a cousin has to return, in loops."""
    if name == "criss-cross":
        return in_loops(block, in_loops(block, x, criss_cross), criss_cross)
    return in_loops(block, x, REFERENCES[name], **(options if name == "compact" else {}))


@pytest.mark.parametrize("name", COUSINS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_cousin_is_its_formula(name, size):
    options = OPTIONS.get(name, {})
    block = drawn(COUSINS[name](C, INNER, **options))
    x = sample(*size)
    assert oracle.distance(block(x), formula(name, block, x, options)) < 1e-12


@pytest.mark.parametrize("name", COUSINS)
def test_one_inner_channel_and_one_group_do(name):
    options = {"groups": 1} if name == "compact" else {}
    block, x = drawn(COUSINS[name](C, 1, **options)), sample(4, 5)
    assert oracle.distance(block(x), formula(name, block, x, options)) < 1e-12


def test_criss_cross_can_pass_once():
    block = drawn(CrissCross(C, INNER, passes=1))
    x = sample(4, 6)
    assert oracle.distance(block(x), in_loops(block, x, criss_cross)) < 1e-12


@pytest.mark.parametrize("descriptors", [1, 3, 9])
def test_double_attention_has_as_many_descriptors_as_asked_for(descriptors):
    block = drawn(DoubleAttention(C, INNER, descriptors=descriptors))
    assert block.theta.out_channels == block.phi.out_channels == descriptors
    x = sample(4, 5)
    assert oracle.distance(block(x), in_loops(block, x, double)) < 1e-12


@pytest.mark.parametrize("size", [(6, 8), (5, 7)])
def test_pooled_keys_are_the_papers(size):
    ours = drawn(PooledKeys(C, INNER))
    papers = NonLocalBlock(C, INNER, subsample="after", norm=False, attention="matmul").double()
    papers.load_state_dict(ours.state_dict())
    assert oracle.distance(ours(sample(*size)), papers(sample(*size))) < 1e-12


def test_efficient_and_double_attention_are_one_formula():
    one, two = drawn(EfficientAttention(C, INNER)), DoubleAttention(C, INNER).double()
    two.load_state_dict(one.state_dict())
    assert oracle.distance(one(sample(5, 7)), two(sample(5, 7))) < 1e-12


# What all of them promise


@pytest.mark.parametrize("name", COUSINS)
def test_a_new_cousin_is_the_identity_and_then_learns(name):
    torch.manual_seed(0)
    block, x = COUSINS[name](16), torch.randn(2, 16, 6, 5)
    assert torch.equal(block(x), x)
    block(x).square().sum().backward()
    moved = {n for n, p in block.named_parameters() if p.grad is not None and p.grad.any()}
    assert moved == {"w_z.weight", "w_z.bias"}
    drawn(block)
    block(x.double()).square().sum().backward()
    assert all(p.grad.any() for n, p in block.named_parameters() if not n.endswith("bias"))


@pytest.mark.parametrize("name", COUSINS)
def test_a_cousin_has_the_block_s_width_unless_told(name):
    assert COUSINS[name](16).w_z.in_channels == COUSINS[name](16).inner_channels == 8
    assert COUSINS[name](16, 24).w_z.in_channels == 24


@pytest.mark.parametrize("name", COUSINS)
@pytest.mark.parametrize("shape", [(2, 5, 4, 4), (6, 4, 4), (2, 6, 3, 4, 4)], ids=str)
def test_another_shape_is_an_error_that_names_it(name, shape):
    block = COUSINS[name](6, 8)
    with pytest.raises(ValueError, match=r"x must be \(B, 6, H, W\)") as raised:
        block(torch.zeros(shape))
    assert str(shape) in str(raised.value)


@pytest.mark.parametrize("name", COUSINS)
def test_no_inner_channel_is_an_error(name):
    with pytest.raises(ValueError, match="inner_channels must be 1 or more, not 0; channels=1"):
        COUSINS[name](1)


@pytest.mark.parametrize("groups", [3, 0, -2])
def test_groups_that_do_not_divide_are_an_error(groups):
    with pytest.raises(ValueError, match=f"groups must divide inner_channels, not groups={groups}"):
        CompactGeneralized(8, groups=groups)


# What each gives up


def added(block, x):
    return block(x) - x


@pytest.mark.parametrize("name", COUSINS)
def test_only_the_global_context_adds_the_same_everywhere(name):
    block = drawn(COUSINS[name](C, 8))
    plus = added(block, sample(5, 7)).flatten(2)  # (B, C, N)
    same = torch.allclose(plus, plus[:, :, :1].expand_as(plus), atol=1e-12)
    assert same == (name == "global context")


@pytest.mark.parametrize("passes", [1, 2])
def test_criss_cross_sees_a_cross_once_and_everything_twice(passes):
    block = drawn(CrissCross(C, INNER, passes=passes))
    x = sample(5, 7, batch=1).requires_grad_()
    block(x)[0, :, 1, 2].sum().backward()
    seen = x.grad[0].abs().sum(0) > 0  # (H, W)
    cross = torch.zeros(5, 7, dtype=torch.bool)
    cross[1], cross[:, 2] = True, True
    assert torch.equal(seen, cross if passes == 1 else torch.ones_like(cross))


@pytest.mark.parametrize(
    ("block", "most"),
    [
        (PooledKeys(C, INNER), 64),
        (Pyramid(C, INNER), 110),
        (EfficientAttention(C, INNER), INNER),
        (DoubleAttention(C, INNER, descriptors=3), 3),
        (CrissCross(C, INNER, passes=1), 256),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else str(value),
)
def test_the_map_has_no_higher_rank_than_what_it_goes_through(block, most):
    """Its column j is what a value of 1 at position j alone comes to, at every position."""
    drawn(block)
    x = sample(16, 16, batch=1)
    maps = [getattr(block, n)(x) for n in block.maps[:-1]]
    each = torch.eye(256, dtype=torch.float64).view(1, 256, 16, 16)  # value channel j: position j
    attention = block.mix(*maps, each)[0].flatten(1).T  # (N, N)
    rank = torch.linalg.matrix_rank(attention).item()
    assert most / 2 < rank <= most


def test_the_pyramid_s_cells_are_those_of_the_loop_on_a_larger_map():
    block, x = drawn(Pyramid(C, INNER)), sample(12, 9, batch=1)
    assert oracle.distance(block(x), in_loops(block, x, pyramid)) < 1e-12


def test_em_describes_every_position_by_its_bases():
    block = drawn(ExpectationMaximization(C, INNER, bases=2))
    y = block.mix(block.g(sample(5, 7, batch=1)))[0].flatten(1)  # (C', N)
    assert torch.linalg.matrix_rank(y) == 2


def test_the_compact_block_shares_one_number_a_group():
    block = drawn(CompactGeneralized(C, 8, groups=4))
    x = sample(5, 7)
    theta = block.theta(x)
    ratio = (block.mix(theta, block.phi(x), block.g(x)) / theta).unflatten(1, (4, 2)).flatten(2)
    assert torch.allclose(ratio, ratio[..., :1].expand_as(ratio))
    assert not torch.allclose(ratio[:, :1], ratio[:, 1:2])


# What each costs: multiply-adds of the part between the convolutions


def multiply_adds(block, side):
    with FlopCounterMode(display=False) as counter, torch.device("meta"):
        block.to("meta")(torch.empty(1, block.channels, side, side))
    return counter.get_total_flops() // 2


COSTS = {  # N positions, S a side, C channels, D inner ones: convolutions, then the rest
    "pooled keys": lambda n, s, c, d: 4 * n * c * d + n * (n // 4) * 2 * d,
    "pyramid": lambda n, s, c, d: 3 * n * c * d + n * 110 * 2 * d,
    "criss-cross": lambda n, s, c, d: 2 * (4 * n * c * d + n * 2 * s * 2 * d),
    "efficient": lambda n, s, c, d: 4 * n * c * d + 2 * n * d * d,
    "double": lambda n, s, c, d: 4 * n * c * d + 2 * n * d * d,
    "EM": lambda n, s, c, d: 2 * n * c * d + 7 * n * 64 * d,
    "compact": lambda n, s, c, d: 4 * n * c * d + 2 * n * d,
    "global context": lambda n, s, c, d: 2 * n * c + 2 * c * d,
    "disentangled": lambda n, s, c, d: 4 * n * c * d + n * c + n * n * 2 * d + n * d,
}


@pytest.mark.parametrize("name", COUSINS)
@pytest.mark.parametrize("side", [8, 20])
def test_the_cost_is_the_one_in_the_docstring(name, side):
    assert multiply_adds(COUSINS[name](32), side) == COSTS[name](side * side, side, 32, 16)


@pytest.mark.parametrize("name", COUSINS)
def test_the_docstring_says_where_it_is_from_and_what_it_costs(name):
    text = " ".join(COUSINS[name].__doc__.split())
    assert "et al., " in text and "ultiply-adds" in text


def test_the_global_context_is_one_vector_for_all():
    block = drawn(GlobalContext(C, INNER))
    x = sample(4, 3)
    assert block.mix(block.m(x), x).shape == (2, INNER, 1, 1)


@pytest.mark.parametrize("name", COUSINS)
def test_chapter_7_s_bytes_are_those_of_a_run(name):
    shape = (1, 64, 64, 64)  # the page's
    predicted = memory.predict(lambda: COUSINS[name](64), shape)
    measured = memory.measure(lambda: COUSINS[name](64), shape, device="cpu")
    assert abs(predicted.peak_bytes - measured.peak_bytes) <= 64
