"""Small maps: the rule, the same numbers on both sides of it, and the bytes that it promises."""

import math
import subprocess
import sys

import pytest
import torch
from every import some
from torch.utils._python_dispatch import TorchDispatchMode

from nonlocal_tut import NonLocalBlock, SelfAttention2d, blocks, memory
from nonlocal_tut.pairwise import PAIRWISE, attend, operation, small

KINDS = [*PAIRWISE, "pooled after", "pooled before", "no norm", "scaled", "SelfAttention2d"]
PROMISED = 24  # from this side on the bytes are the kernels'


def made(kind, channels=16, attention="fused", **more):
    """A block of a kind, every parameter random."""
    switches = {
        "pooled after": {"subsample": "after"},
        "pooled before": {"subsample": "before"},
        "no norm": {"norm": False},
        "scaled": {"scale": "sqrt"},
    }
    if kind == "SelfAttention2d":
        block = SelfAttention2d(channels, attention=attention, **more)
    else:
        given = switches.get(kind, {"pairwise": kind})
        block = NonLocalBlock(channels, attention=attention, **given, **more)
    for i, p in enumerate(block.parameters()):
        p.data = 0.3 * normal(*p.shape, seed=i, dtype=p.dtype)
    return block


def normal(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def operations(function):
    """The names of what `function` calls."""
    names = set()

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            names.add(func._schema.name)
            return func(*args, **(kwargs or {}))

    with Watch():
        function()
    return names


# --- the rule


def is_small(x, queries, keys, padded=False):
    return small.is_small(x, queries, keys, padded=padded)


def test_the_rule_is_a_bound_on_the_entries_of_an_images_matrix():
    x = torch.zeros(1, 4, 16, 16)
    assert is_small(x, 256, 256) and is_small(x, 1, 2**16)
    assert not is_small(x, 256, 257) and not is_small(x, 256, 257, padded=True)
    assert is_small(x.to("meta"), 256, 256) and is_small(x.double(), 256, 256)
    assert not is_small(x.bfloat16(), 4, 4) and not is_small(x.half(), 4, 4)
    with torch.autocast("cpu"):
        assert not is_small(x, 4, 4)
    assert (PROMISED**2) * (PROMISED // 2) ** 2 > small.SMALL  # pooled keys, too


def test_a_batch_of_matrices_is_bounded_too_and_less_where_the_kernel_pads():
    four, five, many, more = (torch.zeros(b, 1) for b in (4, 5, 16, 17))
    assert is_small(four, 256, 256) and not is_small(five, 256, 256)
    assert is_small(five, 128, 256) and is_small(many, 256, 256, padded=True)
    assert not is_small(more, 256, 256, padded=True)


@pytest.mark.parametrize(
    ("kind", "padded"),
    [("embedded_gaussian", False), ("gaussian", True), ("SelfAttention2d", True)],
)
def test_blocks_say_whether_the_kernel_would_pad(kind, padded, monkeypatch):
    seen = []
    monkeypatch.setattr(blocks, "is_small", lambda *_, padded: seen.append(padded))
    made(kind, dtype=torch.float32)(torch.zeros(1, 16, 4, 4))
    assert seen == [padded]


@pytest.mark.parametrize("width", [8, 5])
def test_attend_says_whether_the_kernel_would_pad(width, monkeypatch):
    seen = []
    monkeypatch.setattr(operation, "is_small", lambda *_, padded: seen.append(padded))
    attend(normal(1, 6, 8), normal(1, 6, 8), normal(1, 6, width))
    assert seen == [width != 8]


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("kind", ["embedded_gaussian", "pooled after", "SelfAttention2d"])
@pytest.mark.parametrize("side", [7, 16, 17, 24])
def test_a_small_map_takes_products_and_a_large_one_the_kernel(kind, side, grad):
    block, x = made(kind, dtype=torch.float32), torch.zeros(1, 16, side, side)
    keys = (side // 2) ** 2 if kind == "pooled after" else side**2
    with torch.set_grad_enabled(grad):
        names = operations(lambda: block(x))
    kernel = "aten::_scaled_dot_product_flash_attention_for_cpu"
    assert (kernel in names) == (side**2 * keys > small.SMALL)
    assert ("aten::bmm" in names) == (side**2 * keys <= small.SMALL)


@pytest.mark.parametrize("shape", [(2, 16, 5), (2, 16, 5, 7), (2, 16, 3, 5, 7)])
@pytest.mark.parametrize("subsample", [None, "after", "before"])
def test_keys_are_counted_as_they_are_pooled(shape, subsample, monkeypatch):
    seen = []
    monkeypatch.setattr(blocks, "is_small", lambda x, n, m, padded: seen.append((n, m)))
    block = NonLocalBlock(16, dims=len(shape) - 2, subsample=subsample)
    _, attention = block(torch.zeros(shape), return_attention=True)
    block(torch.zeros(shape))
    assert seen == [tuple(attention.shape[1:])]


@pytest.mark.parametrize(("d", "n"), [(4, 9), (9, 4)])
def test_a_dot_product_builds_the_smaller_of_its_two_middles(d, n):
    made = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            if func is torch.ops.aten.baddbmm.default:
                made.append(tuple(out.shape))
            return out

    with Watch():
        attend(*(torch.zeros(1, n, d) for _ in range(3)), pairwise="dot_product")
    assert made == [(1, 4, 4)]


def test_a_block_whose_keys_lie_elsewhere_is_never_small():
    block, x = made("SelfAttention2d", dtype=torch.float32), torch.zeros(1, 16, 4, 4)
    called = []
    block.attend = lambda *args, **kwargs: called.append(1) or attend(*args, **kwargs)
    block(x)
    assert called == [1]


# --- the same numbers


def everything(block, x):
    """Output, first derivatives, and those of a penalty on the input's gradient, as one vector."""
    x = x.clone().requires_grad_()
    y = block(x)
    weight = normal(*y.shape, seed=5, dtype=y.dtype)
    leaves = [x, *block.parameters()]
    first = torch.autograd.grad(y, leaves, weight, create_graph=True)
    second = torch.autograd.grad(first[0].square().sum(), leaves, materialize_grads=True)
    with torch.no_grad():
        again = block(x)
    return [t.detach() for t in (y, again, *first, *second)]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_both_sides_of_the_bound_give_the_same_numbers(kind, training, monkeypatch):
    block = made(kind, dtype=torch.float64).train(training)
    x = normal(2, 16, 5, 6, seed=3)
    found = everything(block, x)
    monkeypatch.setattr(small, "SMALL", 0)
    for one, other in zip(found, everything(block, x), strict=True):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("side", [15, 16, 17])
@pytest.mark.parametrize("kind", ["embedded_gaussian", "SelfAttention2d"])
def test_numbers_do_not_jump_at_the_bound(kind, side, dtype, layout):
    block = made(kind, dtype=dtype).eval()
    plain = made(kind, attention="matmul", dtype=torch.float64).eval()
    x = normal(1, 16, side, side).to(memory_format=layout)
    with torch.no_grad():
        apart = (block(x.to(dtype)).double() - plain(x)).abs().max().item()
    assert apart < (1e-4 if dtype == torch.float32 else 1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_functions_of_torch_func_take_small_maps(kind):
    block, x = made(kind, dtype=torch.float64).eval(), normal(3, 1, 16, 3, 4, seed=1)
    each = torch.stack([block(image) for image in x])
    assert torch.allclose(torch.func.vmap(block)(x), each)
    whole, of_one = lambda image: block(image).sin().sum(), x[0]
    expected = torch.autograd.functional.jacobian(whole, of_one)
    assert torch.allclose(torch.func.jacrev(whole)(of_one), expected)


@pytest.mark.parametrize("kind", ["embedded_gaussian", "SelfAttention2d"])
def test_exported_from_a_small_map_it_holds_for_a_large_one(kind):
    block = made(kind, dtype=torch.float32).eval()
    sides = {n: torch.export.Dim(name, min=4, max=64) for n, name in ((2, "h"), (3, "w"))}
    few, many = (normal(1, 16, side, side + 2, dtype=torch.float32) for side in (5, 30))
    program = torch.export.export(block, (few,), dynamic_shapes=(sides,))
    for x in (few, many):
        assert torch.allclose(program.module()(x), block(x), atol=1e-5)


# --- the bytes


def peak(kind, channels, shape, training, attention="fused"):
    return memory.predict(
        lambda: made(kind, channels, attention),
        (*shape[:1], channels, *shape[1:]),
        training=training,
    ).peak_bytes


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("channels", [16, 128])
@pytest.mark.parametrize("kind", some(KINDS, 3))
def test_from_24_on_it_needs_a_tenth_more_than_the_kernel_at_most(
    kind, channels, training, monkeypatch
):
    shapes = [(b, side, side) for b in (1, 2) for side in (PROMISED, 32)]
    found = [peak(kind, channels, shape, training) for shape in shapes]
    monkeypatch.setattr(small, "SMALL", 0)
    for bytes_, shape in zip(found, shapes, strict=True):
        assert bytes_ <= 1.1 * peak(kind, channels, shape, training), shape


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("channels", [16, 64, 512])
@pytest.mark.parametrize("kind", some(KINDS, 3))
def test_on_small_maps_it_needs_no_more_than_the_plain_form(kind, channels, training):
    for shape in [(b, side, side) for b in (1, 2) for side in (3, 7, 16)]:
        mine, plain = (peak(kind, channels, shape, training, a) for a in ("fused", "matmul"))
        assert mine <= plain, shape


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("side", [7, 16, 24, 32])
@pytest.mark.parametrize("kind", ["embedded_gaussian", "pooled after", "SelfAttention2d"])
def test_predicted_bytes_are_measured_on_both_sides(kind, side, training):
    shape, options = (2, 64, side, side), {"training": training, "device": "cpu"}
    predicted = memory.predict(lambda: made(kind, 64), shape, **options)
    measured = memory.measure(lambda: made(kind, 64), shape, **options)
    for name in ("peak_bytes", "forward_peak_bytes", "backward_peak_bytes", "saved_bytes"):
        assert math.isclose(getattr(predicted, name), getattr(measured, name), abs_tol=64), name


# --- the import


def test_import_brings_nothing_heavy_beside_torch():
    code = (
        "import sys, torch; before = set(sys.modules); import nonlocal_tut;"
        "print(*sorted(set(sys.modules) - before))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    brought = told.stdout.split()
    assert "nonlocal_tut.blocks" in brought
    theirs = [name for name in brought if name.split(".")[0] not in ("nonlocal_tut", "torch")]
    assert not [name for name in theirs if not name.startswith("__editable__")]
    heavy = ("torch._dynamo", "torch._inductor", "torch.fx.experimental", "torch.profiler._memory")
    assert not [name for name in brought if name.startswith(heavy)]
    rooms = {name.split(".")[1] for name in brought if name.startswith("nonlocal_tut.")}
    assert rooms == {"arguments", "blocks", "layers", "pairwise"}
