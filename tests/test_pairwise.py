"""The four pairwise forms against loops over queries and keys, each computed three ways."""

import functools
import os
import re
import warnings

os.environ.setdefault("KINETO_LOG_LEVEL", "6")

import oracle
import pytest
import torch
import torch.autograd.forward_ad as fw
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nonlocal_tut.pairwise import (
    ATTENTION,
    PAIRWISE,
    affinity,
    attend,
    fused,
    split_concatenation,
)
from nonlocal_tut.pairwise.fused import fused_softmax

pytestmark = pytest.mark.usefixtures("no_small_maps")  # test_small.py has those

WIDTHS = [(3, 4), (5, 2), (1, 1), (8, 8)]  # (d, dv): the fused kernel wants padding, or not


def inputs(n=5, m=7, d=3, dv=4, batch=2, seed=0, dtype=torch.float64):
    """theta (B, N, d), phi (B, M, d), g (B, M, dv), w_f (2d,), all of them trainable."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(batch, n, d), (batch, m, d), (batch, m, dv), (2 * d,)]
    values = [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]
    return [v.to(dtype).requires_grad_() for v in values]


def gradients(y, tensors, seed=1):
    """Of a random weighting of y with respect to each tensor; zeros for those that it ignores."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(y.shape, generator=generator, dtype=torch.float64)
    return torch.autograd.grad(y, tensors, weight.to(y.dtype), materialize_grads=True)


def largest_tensor(function):
    """How many elements the largest tensor has that any operation in `function` makes."""

    class Watch(TorchDispatchMode):
        most = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            for t in tree_leaves(out):
                if isinstance(t, torch.Tensor):  # a broadcast view costs its storage alone
                    size = t.untyped_storage().nbytes() // t.element_size()
                    self.most = max(self.most, size)
            return out

    with Watch() as watch:
        function()
    return watch.most


@pytest.mark.parametrize("d, dv", WIDTHS)
@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("pairwise", PAIRWISE)
def test_equals_the_loops_in_value_and_gradient(pairwise, attention, d, dv):
    tensors = inputs(d=d, dv=dv)
    expected, _ = oracle.attend(*tensors, pairwise=pairwise)
    y = attend(*tensors, pairwise=pairwise, attention=attention)
    assert oracle.distance(y, expected) < 1e-12
    for actual, wanted in zip(gradients(y, tensors), gradients(expected, tensors), strict=True):
        assert oracle.distance(actual, wanted) < 1e-12


@pytest.mark.parametrize("pairwise", PAIRWISE)
def test_the_map_equals_the_loops(pairwise):
    theta, phi, g, w_f = inputs()
    _, expected = oracle.attend(theta, phi, g, w_f, pairwise=pairwise)
    assert oracle.distance(affinity(theta, phi, w_f, pairwise=pairwise), expected) < 1e-12


@pytest.mark.parametrize("pairwise", ["gaussian", "embedded_gaussian"])
def test_rows_of_a_softmax_map_sum_to_one_and_columns_do_not(pairwise):
    theta, phi, *_ = inputs()
    attention = affinity(theta, phi, pairwise=pairwise)  # (B, N, M)
    assert attention.shape == (2, 5, 7)
    assert torch.allclose(attention.sum(dim=2), torch.ones(2, 5, dtype=torch.float64))
    assert not torch.allclose(attention.sum(dim=1), torch.ones(2, 7, dtype=torch.float64), atol=0.1)


def test_a_row_of_the_dot_product_map_need_not_sum_to_one():
    theta, phi, *_ = inputs()
    rows = affinity(theta, phi, pairwise="dot_product").sum(dim=2)
    assert (rows - 1).abs().min() > 0.01


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("pairwise", PAIRWISE)
def test_queries_and_keys_may_come_in_any_order(pairwise, attention):
    theta, phi, g, w_f = inputs()
    generator = torch.Generator().manual_seed(2)
    i, j = torch.randperm(5, generator=generator), torch.randperm(7, generator=generator)
    y = attend(theta, phi, g, w_f, pairwise=pairwise, attention=attention)
    moved = attend(theta[:, i], phi[:, j], g[:, j], w_f, pairwise=pairwise, attention=attention)
    assert oracle.distance(moved, y[:, i]) < 1e-12


@pytest.mark.parametrize("pairwise", ["dot_product", "concatenation"])
def test_repeating_every_key_leaves_the_mean_as_it_is(pairwise):
    theta, phi, g, w_f = inputs()
    y = attend(theta, phi, g, w_f, pairwise=pairwise)
    twice = attend(theta, phi.repeat(1, 2, 1), g.repeat(1, 2, 1), w_f, pairwise=pairwise)
    assert oracle.distance(twice, y) < 1e-12


def test_split_concatenation_equals_w_f_on_every_stacked_pair():
    theta, phi, _, w_f = inputs()
    pairs = torch.cat(  # (B, N, M, 2d): what the split makes unnecessary
        [theta[:, :, None].expand(-1, -1, 7, -1), phi[:, None].expand(-1, 5, -1, -1)], dim=-1
    )
    a, b = split_concatenation(theta, phi, w_f)
    assert oracle.distance(a + b.mT, pairs @ w_f) < 1e-12


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("pairwise", PAIRWISE)
def test_gradcheck(pairwise, attention):
    tensors = inputs(n=3, m=4, d=2, dv=2, batch=1)
    assert torch.autograd.gradcheck(
        lambda *t: attend(*t, pairwise=pairwise, attention=attention), tensors
    )


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("pairwise", PAIRWISE)
@pytest.mark.parametrize("batch, d, dv", [(1, 2, 2), (2, 2, 3), (2, 3, 2), (1, 1, 1)])
def test_a_gradient_of_a_gradient(pairwise, attention, batch, d, dv):
    *tensors, w_f = inputs(n=4, m=3, d=d, dv=dv, batch=batch)
    given = [*tensors, w_f] if pairwise == "concatenation" else tensors
    assert torch.autograd.gradgradcheck(
        lambda *t: attend(*t, pairwise=pairwise, attention=attention), given
    )


@pytest.mark.parametrize("d, dv", [(8, 24), (24, 8), (8, 8)])
def test_second_derivatives_over_many_blocks_equal_the_map_s(d, dv, monkeypatch):
    """3 blocks of queries and 3 of keys; as a gradient penalty takes them, with the first too."""
    monkeypatch.setattr("nonlocal_tut.pairwise.operation.CHUNK", 2 * 430 * 100)
    *tensors, _ = inputs(n=450, m=430, d=d, dv=dv)
    start = torch.randn(2, 450, dv, generator=torch.Generator().manual_seed(3)).double()

    def penalty(attention):
        dy = start.clone().requires_grad_()
        y = attend(*tensors, attention=attention)
        first = torch.autograd.grad(y, tensors, dy, create_graph=True)
        loss = y.square().sum() + sum((t.sin() * t.detach().flip(0)).sum() for t in first)
        return torch.autograd.grad(loss, (*tensors, dy))

    expected = penalty("matmul")
    for attention in ("fused", "chunked"):
        for actual, wanted in zip(penalty(attention), expected, strict=True):
            assert oracle.distance(actual, wanted) < 1e-12


@pytest.mark.parametrize("d, dv", [(2, 16), (16, 16)])
def test_a_second_derivative_builds_no_map(d, dv):
    n = 2048
    *tensors, _ = inputs(n=n, m=n, d=d, dv=dv, batch=1, dtype=torch.float32)

    def penalty():
        first = torch.autograd.grad(attend(*tensors).sum(), tensors, create_graph=True)
        torch.autograd.grad(sum(t.square().sum() for t in first), tensors)

    assert largest_tensor(penalty) <= n * 64


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_second_derivatives_in_half_precision_are_summed_in_float32(dtype):
    tensors = [t.detach().to(dtype).requires_grad_() for t in inputs(n=20, m=30, d=3, dv=8)[:3]]
    wide = [t.detach().double().requires_grad_() for t in tensors]

    def penalty(tensors, attention):
        y = attend(*tensors, attention=attention)
        first = torch.autograd.grad(y, tensors, torch.ones_like(y), create_graph=True)
        return torch.autograd.grad(first[0].square().sum(), tensors)

    pairs = zip(penalty(tensors, "fused"), penalty(wide, "matmul"), strict=True)
    for actual, wanted in pairs:
        assert actual.dtype == dtype and oracle.distance(actual.double(), wanted) < 2**-4


@pytest.mark.parametrize("d, dv", WIDTHS)
@pytest.mark.parametrize("which", range(3), ids=["theta", "phi", "g"])
def test_the_fused_softmax_says_that_it_has_no_third_derivative_and_what_has(which, d, dv):
    *tensors, _ = inputs(d=d, dv=dv)
    y = attend(*tensors).sin().sum()
    for _ in range(2):
        first = torch.autograd.grad(y, tensors, create_graph=True)
        y = sum(t.sin().sum() for t in first)
    with pytest.raises(RuntimeError, match='two derivatives; for a third use attention="matmul"'):
        torch.autograd.grad(first[which].sum(), tensors, allow_unused=True)


@pytest.mark.parametrize("kept_by", ["EXPORTING", "is_tracing"])
def test_a_program_that_is_kept_has_one_head(kept_by, monkeypatch):
    """Two would hold for even numbers of queries alone (test_ways.py exports and traces)."""
    q = torch.zeros(1, 4, 2)
    assert fused._heads(q) == 2
    monkeypatch.setattr(fused, kept_by, lambda: True)
    assert fused._heads(q) == 1


@pytest.mark.parametrize("which", range(3), ids=["theta", "phi", "g"])
def test_on_a_gpu_it_says_that_it_has_no_second_derivative(which):
    *tensors, _ = inputs(d=8, dv=8)
    y = fused_softmax(*tensors, cuda=True)  # the way there, with the kernel of this device
    first = torch.autograd.grad(y.sum(), tensors, create_graph=True)
    with pytest.raises(RuntimeError, match=r'second derivative on a GPU; .* attention="matmul"'):
        first[which].square().sum().backward()


@pytest.mark.parametrize("attention", ["fused", "chunked"])
@pytest.mark.parametrize("d, dv", [(3, 8), (8, 8), (8, 3)])
def test_forward_mode_is_refused_with_the_way_round(attention, d, dv):
    *tensors, _ = (t.detach() for t in inputs(d=d, dv=dv))
    run = functools.partial(attend, attention=attention)
    with pytest.raises(RuntimeError, match=r'forward-mode .* reverse mode .*="matmul"'):
        torch.func.jvp(run, tuple(tensors), tuple(tensors))
    with fw.dual_level(), torch.no_grad(), pytest.raises(RuntimeError, match="forward-mode"):
        run(fw.make_dual(tensors[0], tensors[0]), *tensors[1:])
    assert torch.func.jvp(
        functools.partial(attend, attention="matmul"), tuple(tensors), tuple(tensors)
    )[1].shape == (2, 5, dv)


def jacobian(f, x):
    return torch.func.jacrev(f)(x)


def vectorized(f, x):
    return torch.autograd.functional.jacobian(f, x, vectorize=True)


def gradient_of_gradient(f, x):
    first = torch.func.grad(lambda x: f(x).sin().sum())
    return torch.func.grad(lambda x: first(x).square().sum())(x)


def second_vectorized(f, x):
    return torch.autograd.functional.hessian(lambda x: f(x).sin().sum(), x, vectorize=True)


def hessian(f, x):
    return torch.func.jacrev(torch.func.jacrev(lambda x: f(x).sin().sum()))(x)


def each_sample(f, x):
    return torch.func.vmap(torch.func.grad(lambda x: f(x[None]).sin().sum()))(x)


def mapped_without_gradient(f, x):
    return torch.func.vmap(lambda x: f(x[None]), in_dims=1)(x.transpose(0, 1))


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize("attention", ["fused", "chunked"])
@pytest.mark.parametrize("pairwise", PAIRWISE)
@pytest.mark.parametrize("d, dv", [(2, 4), (4, 2), (3, 3)])
@pytest.mark.parametrize("operand", range(3), ids=["theta", "phi", "g"])
@pytest.mark.parametrize(
    "way",
    [
        jacobian,
        vectorized,
        gradient_of_gradient,
        second_vectorized,
        hessian,
        each_sample,
        mapped_without_gradient,
    ],
)
def test_ways_to_differentiate_equal_the_map_s(way, operand, pairwise, attention, d, dv):
    """Of one operand at a time: the other two are then not mapped, and are the same for all."""
    *tensors, w_f = (t.detach() for t in inputs(n=3, m=4, d=d, dv=dv))

    def run(x, attention):
        others = [t[: x.shape[0]] for t in tensors]
        others[operand] = x
        return attend(*others, w_f, pairwise=pairwise, attention=attention)

    x = tensors[operand].clone()
    actual = way(functools.partial(run, attention=attention), x)
    expected = way(functools.partial(run, attention="matmul"), x)
    assert oracle.distance(actual, expected) < 1e-12


@pytest.mark.parametrize("d, dv", [(8, 64), (64, 32), (1, 2)])
@pytest.mark.parametrize(
    "dtype, tolerance", [(torch.float64, 1e-10), (torch.float32, 1e-5), (torch.bfloat16, 2**-5)]
)
def test_blocks_of_the_backward_equal_the_map_in_value_and_gradient(d, dv, dtype, tolerance):
    tensors = inputs(n=450, m=430, d=d, dv=dv, dtype=dtype)  # 3 blocks of queries, 3 of keys
    tensors = [(t.detach() / d**0.25).requires_grad_() for t in tensors]
    wide = [t.detach().double().requires_grad_() for t in tensors]
    y, expected = attend(*tensors), attend(*wide, attention="matmul")
    assert y.dtype == dtype and oracle.distance(y.double(), expected) < tolerance
    pairs = zip(gradients(y, tensors[:3]), gradients(expected, wide[:3]), strict=True)
    for actual, wanted in pairs:
        assert actual.dtype == dtype and oracle.distance(actual.double(), wanted) < tolerance


@pytest.mark.parametrize("n", [2, 300, 301, 1534, 1536])
@pytest.mark.parametrize("d, dv", [(8, 8), (3, 8)])
def test_the_heads_of_one_image_equal_the_map_in_value_and_gradient(n, d, dv):
    tensors = inputs(n=n, m=40, d=d, dv=dv, batch=1)
    y, expected = attend(*tensors), attend(*tensors, attention="matmul")
    assert oracle.distance(y, expected) < 1e-10
    pairs = zip(gradients(y, tensors[:3]), gradients(expected, tensors[:3]), strict=True)
    assert all(oracle.distance(actual, wanted) < 1e-10 for actual, wanted in pairs)


def test_the_backward_takes_no_notice_of_autocast():
    tensors = inputs(n=20, d=3, dv=5, dtype=torch.float32)
    expected = gradients(attend(*tensors), tensors[:3])
    y = attend(*tensors)
    with torch.autocast("cpu", torch.bfloat16):
        actual = gradients(y, tensors[:3])
    assert all(torch.equal(a, e) for a, e in zip(actual, expected, strict=True))


def test_autocast_lets_the_values_decide_where_a_convolution_made_them_alone():
    theta, phi, g, _ = inputs(d=8, dv=4, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        y = attend(theta, phi, g.bfloat16())  # "gaussian" compares x with x, in float32
    assert y.dtype == torch.bfloat16
    y.sum().backward()
    assert theta.grad.dtype == torch.float32 and theta.grad.isfinite().all()


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize("d, dv", [(3, 8), (8, 8)])
def test_a_gradient_for_each_sample(d, dv):
    *tensors, _ = (t.detach() for t in inputs(d=d, dv=dv))
    each = torch.func.grad(lambda *t: attend(*(a[None] for a in t)).square().sum(), (0, 1, 2))
    actual = torch.func.vmap(each)(*tensors)
    tensors = [t.requires_grad_() for t in tensors]
    expected = torch.autograd.grad(attend(*tensors).square().sum(), tensors)
    for a, e in zip(actual, expected, strict=True):
        assert oracle.distance(a, e) < 1e-12


@pytest.mark.parametrize("operand", range(3), ids=["theta", "phi", "g"])
def test_a_map_over_one_operand_warns_of_nothing(operand):
    """torch's search in sorted rows warned of queries that are the same for all."""
    *tensors, w_f = (t.detach() for t in inputs())

    def run(x):
        others = [t[:1] for t in tensors]
        others[operand] = x[None]
        return attend(*others, w_f, pairwise="concatenation")

    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            mapped = torch.func.vmap(run)(tensors[operand])
    finally:
        torch.set_warn_always(False)
    for actual, x in zip(mapped, tensors[operand], strict=True):
        assert oracle.distance(actual, run(x)) < 1e-12


def test_only_what_needs_a_gradient_gets_one():
    theta, phi, g, _ = inputs()
    attend(theta.detach(), phi, g.detach()).sum().backward()
    assert theta.grad is None and g.grad is None and phi.grad.abs().sum() > 0


@pytest.mark.parametrize("attention", ["fused", "chunked"])
@pytest.mark.parametrize("pairwise", PAIRWISE)
@pytest.mark.parametrize("d, dv", [(1, 1), (2, 16), (16, 8)])
def test_no_tensor_of_n_by_n_is_made_forward_or_backward(pairwise, attention, d, dv):
    n = 4096
    tensors = inputs(n=n, m=n, d=d, dv=dv, batch=1, dtype=torch.float32)

    def step():
        y = attend(*tensors, pairwise=pairwise, attention=attention)
        gradients(y, tensors)

    most = largest_tensor(step)
    assert most <= n * n / 16 if attention == "chunked" else most <= n * 64


def test_the_watch_sees_the_map_where_there_is_one():
    tensors = inputs(n=64, m=64, dtype=torch.float32)
    assert largest_tensor(lambda: attend(*tensors, attention="matmul")) == 2 * 64 * 64


@pytest.mark.parametrize("pairwise", PAIRWISE)
def test_many_chunks_equal_one(pairwise, monkeypatch):
    tensors = inputs()
    y = attend(*tensors, pairwise=pairwise, attention="matmul")
    monkeypatch.setattr(
        "nonlocal_tut.pairwise.operation.CHUNK", 2 * 2 * 7
    )  # 2 queries at a time, of 5
    chunked = attend(*tensors, pairwise=pairwise, attention="chunked")
    assert oracle.distance(chunked, y) < 1e-12
    for actual, wanted in zip(gradients(chunked, tensors), gradients(y, tensors), strict=True):
        assert oracle.distance(actual, wanted) < 1e-12


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("pairwise", PAIRWISE)
def test_float32_is_within_1e_5_of_float64(pairwise, attention):
    single = inputs(n=300, m=200, d=8, dv=16, dtype=torch.float32)
    double = [t.detach().double().requires_grad_() for t in single]
    y = attend(*single, pairwise=pairwise, attention=attention)
    expected = attend(*double, pairwise=pairwise, attention="matmul")
    assert oracle.distance(y.double(), expected) < 1e-5
    for actual, wanted in zip(gradients(y, single), gradients(expected, double), strict=True):
        assert oracle.distance(actual.double(), wanted) < 1e-5


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("pairwise", PAIRWISE)
@pytest.mark.parametrize("dtype, tolerance", [(torch.bfloat16, 2**-5), (torch.float16, 2**-8)])
def test_half_precision_to_eight_units_in_the_last_place(pairwise, attention, dtype, tolerance):
    theta, phi, g, w_f = (t.detach() for t in inputs(n=30, m=20, d=4, dv=8, dtype=dtype))
    theta = theta / 2  # logits of about 1, whose rounding a softmax does not magnify
    y = attend(theta, phi, g, w_f, pairwise=pairwise, attention=attention)
    wide = [t.double() for t in (theta, phi, g, w_f)]
    assert y.dtype == dtype
    expected = attend(*wide, pairwise=pairwise, attention="matmul")
    assert oracle.distance(y.double(), expected) < tolerance


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("pairwise, f", [("dot_product", 6 * 6 * 2), ("concatenation", 6 * 4)])
def test_float16_holds_the_mean_where_it_cannot_hold_the_sum(pairwise, f, attention):
    six = torch.full((1, 2048, 2), 6.0, dtype=torch.float16)
    w_f = torch.ones(4, dtype=torch.float16)
    y = attend(six, six, six, w_f, pairwise=pairwise, attention=attention)
    assert f * 6 * 2048 > torch.finfo(torch.float16).max
    assert torch.equal(y, f * six)


@pytest.mark.parametrize("offset", [0.0, 10.0, 1000.0])
def test_sorted_sums_do_not_cancel_when_keys_lie_far_from_zero(offset):
    theta, phi, g, _ = (t.detach() for t in inputs(n=500, m=400, d=1, dtype=torch.float32))
    tensors = [theta - offset, phi + offset, g, torch.ones(2)]
    y = attend(*tensors, pairwise="concatenation")
    double = [t.double() for t in tensors]
    expected = attend(*double, pairwise="concatenation", attention="matmul")
    assert oracle.distance(y.double(), expected) < 1e-6


@pytest.mark.parametrize("attention", ATTENTION)
def test_relu_at_exactly_zero_lets_nothing_through(attention):
    a = torch.tensor([-1.0, 0.0, 1.0, 5.0], dtype=torch.float64).view(1, 4, 1).requires_grad_()
    b = torch.tensor([-1.0, -1.0, 0.0, 1.0], dtype=torch.float64).view(1, 4, 1).requires_grad_()
    g = torch.tensor([1.0, 10.0, 100.0, 1000.0], dtype=torch.float64).view(1, 4, 1)
    w_f = torch.ones(2, dtype=torch.float64)
    y = attend(a, b, g, w_f, pairwise="concatenation", attention=attention)
    assert (4 * y).flatten().tolist() == [0.0, 1000.0, 2100.0, 6544.0]
    d_a, d_b = torch.autograd.grad(4 * y.sum(), [a, b])
    assert d_a.flatten().tolist() == [0.0, 1000.0, 1100.0, 1111.0]
    assert d_b.flatten().tolist() == [1.0, 10.0, 200.0, 3000.0]


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("pairwise", PAIRWISE)
def test_a_nan_in_one_key_reaches_every_query(pairwise, attention):
    theta, phi, g, w_f = (t.detach() for t in inputs())
    phi[0, 3], g[0, 3] = float("nan"), float("nan")
    y = attend(theta, phi, g, w_f, pairwise=pairwise, attention=attention)
    assert y[0].isnan().all() and not y[1].isnan().any()


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("pairwise", PAIRWISE)
def test_an_empty_batch_gives_an_empty_batch(pairwise, attention):
    tensors = inputs(batch=0)
    y = attend(*tensors, pairwise=pairwise, attention=attention)
    assert y.shape == (0, 5, 4)
    assert [g.shape for g in gradients(y, tensors)] == [t.shape for t in tensors]


@pytest.mark.parametrize(
    ("which", "told"),
    [
        (0, "theta must be a tensor (B, N, d), not 3"),
        (1, "phi must be a tensor (B, M, d), not 3"),
        (2, "g must be a tensor (B, M, dv), not 3"),
        (3, "w_f must be a tensor (2d,), not 3"),
    ],
)
def test_an_operand_that_is_no_tensor_is_named(which, told):
    operands = [*inputs()[:3], torch.zeros(6)]
    operands[which] = 3
    with pytest.raises(TypeError, match=f"^{re.escape(told)}$"):
        attend(*operands)


def test_unknown_names_are_errors_that_list_the_known_ones():
    theta, phi, g, _ = inputs()
    with pytest.raises(ValueError, match=r"pairwise must be one of 'gaussian', .* not 'cosine'"):
        attend(theta, phi, g, pairwise="cosine")
    with pytest.raises(ValueError, match=r"attention must be one of 'fused', .* not 'flash'"):
        attend(theta, phi, g, attention="flash")
    with pytest.raises(ValueError, match="pairwise must be one of"):
        affinity(theta, phi, pairwise="cosine")


@pytest.mark.parametrize("attention", ["fused", "chunked", "matmul"])
@pytest.mark.parametrize("d, dv", [(8, 64), (64, 64)])
@pytest.mark.parametrize("size", [1, 10, 30, 100, 300, 1000])
def test_a_gradient_at_large_logits_is_off_by_rounding_of_its_terms(size, d, dv, attention):
    """Beyond logits of some 1e4 a row picks one key, and the terms of its gradient cancel to less
    than their rounding: what is promised is an error small beside the terms, not the sum."""
    theta, phi, g, _ = (t.detach() for t in inputs(300, 300, d, dv, 1, dtype=torch.float32))
    dy = torch.randn(1, 300, dv, generator=torch.Generator().manual_seed(1))
    single = [(size * theta).requires_grad_(), (size * phi).requires_grad_(), g.requires_grad_()]
    double = [t.detach().double().requires_grad_() for t in single]
    found = torch.autograd.grad(attend(*single, attention=attention), single, dy)
    wanted = torch.autograd.grad(attend(*double, attention="matmul"), double, dy.double())
    dp = (dy @ g.mT).abs().max()  # of a term: dp · phi, dp · theta
    logits = (single[0] @ single[1].mT).abs().max()
    rounding = min(2**-11, 2**-24 * logits.item())  # of the logits: any form in float32 has it
    for actual, exact, side in zip(found[:2], wanted, (single[1], single[0]), strict=False):
        term = float((dp * side.abs().max()).detach())
        assert (actual.double() - exact).abs().max() < (2**-20 + rounding) * term
        assert actual.isfinite().all()


def test_an_output_that_is_kept_holds_no_columns_of_padding():
    """Keys of 32 and values of 8 numbers: the CPU's kernel pads the values, and so the output."""
    theta, phi = (torch.randn(1, 10, 32, requires_grad=True) for _ in range(2))
    y = attend(theta, phi, torch.randn(1, 10, 8))
    assert y.shape == (1, 10, 8) and y.untyped_storage().nbytes() == 10 * 8 * 4
