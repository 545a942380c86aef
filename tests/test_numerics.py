"""Where numbers are large, short or forbidden to vary: logits, dtypes, autocast, determinism.

Bounds come from the dtype's machine epsilon, and the reference is float64.
"""

import itertools

import pytest
import torch
from random_numbers import awake, normal

from nonlocal_tut import NonLocalBlock, SelfAttention2d
from nonlocal_tut.pairwise import ATTENTION, PAIRWISE, SOFTMAX, attend

HALVES = (torch.float16, torch.bfloat16)
SUBSAMPLE = (None, "after", "before")


def separated(size, dtype, d=8):
    """Queries, keys and values whose logits reach `size`, all exact in `dtype`.

    Key j is ±size/4 along axis j // 2, and query i asks along its own axis with 4 times a sign. So
    one key of each query leads by `size` at least: the exact answer is its value.
    """
    keys = torch.zeros(1, 2 * d, d, dtype=torch.float64)
    for j in range(2 * d):
        keys[0, j, j // 2] = (size / 4) * (-1) ** j
    queries = torch.zeros(1, 2 * d, d, dtype=torch.float64)
    for i in range(2 * d):
        queries[0, i, i // 2] = 4.0 * (-1) ** i
    values = normal(1, 2 * d, d, seed=3).to(dtype)
    return queries.to(dtype), keys.to(dtype), values


# Large logits


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("dtype", [*HALVES, torch.float32])
@pytest.mark.parametrize("size", [2.0**6, 2.0**10, 2.0**15])
def test_the_softmax_of_large_logits_is_the_leading_key_s_value(size, dtype, attention):
    theta, phi, g = separated(size, dtype)
    y = attend(theta, phi, g, attention=attention)
    torch.testing.assert_close(y, g, rtol=torch.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize("attention", ["fused", "chunked"])
def test_beyond_the_end_of_float16_logits_are_kept_in_float32(attention):
    theta, phi, g = separated(2.0**17, torch.float16)  # 65504 is the end
    assert attend(theta, phi, g, attention="matmul").isnan().any(), "else this shows nothing"
    y = attend(theta, phi, g, attention=attention)
    torch.testing.assert_close(y, g, rtol=torch.finfo(torch.float16).eps, atol=0)


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_logits_of_ten_to_the_thirtieth_are_still_a_softmax(dtype, attention):
    theta, phi, g = separated(2.0**100, dtype)
    y = attend(theta, phi, g, attention=attention)
    torch.testing.assert_close(y, g, rtol=torch.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("pairwise", PAIRWISE)
@pytest.mark.parametrize("dtype", [*HALVES, torch.float32])
def test_gradients_at_large_logits_are_finite(dtype, pairwise, attention):
    operands = [t.detach().requires_grad_() for t in separated(2.0**10, dtype)]
    w_f = normal(16, seed=4).to(dtype).requires_grad_() if pairwise == "concatenation" else None
    attend(*operands, w_f, pairwise=pairwise, attention=attention).float().sum().backward()
    for t in [*operands, w_f]:
        assert t is None or t.grad.isfinite().all()


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("pairwise", PAIRWISE)
@pytest.mark.parametrize("dtype", [*HALVES, torch.float32])
def test_off_by_rounding_of_operands_and_of_the_result(dtype, pairwise, attention):
    """A logit is off by eps times the sum of its terms' sizes, a weight by as much of itself."""
    theta, phi, g, w_f = (
        t.to(dtype)
        for t in (
            2 * normal(2, 30, 4),
            2 * normal(2, 20, 4, seed=1),
            normal(2, 20, 4, seed=2),
            normal(8),
        )
    )
    w_f = w_f if pairwise == "concatenation" else None
    wide = [t if t is None else t.double() for t in (theta, phi, g, w_f)]
    y = attend(theta, phi, g, w_f, pairwise=pairwise, attention=attention).double()
    exact = attend(*wide, pairwise=pairwise, attention="matmul")
    eps = torch.finfo(dtype).eps
    terms = (wide[0].abs() @ wide[1].abs().mT).amax()
    if pairwise in SOFTMAX:
        bound = 2 * eps * (1 + terms) * wide[2].abs().amax()
    elif pairwise == "dot_product":
        bound = 4 * eps * terms * wide[2].abs().amax()
    else:
        size = (wide[0].abs().amax() + wide[1].abs().amax()) * wide[3].abs().sum()
        bound = 4 * eps * size * wide[2].abs().amax()
    assert (y - exact).abs().amax() <= bound


# Blocks


def blocks():
    """Every switch of the two blocks, by a name that says it."""
    for pairwise, attention, subsample, norm in itertools.product(
        PAIRWISE, ATTENTION, SUBSAMPLE, (True, False)
    ):
        switches = {
            "pairwise": pairwise,
            "attention": attention,
            "subsample": subsample,
            "norm": norm,
        }
        for inner in (None, 1, 6):
            name = f"{pairwise} {attention} {subsample} {norm} {inner}"
            yield pytest.param(lambda s=switches, i=inner: NonLocalBlock(6, i, **s), id=name)
    for attention, reduction in itertools.product(ATTENTION, (1, 3, 6)):
        name = f"SelfAttention2d {attention} {reduction}"
        yield pytest.param(
            lambda a=attention, r=reduction: SelfAttention2d(6, r, attention=a), id=name
        )


@pytest.mark.parametrize("make", list(blocks()))
def test_at_initialization_what_opens_the_block_has_a_gradient_and_nothing_else(make):
    torch.manual_seed(0)
    block, x = make(), normal(2, 6, 5, 4).float().requires_grad_()
    if hasattr(block, "w_f"):  # else ReLU may let no pair through, by chance
        block.w_f.weight.data.abs_()
        block.theta.bias.data.fill_(10)
    block(x).square().sum().backward()
    assert x.grad.isfinite().all() and (x.grad != 0).all()
    opens = (
        "gamma"
        if isinstance(block, SelfAttention2d)
        else "norm"
        if hasattr(block, "norm")
        else "w_z"
    )
    for name, p in block.named_parameters():
        assert p.grad.isfinite().all(), name
        assert bool(p.grad.any()) == name.startswith(opens), name


@pytest.mark.parametrize("make", list(blocks()))
def test_once_it_is_open_every_parameter_has_a_gradient(make):
    block, x = awake(make().double()), normal(2, 6, 5, 4).requires_grad_()
    block(x).square().sum().backward()
    vanishing = vanishes(block)
    for name, p in block.named_parameters():
        assert p.grad.isfinite().all(), name
        size = p.grad.abs().amax()
        assert (size < 1e-9) if name in vanishing else (size > 1e-9), f"{name}: {size}"


def vanishes(block):
    """What cancels: phi's bias in a softmax, which moves a whole row; before a batch norm, what
    adds the same at every position, as w_z's bias does, and g's where rows sum to one.
    """
    if isinstance(block, SelfAttention2d):
        return {"key_conv.bias"}
    gone = {"phi.bias"} if block.pairwise in SOFTMAX else set()
    if not hasattr(block, "norm"):
        return gone
    return gone | {"w_z.bias"} | ({"g.bias"} if block.pairwise in SOFTMAX else set())


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("pairwise", PAIRWISE)
def test_autocast_on_the_cpu_keeps_the_dtype_and_is_off_by_bfloat16_s_rounding(pairwise, attention):
    block = awake(NonLocalBlock(6, pairwise=pairwise, attention=attention).double()).eval()
    x = normal(2, 6, 5, 4)
    exact = block(x).detach()
    block, x = block.float(), x.float().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = block(x)
    assert y.dtype == torch.float32
    y.square().sum().backward()
    assert x.grad.dtype == torch.float32 and x.grad.isfinite().all()
    assert all(
        p.grad.dtype == torch.float32 and p.grad.isfinite().all() for p in block.parameters()
    )
    eps = torch.finfo(torch.bfloat16).eps
    assert (y - exact).abs().amax() <= 8 * eps * exact.abs().amax()


@pytest.fixture
def deterministic():
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(before)


@pytest.mark.parametrize("subsample", SUBSAMPLE)
@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("pairwise", PAIRWISE)
def test_deterministic_algorithms_give_the_same_bits_twice(
    pairwise, attention, subsample, deterministic
):
    switches = {"pairwise": pairwise, "attention": attention, "subsample": subsample}
    block = awake(NonLocalBlock(6, **switches).double()).float()
    runs = []
    for _ in range(2):
        block.zero_grad()
        x = normal(2, 6, 9, 8).float().requires_grad_()
        y = block(x)
        y.square().sum().backward()
        runs.append([y.detach(), x.grad, *(p.grad.clone() for p in block.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))
