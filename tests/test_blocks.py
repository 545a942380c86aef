"""The two blocks against loops over queries and keys, under every switch, and as modules."""

import math
import os

os.environ.setdefault("KINETO_LOG_LEVEL", "6")

from functools import partial
from itertools import product

import oracle
import pytest
import random_numbers
import torch
from every import some
from random_numbers import awake
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from nonlocal_tut.blocks import NonLocalBlock, SelfAttention2d
from nonlocal_tut.pairwise import ATTENTION, PAIRWISE, small

SHAPES = {1: (2, 6, 5), 2: (2, 6, 2, 3), 3: (2, 6, 2, 2, 3)}  # odd sides, none twice the channels
FACTORS = {None: 1.0, 0.7: 0.7, "sqrt": 3**-0.5}
SUBSAMPLE = (None, "after", "before")
NAMES = [*PAIRWISE, "SelfAttention2d"]
SWITCHES = list(product(PAIRWISE, SUBSAMPLE, (True, False)))


@pytest.fixture(autouse=True, params=[small.SMALL, 0], ids=["small maps", "kernels"])
def either_way(request, monkeypatch):
    """The maps here are small, so each test also runs with the kernels that large ones take."""
    monkeypatch.setattr(small, "SMALL", request.param)


normal = partial(random_numbers.normal, dtype=torch.float32)


def gradients(y, x, block, seed=9):
    """Of a random weighting of y with respect to x and every parameter, as one vector."""
    weight = normal(*y.shape, seed=seed, dtype=y.dtype)
    found = torch.autograd.grad(y, [x, *block.parameters()], weight)
    return torch.cat([g.flatten() for g in found])


def article(block, x):
    """The article's three lines with bmm, in our words."""
    q, k, v = (c(x).flatten(2) for c in (block.query_conv, block.key_conv, block.value_conv))
    attention = torch.bmm(q.transpose(1, 2), k).softmax(dim=-1)  # (B, N, N)
    return block.gamma * torch.bmm(v, attention.transpose(1, 2)).view(x.shape) + x, attention


def blocks(attention="fused"):
    """One of each kind, awake, for x: (B, 16, H, W)."""
    made = [NonLocalBlock(16, pairwise=p, scale="sqrt", attention=attention) for p in PAIRWISE]
    return [awake(block) for block in [*made, SelfAttention2d(16, attention=attention)]]


# The equations


@pytest.mark.parametrize("scale", FACTORS)
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("pairwise, subsample, norm", SWITCHES)
def test_equals_the_loops_under_every_switch(pairwise, subsample, norm, dims, scale):
    switches = dict(pairwise=pairwise, subsample=subsample, norm=norm)
    block = awake(NonLocalBlock(6, 3, dims=dims, scale=scale, **switches).double())
    x = normal(*SHAPES[dims], dtype=torch.float64).requires_grad_()
    parameters = dict(block.named_parameters())
    expected, its_map = oracle.non_local(parameters, x, factor=FACTORS[scale], **switches)
    its_gradients = gradients(expected, x, block)
    for attention in ATTENTION:
        block.attention = attention
        y = block(x)
        assert oracle.distance(y, expected) < 1e-12
        assert oracle.distance(gradients(y, x, block), its_gradients) < 1e-12
    y, attention_map = block(x, return_attention=True)
    assert oracle.distance(y, expected) < 1e-12
    assert oracle.distance(attention_map, its_map) < 1e-12
    assert oracle.distance(gradients(y, x, block), its_gradients) < 1e-12


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("reduction", [3, 4, 12])
def test_self_attention_equals_the_loops_and_the_article(reduction, attention):
    block = awake(SelfAttention2d(12, reduction, attention=attention).double())
    x = normal(2, 12, 2, 3, dtype=torch.float64).requires_grad_()
    expected, its_map = oracle.self_attention(dict(block.named_parameters()), x)
    its_gradients = gradients(expected, x, block)
    y, attention_map = block(x, return_attention=True)
    for actual in (y, block(x), article(block, x)[0]):
        assert oracle.distance(actual, expected) < 1e-12
        assert oracle.distance(gradients(actual, x, block), its_gradients) < 1e-12
    for actual in (attention_map, article(block, x)[1]):
        assert oracle.distance(actual, its_map) < 1e-12


def test_eval_mode_takes_the_running_statistics():
    block = awake(NonLocalBlock(6).double())
    block.norm.running_mean.copy_(normal(6, seed=5))
    block.norm.running_var.copy_(normal(6, seed=6).square() + 0.5)
    x = normal(2, 6, 2, 3, dtype=torch.float64)
    bare = NonLocalBlock(6, norm=False).double()
    bare.load_state_dict(block.state_dict(), strict=False)
    z = bare(x) - x  # (B, C, H, W): what the norm is given
    mean, var = (v.view(6, 1, 1) for v in (block.norm.running_mean, block.norm.running_var))
    weight, bias = (v.view(6, 1, 1) for v in (block.norm.weight, block.norm.bias))
    expected = x + (z - mean) / (var + 1e-5).sqrt() * weight + bias
    assert oracle.distance(block.eval()(x), expected) < 1e-12


@pytest.mark.parametrize("pairwise", ["gaussian", "embedded_gaussian"])
@pytest.mark.parametrize("subsample", SUBSAMPLE)
def test_rows_of_the_map_sum_to_one(pairwise, subsample):
    block = awake(NonLocalBlock(6, pairwise=pairwise, subsample=subsample))
    _, attention = block(normal(2, 6, 5, 4), return_attention=True)
    assert attention.shape == (2, 20, 4 if subsample else 20)
    assert torch.allclose(attention.sum(dim=-1), torch.ones(2, 20))


@pytest.mark.parametrize("attention", ATTENTION)
def test_moving_the_positions_moves_the_output_alike(attention):
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    x = normal(2, 16, 5, 4)
    moved = x.flatten(2)[:, :, order].view(x.shape)
    for block in blocks(attention):
        y = block(x).flatten(2)[:, :, order].view(x.shape)
        assert torch.allclose(block(moved), y, atol=1e-5)


def test_a_scale_of_zero_is_a_scale():
    block = awake(NonLocalBlock(6, scale=0.0))
    _, attention = block(normal(2, 6, 5, 4), return_attention=True)
    assert torch.allclose(attention, torch.full((2, 20, 20), 1 / 20))


def test_time_is_not_pooled_but_attended_to():
    block = awake(NonLocalBlock(6, dims=3, subsample="after"))
    _, attention = block(normal(1, 6, 5, 4, 2), return_attention=True)
    assert attention.shape == (1, 5 * 4 * 2, 5 * 2 * 1)


@pytest.mark.parametrize("norm", [True, False])
def test_gradcheck(norm):
    block = awake(NonLocalBlock(2, 2, norm=norm).double())
    x = normal(2, 2, 1, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(block, x)
    assert torch.autograd.gradcheck(awake(SelfAttention2d(2, 1).double()), x)


# The start


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("pairwise, subsample, norm", SWITCHES)
def test_is_the_identity_bit_for_bit_at_initialization(pairwise, subsample, norm, dims, training):
    block = NonLocalBlock(6, dims=dims, pairwise=pairwise, subsample=subsample, norm=norm)
    x = normal(*SHAPES[dims])
    x[0, 0] *= 1e-40  # numbers that are easily flushed to zero
    for attention in ATTENTION:
        block.attention = attention
        y = block.train(training)(x)
        assert torch.equal(y.view(torch.int32), x.view(torch.int32))
    assert torch.equal(block(-0.0 * x), -0.0 * x)


@pytest.mark.parametrize("attention", ATTENTION)
def test_self_attention_is_the_identity_bit_for_bit_at_initialization(attention):
    x = normal(2, 16, 5, 3)
    y = SelfAttention2d(16, attention=attention)(x)
    assert torch.equal(y.view(torch.int32), x.view(torch.int32))


def receiving(block, x):
    """The names of the parameters whose gradient is not zero."""
    y = block(x)
    y.backward(normal(*y.shape, seed=4))
    return {n for n, p in block.named_parameters() if p.grad is not None and p.grad.any()}


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("pairwise", PAIRWISE)
def test_what_receives_gradient_at_the_first_step(pairwise, attention):
    x = normal(2, 16, 5, 3)
    switches = dict(pairwise=pairwise, attention=attention)
    assert receiving(NonLocalBlock(16, **switches), x) == {"norm.weight", "norm.bias"}
    assert receiving(NonLocalBlock(16, norm=False, **switches), x) == {"w_z.weight", "w_z.bias"}
    assert receiving(SelfAttention2d(16, attention=attention), x) == {"gamma"}


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("pairwise", PAIRWISE)
def test_every_weight_receives_gradient_at_the_second_step(pairwise, norm):
    block, x = NonLocalBlock(16, pairwise=pairwise, norm=norm), normal(2, 16, 5, 3)
    assert torch.equal(block(x), x)
    receiving(block, x)
    torch.optim.SGD(block.parameters(), lr=0.1).step()
    block.zero_grad()
    weights = {n for n, _ in block.named_parameters() if n.endswith("weight")}
    assert weights <= receiving(block, x)


def test_reset_parameters_brings_the_identity_back():
    x = normal(2, 16, 5, 3)
    for block in blocks():
        assert not torch.equal(block(x), x)
        block.reset_parameters()
        assert torch.equal(block(x), x)


# The state dict


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("pairwise", PAIRWISE)
def test_the_state_dict_has_the_same_names_and_shapes_under_every_switch(pairwise, dims):
    ones = (1,) * dims
    convs = {"theta": (3, 6), "phi": (3, 6), "g": (3, 6), "w_z": (6, 3)}
    if pairwise == "gaussian":
        del convs["theta"], convs["phi"]
    expected = {f"{n}.weight": (*s, *ones) for n, s in convs.items()}
    expected |= {f"{n}.bias": s[:1] for n, s in convs.items()}
    if pairwise == "concatenation":
        expected["w_f.weight"] = (1, 6, *ones)
    names = ("weight", "bias", "running_mean", "running_var")
    normed = {f"norm.{n}": (6,) for n in names} | {"norm.num_batches_tracked": ()}
    switches = product(SUBSAMPLE, (None, 0.5, "sqrt"), ATTENTION, (True, False))
    for subsample, scale, attention, norm in switches:
        block = NonLocalBlock(
            6,
            dims=dims,
            pairwise=pairwise,
            scale=scale,
            subsample=subsample,
            attention=attention,
            norm=norm,
        )
        shapes = {n: tuple(t.shape) for n, t in block.state_dict().items()}
        assert shapes == (expected | normed if norm else expected)


def test_the_state_dict_of_self_attention_is_the_article_s():
    shapes = {n: tuple(t.shape) for n, t in SelfAttention2d(64).state_dict().items()}
    assert shapes == {
        "query_conv.weight": (8, 64, 1, 1),
        "query_conv.bias": (8,),
        "key_conv.weight": (8, 64, 1, 1),
        "key_conv.bias": (8,),
        "value_conv.weight": (64, 64, 1, 1),
        "value_conv.bias": (64,),
        "gamma": (1,),
    }


# Number formats and layouts


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("dtype, tolerance", [(torch.bfloat16, 2**-5), (torch.float16, 2**-8)])
def test_half_precision_and_autocast(dtype, tolerance, attention):
    x = normal(2, 16, 5, 4)
    for block in blocks(attention):
        expected = block(x)
        with torch.autocast("cpu", dtype):
            y = block(x)
        assert y.dtype == torch.float32
        assert oracle.distance(y, expected) < tolerance
        y.sum().backward()
        block, half = block.to(dtype), x.to(dtype).requires_grad_()
        y = block(half)
        y.sum().backward()
        assert y.dtype == half.grad.dtype == dtype and half.grad.isfinite().all()
        assert oracle.distance(y.float(), expected) < tolerance


@pytest.mark.parametrize("attention", ATTENTION)
def test_the_scale_multiplies_before_float16_overflows(attention):
    block = NonLocalBlock(64, 32, scale="sqrt", norm=False, attention=attention).half()
    for conv in (block.theta, block.phi):  # every entry of theta and phi is 50
        nn.init.zeros_(conv.weight)
        nn.init.constant_(conv.bias, 50.0)
    nn.init.normal_(block.w_z.weight, generator=torch.Generator().manual_seed(0))
    x = normal(1, 64, 3, 4).half()
    y, attention_map = block(x, return_attention=True)
    assert 50 * 50 * 32 > torch.finfo(torch.float16).max > 50 * 50 * 32**0.5
    assert torch.allclose(attention_map.float(), torch.full((1, 12, 12), 1 / 12), rtol=1e-3)
    assert y.isfinite().all() and block(x).isfinite().all()


@pytest.mark.parametrize("attention", ATTENTION)
def test_the_memory_format_is_kept(attention):
    x = normal(2, 16, 5, 4)
    for block in blocks(attention):
        last = block(x.to(memory_format=torch.channels_last))
        assert block(x).is_contiguous()
        assert last.is_contiguous(memory_format=torch.channels_last)
        assert torch.allclose(last, block(x), atol=1e-5)
    video = normal(2, 6, 3, 4, 5).to(memory_format=torch.channels_last_3d)
    y = awake(NonLocalBlock(6, dims=3))(video)
    assert y.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize("attention", ATTENTION)
def test_inputs_that_are_not_contiguous(attention):
    base = normal(2, 8, 32, 10)
    x = base.transpose(1, 2)[:, ::2, :, ::2]  # (2, 16, 8, 5)
    for block in blocks(attention):
        assert torch.allclose(block(x), block(x.contiguous()), atol=1e-5)


# Sizes


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("sides", [(1, 1), (1, 7), (5, 3), (17, 2)])
def test_any_sides_will_do(sides, attention):
    x = normal(2, 16, *sides).requires_grad_()
    for block in blocks(attention):
        y, attention_map = block(x, return_attention=True)
        assert y.shape == x.shape and attention_map.shape == (2, y[0, 0].numel(), y[0, 0].numel())
        assert torch.allclose(block(x), y, atol=1e-5)


@pytest.mark.parametrize("subsample", ["after", "before"])
def test_an_odd_last_row_and_column_are_left_out_of_the_keys(subsample):
    block, x = awake(NonLocalBlock(6, norm=False, subsample=subsample)), normal(2, 6, 5, 7)
    changed = x.clone()
    changed[:, :, 4, :] += 1
    changed[:, :, :, 6] += 1
    assert torch.equal(block(changed)[:, :, :4, :6], block(x)[:, :, :4, :6])


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("subsample", SUBSAMPLE)
def test_an_empty_batch_gives_an_empty_batch_and_changes_nothing(subsample, attention):
    for pairwise in PAIRWISE:
        block = NonLocalBlock(16, pairwise=pairwise, subsample=subsample, attention=attention)
        x = torch.empty(0, 16, 5, 4, requires_grad=True)
        block(x).sum().backward()
        assert block(x).shape == x.shape
        assert all(v.isfinite().all() for v in block.state_dict().values())
        assert all(p.grad is None or not p.grad.any() for p in block.parameters())
    assert SelfAttention2d(16, attention=attention)(x).shape == x.shape


def test_seven_channels_have_enough_with_a_smaller_reduction():
    x = normal(2, 7, 5, 4)
    assert awake(SelfAttention2d(7, reduction=7))(x).shape == x.shape


# What is refused


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(dims=4), r"dims must be one of 1, 2, 3, not 4"),
        (dict(pairwise="softmax"), r"pairwise must be one of 'gaussian', .* not 'softmax'"),
        (dict(subsample=True), r"subsample must be one of None, 'after', 'before', not True"),
        (dict(norm="batch"), r"norm must be one of True, False, not 'batch'"),
        (dict(attention="flash"), r"attention must be one of 'fused', .* not 'flash'"),
        (dict(scale="cosine"), r"scale must be None, 'sqrt' or a number, not 'cosine'"),
        (dict(scale=True), r"scale must be .* not True"),
        (dict(inner_channels=0), r"inner_channels must be 1 or more, not 0; channels=6"),
        (dict(channels=1), r"inner_channels must be 1 or more, not 0; channels=1"),
    ],
)
def test_an_unknown_switch_is_an_error_that_names_it(arguments, message):
    with pytest.raises(ValueError, match=message):
        NonLocalBlock(**{"channels": 6, **arguments})


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(attention="flash"), r"attention must be one of 'fused', .* not 'flash'"),
        (dict(channels=7), r"reduction must be 1 … channels, not reduction=8 with channels=7"),
        (dict(reduction=0), r"reduction must be 1 … channels, not reduction=0 with channels=64"),
    ],
)
def test_self_attention_refuses_what_it_cannot_build(arguments, message):
    with pytest.raises(ValueError, match=message):
        SelfAttention2d(**{"channels": 64, **arguments})


def test_a_misspelled_argument_is_an_error():
    with pytest.raises(TypeError, match="sub_sample"):
        NonLocalBlock(64, sub_sample=True)


def test_a_wrong_input_is_an_error_that_shows_its_shape():
    with pytest.raises(ValueError, match=r"x must be \(B, C, H, W\) for dims=2, not \(6, 5, 4\)"):
        NonLocalBlock(6)(torch.zeros(6, 5, 4))
    with pytest.raises(ValueError, match=r"x must be \(B, C, T, H, W\) .* not \(2, 6, 5, 4\)"):
        NonLocalBlock(6, dims=3)(torch.zeros(2, 6, 5, 4))
    with pytest.raises(ValueError, match=r"x must have 6 channels, not 7: \(2, 7, 5, 4\)"):
        NonLocalBlock(6)(torch.zeros(2, 7, 5, 4))
    with pytest.raises(ValueError, match=r"x must be \(B, C, H, W\) .* not \(16, 5, 4\)"):
        SelfAttention2d(16)(torch.zeros(16, 5, 4))
    with pytest.raises(ValueError, match=r"x must have 16 channels, not 8: \(2, 8, 5, 4\)"):
        SelfAttention2d(16)(torch.zeros(2, 8, 5, 4))


@pytest.mark.parametrize("subsample", ["after", "before"])
@pytest.mark.parametrize("shape", [(2, 6, 1), (2, 6, 1, 8), (2, 6, 8, 1), (2, 6, 4, 1, 8)])
def test_a_side_of_one_cannot_be_pooled(subsample, shape):
    block = NonLocalBlock(6, dims=len(shape) - 2, subsample=subsample)
    with pytest.raises(ValueError, match=f"sides of 2 .* subsample='{subsample}', not .*") as error:
        block(torch.zeros(shape))
    assert str(error.value).endswith(str(shape))
    assert NonLocalBlock(6, dims=3, subsample=subsample)(torch.zeros(2, 6, 1, 2, 2)).shape[2] == 1


# Graphs and bytes


# With the kernels, test_ways.py has them.
@pytest.mark.parametrize("either_way", [small.SMALL], ids=["small maps"], indirect=True)
@pytest.mark.parametrize("attention", ATTENTION)
def test_export(attention):
    # An upper end, because torch 2.6 takes "any batch" for one that must also hold 2**63 - 1.
    b, h, w = (torch.export.Dim(name, min=2, max=4096) for name in "bhw")
    x, other = normal(2, 16, 6, 4), normal(3, 16, 5, 7)
    for block in blocks(attention) if attention == "fused" else blocks(attention)[1:2]:
        sizes = ({0: b, 2: h, 3: w},)
        program = torch.export.export(block.eval(), (x,), dynamic_shapes=sizes).module()
        for image in (x, other):
            assert torch.allclose(program(image), block(image), atol=1e-6)


@pytest.mark.parametrize("either_way", [small.SMALL], ids=["small maps"], indirect=True)
@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.compiles
def test_compile_in_one_graph(attention):
    for block in blocks(attention) if attention == "fused" else blocks(attention)[1:2]:
        torch._dynamo.reset()
        compiled = torch.compile(block, backend="aot_eager", fullgraph=True)
        x = normal(2, 16, 5, 4).requires_grad_()
        y, expected = compiled(x), block(x)
        assert torch.allclose(y, expected, atol=1e-6)
        assert torch.allclose(gradients(y, x, block), gradients(expected, x, block), atol=1e-5)


def peak_bytes(function):
    """The most bytes alive at once beyond what was alive before, by the profiler's events."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        function()
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    live = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    return peak


@pytest.fixture
def one_thread():
    """The CPU's kernel has scratch for every thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


MIB = 2**20
IMAGE, BATCH = (1, 64, 96, 96), (2, 64, 32, 32)


def training_bytes(block, shape):
    """Of forward and backward, beyond the input, the output's gradient and the parameters."""
    x, gradient = normal(*shape).requires_grad_(), normal(*shape, seed=1)

    def step():
        y = block(x)
        y.backward(gradient)
        assert y.shape == shape  # y stays alive to the end, as in a network

    return peak_bytes(step)


@pytest.mark.parametrize("index", range(5), ids=NAMES)
def test_training_at_64_by_64_takes_a_fraction_of_one_map(index):
    x = normal(1, 16, 64, 64).requires_grad_()
    one_map = 4 * 4096 * 4096
    assert peak_bytes(lambda: blocks("fused")[index](x).sum().backward()) < one_map / 10
    assert peak_bytes(lambda: blocks("chunked")[index](x).sum().backward()) < one_map / 3
    assert peak_bytes(lambda: blocks("matmul")[index](x)) > one_map


@pytest.mark.parametrize(
    "block, shape, most",
    [
        (NonLocalBlock(64, 32), BATCH, 5.6),
        (NonLocalBlock(64), IMAGE, 19),
        (NonLocalBlock(64, pairwise="dot_product"), IMAGE, 14),
        (NonLocalBlock(64, pairwise="gaussian"), IMAGE, 19),
        (NonLocalBlock(64, pairwise="concatenation"), IMAGE, 64),
        (SelfAttention2d(64), IMAGE, 18),
    ],
    ids=["batch", "embedded_gaussian", "dot_product", "gaussian", "concatenation", "sagan"],
)
def test_training_stays_within_its_bytes(block, shape, most, one_thread):
    assert training_bytes(block, shape) < most * MIB


def test_inference_stays_within_its_bytes(one_thread):
    block, x = NonLocalBlock(64, 32), normal(*BATCH)
    with torch.no_grad():
        assert peak_bytes(lambda: block(x)) < 2.1 * MIB


@pytest.mark.parametrize("either_way", [0], ids=["kernels"], indirect=True)  # both are large
@pytest.mark.parametrize("index", some(range(5), 2), ids=some(NAMES, 2))
def test_bytes_grow_as_the_positions_do(index, one_thread):
    """On 8 images, and from 48×48 on: on less, what does not depend on N counts (see below)."""
    block = [*(NonLocalBlock(64, pairwise=p) for p in PAIRWISE), SelfAttention2d(64)][index]
    small, large = (training_bytes(block, (8, 64, side, side)) for side in (48, 64))
    assert abs(math.log(large / small) / math.log(64**2 / 48**2) - 1) < 0.05


@pytest.mark.parametrize("index", some(range(5), 2), ids=some(NAMES, 2))
def test_what_does_not_depend_on_the_positions_adds_a_fifth_at_most(index, one_thread):
    """For one image. The slope from 32×32 to 192×192 is a target of the bench."""
    block = [*(NonLocalBlock(64, pairwise=p) for p in PAIRWISE), SelfAttention2d(64)][index]
    share = [training_bytes(block, (1, 64, side, side)) / side**2 for side in (32, 64, 96)]
    assert all(1 / 1.2 < small / share[2] < 1.2 for small in share)


@pytest.mark.parametrize("block", [NonLocalBlock(16), SelfAttention2d(16)], ids=["paper", "sagan"])
def test_the_meta_device_and_a_dispatch_mode_see_a_step(block):
    class Count(TorchDispatchMode):
        operations = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.operations += 1
            return func(*args, **(kwargs or {}))

    x = torch.empty(2, 16, 20, 20, device="meta", requires_grad=True)
    with Count() as count:
        block.to("meta")(x).sum().backward()
    assert count.operations > 20 and x.grad.shape == x.shape


def test_convolutions_run_as_modules_once_each():
    for block in blocks():
        named = dict(block.named_children())
        if "w_f" in named:  # read when the rows are there
            named = {n: named[n] for n in ("theta", "phi", "g", "w_f", "w_z", "norm") if n in named}
        seen = []
        for child in block.children():
            child.register_forward_hook(lambda module, *_, seen=seen: seen.append(module))
        block(normal(2, 16, 5, 4).requires_grad_()).sum().backward()
        assert seen == list(named.values())
