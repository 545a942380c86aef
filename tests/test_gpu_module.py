"""The module on a GPU, against a float64 reference on the CPU: numbers, gradients, bytes, limits.

pytest -m gpu                       on a GPU
pytest -m gpu --gpu-device cpu      tries the tests out without one
"""

import copy
from contextlib import nullcontext

import pytest
import torch
from torch import nn

from nonlocal_tut import NonLocalBlock, SelfAttention2d, memory
from nonlocal_tut.pairwise import ATTENTION, PAIRWISE, attend

pytestmark = pytest.mark.gpu

F64, F32, BF16, F16 = torch.float64, torch.float32, torch.bfloat16, torch.float16
# Of the largest value, or of 1: some thirty roundings in a row. Autocast rounds weights as well.
TOLERANCE = {F32: 3e-5, F16: 1e-2, BF16: 6e-2}
MODES = {
    "float32": (F32, None),
    "float16": (F16, None),
    "bfloat16": (BF16, None),
    "autocast float16": (F32, F16),
    "autocast bfloat16": (F32, BF16),
}
# channels, inner channels, (B, positions…)
SIZES = {
    "usual": (16, 8, (2, 9, 7)),
    "one inner channel": (4, 1, (2, 6, 6)),
    "odd widths": (6, 13, (1, 11, 5)),
    "512 inner channels": (8, 512, (1, 5, 4)),
    "one position": (16, 8, (2, 1, 1)),
    "long": (16, 32, (1, 37, 29)),
    "video": (16, 8, (1, 3, 6, 5)),
    "video, odd": (5, 3, (2, 2, 3, 5)),
}


@pytest.fixture(autouse=True)
def exact_products():
    """No TF32, whose 10 bits would hide an error of ours."""
    kept = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = kept


def random_weights(block, seed=0):
    """Weights that keep what they multiply at its size; a gamma of 1."""
    generator = torch.Generator().manual_seed(seed)
    for name, p in block.named_parameters():
        fan_in = max(1, p[0].numel()) if p.dim() > 1 else 10
        random = torch.randn(p.shape, generator=generator) / fan_in**0.5
        p.data.copy_(torch.ones_like(p) if name == "gamma" else random)
    return block


def step(block, x, gradient, autocast=None):
    """Output and all gradients, that of x first."""
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    cast = nullcontext() if autocast is None else torch.autocast(x.device.type, autocast)
    with cast:
        y = block(x)
    found = torch.autograd.grad(y, [x, *block.parameters()], gradient.to(y.dtype))
    return {"y": y, "x": found[0]} | dict(
        zip((name for name, _ in block.named_parameters()), found[1:], strict=True)
    )


def reference(block, x, gradient):
    """The same step of the same weights in float64, with the matrix, on the CPU."""
    exact = copy.deepcopy(block).to("cpu", F64)
    exact.attention = "matmul"
    return step(exact, x.to("cpu", F64), gradient.to("cpu", F64))


def assert_close(found, expected, tolerance, what):
    """Outputs by their size; gradients by that of the largest: some sums cancel to nothing."""
    largest = max(1.0, *(value.abs().max().item() for value in expected.values()))
    for name, value in found.items():
        scale = max(1.0, expected[name].abs().max().item()) if name == "y" else largest
        off = ((value.detach().to("cpu", F64) - expected[name]).abs().max() / scale).item()
        assert off <= tolerance, f"{what}: {name} is {off:.1e} off, {tolerance:.1e} allowed"


def skip_what_breaks_cpus(device, x, dtype):
    if device == "cpu" and x.dim() == 5 and dtype != F32:
        pytest.skip("oneDNN's gradient of a 16-bit Conv3d can corrupt memory on CPUs with AMX")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pairwise", PAIRWISE)
def test_three_ways_agree_with_the_reference(pairwise, size, mode, device):
    dtype, autocast = MODES[mode]
    channels, inner, (batch, *positions) = SIZES[size]
    torch.manual_seed(0)
    x, gradient = torch.randn(2, batch, channels, *positions).to(device, dtype)
    skip_what_breaks_cpus(device, x, autocast or dtype)
    options = {"dims": len(positions), "pairwise": pairwise, "norm": False, "scale": "sqrt"}
    expected = None
    for attention in ATTENTION:
        block = NonLocalBlock(channels, inner, attention=attention, **options)
        block = random_weights(block).to(device, dtype)
        expected = expected or reference(block, x, gradient)
        found = step(block, x, gradient, autocast)
        assert_close(found, expected, TOLERANCE[autocast or dtype], attention)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("channels", [8, 64, 72])
def test_the_article_s_block_agrees(channels, mode, device):
    dtype, autocast = MODES[mode]
    torch.manual_seed(1)
    x, gradient = torch.randn(2, 2, channels, 12, 11).to(device, dtype)
    expected = None
    for attention in ATTENTION:
        block = random_weights(SelfAttention2d(channels, attention=attention)).to(device, dtype)
        expected = expected or reference(block, x, gradient)
        found = step(block, x, gradient, autocast)
        assert_close(found, expected, TOLERANCE[autocast or dtype], attention)


@pytest.mark.parametrize("subsample", [None, "after", "before"])
@pytest.mark.parametrize("dims", [2, 3])
def test_pooled_keys_and_the_norm_agree(dims, subsample, device):
    torch.manual_seed(2)
    x, gradient = torch.randn(2, 2, 8, *(3, 7, 6)[-dims:]).to(device)
    options = {"dims": dims, "subsample": subsample, "scale": "sqrt"}
    block = random_weights(NonLocalBlock(8, 4, **options)).to(device)
    assert_close(step(block, x, gradient), reference(block, x, gradient), 1e-4, "with its norm")


@pytest.mark.parametrize("pairwise", PAIRWISE)
def test_channels_last_is_the_same(pairwise, device):
    torch.manual_seed(3)
    x, gradient = torch.randn(2, 2, 16, 9, 7).to(device)
    block = random_weights(NonLocalBlock(16, pairwise=pairwise, norm=False)).to(device)
    expected = reference(block, x, gradient)
    last = copy.deepcopy(block).to(memory_format=torch.channels_last)
    x = x.to(memory_format=torch.channels_last)
    assert_close(step(last, x, gradient), expected, TOLERANCE[F32], "channels last")


@pytest.mark.parametrize("name", ["embedded_gaussian", "concatenation", "article"])
def test_compiled_it_is_the_same(name, device):
    torch.manual_seed(4)
    x, gradient = torch.randn(2, 1, 64, 9, 7).to(device)
    article = name == "article"
    block = SelfAttention2d(64) if article else NonLocalBlock(64, pairwise=name, norm=False)
    block = random_weights(block).to(device)
    expected = reference(block, x, gradient)
    torch._dynamo.reset()
    compiled = torch.compile(block, backend="inductor" if device == "cuda" else "aot_eager")
    found = step(compiled, x, gradient)
    found = {key.removeprefix("_orig_mod."): value for key, value in found.items()}
    assert_close(found, expected, TOLERANCE[F32], "compiled")


@pytest.mark.parametrize("dtype", [F32, BF16, F16], ids=str)
@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("name", [*PAIRWISE, "article"])
def test_fused_never_builds_the_matrix(name, training, dtype, device):
    side, channels = (64, 64) if device == "cuda" else (32, 8)

    def make() -> nn.Module:
        if name == "article":
            return SelfAttention2d(channels)
        return NonLocalBlock(channels, pairwise=name)

    shape = (1, channels, side, side)
    report = memory.measure(make, shape, dtype, training=training, device=device)
    matrix = side**4 * dtype.itemsize
    assert 0 < report.requested_bytes < matrix


@pytest.mark.parametrize("dtype, largest", [(F32, 1e6), (BF16, 1e6), (F16, 3e4)], ids=str)
@pytest.mark.parametrize("attention", ATTENTION)
def test_large_logits_have_a_finite_answer(attention, dtype, largest, device):
    torch.manual_seed(5)
    theta, phi, g = (torch.randn(2, 150, 8).to(device) for _ in range(3))
    factor = (largest / (theta @ phi.mT).abs().max()).sqrt()
    leaves = [
        (t * f).to(dtype).requires_grad_() for t, f in ((theta, factor), (phi, factor), (g, 1))
    ]
    y = attend(*leaves, attention=attention)
    assert (leaves[0] @ leaves[1].mT).abs().max() > largest / 3
    gradients = torch.autograd.grad(y.float().square().sum(), leaves)
    assert all(torch.isfinite(t).all() for t in (y, *gradients))
    assert y.abs().max() <= 1.01 * leaves[2].abs().max()  # a mean of values
