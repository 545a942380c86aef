"""The ways people run modules: exported, traced, checkpointed, on meta, parametrized, saved."""

import copy
import io
import json
import pickle
import subprocess
import sys
from functools import partial

import numpy as np
import oracle
import pytest
import torch
from every import some
from torch import nn
from torch.nn.utils import parametrizations, parametrize
from torch.utils.checkpoint import checkpoint

from nonlocal_tut import NonLocalBlock, SelfAttention2d
from nonlocal_tut.pairwise import ATTENTION, PAIRWISE

pytestmark = pytest.mark.usefixtures("no_small_maps")  # test_small.py has those

NORMS = ["spectral_norm", "weight_norm", "orthogonal"]
KINDS = [*PAIRWISE, "pooled", "SelfAttention2d"]


def made(kind, attention="fused", **more):
    """One of each kind for x (B, 16, H, W), every parameter random, in eval mode."""
    if kind == "SelfAttention2d":
        block = SelfAttention2d(16, attention=attention, **more)
    elif kind == "pooled":
        block = NonLocalBlock(16, subsample="after", attention=attention, **more)
    else:
        block = NonLocalBlock(16, pairwise=kind, attention=attention, **more)
    for i, p in enumerate(block.parameters()):
        p.data = 0.3 * torch.randn(p.shape, generator=torch.Generator().manual_seed(i))
    return block.eval()


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


ONE, ODD, THREE = normal(1, 16, 6, 4), normal(1, 16, 5, 7, seed=1), normal(3, 16, 5, 7, seed=2)


# Graphs


def sides(batch=False):
    dims = {2: torch.export.Dim("h", min=4, max=512), 3: torch.export.Dim("w", min=4, max=512)}
    return dims | ({0: torch.export.Dim("b", min=1, max=64)} if batch else {})


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_export_from_a_batch_of_one_holds_for_odd_sides(kind, strict):
    block = made(kind)
    program = torch.export.export(block, (ONE,), dynamic_shapes=(sides(),), strict=strict)
    for x in (ONE, ODD):
        assert torch.allclose(program.module()(x), block(x), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_export_with_a_dynamic_batch_holds_for_one(kind):
    block, two = made(kind), normal(2, 16, 6, 4)
    program = torch.export.export(block, (two,), dynamic_shapes=(sides(batch=True),))
    for x in (ONE, ODD, THREE):
        assert torch.allclose(program.module()(x), block(x), atol=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("kind", KINDS)
def test_a_trace_from_a_batch_of_one_holds_for_odd_sides(kind, attention, grad):
    block = made(kind, attention)
    with torch.set_grad_enabled(grad):
        traced = torch.jit.trace(block, ONE)
    for x in (ODD, THREE):
        assert torch.allclose(traced(x), block(x), atol=1e-5)


@pytest.mark.parametrize("dynamic", [None, True])
def test_compiled_without_a_graph_break_and_with_odd_sides(dynamic):
    # With dynamic=True a graph takes five times as long: it is captured, for the ones that differ.
    # With None it is taken apart for a backward as well, and the second shape makes sides dynamic.
    kinds, backend = some(KINDS, 2), "aot_eager"
    if dynamic:
        kinds, backend = ("embedded_gaussian", "concatenation", "pooled"), "eager"
    for kind in kinds:
        torch._dynamo.reset()
        block = made(kind)
        compiled = torch.compile(block, backend=backend, fullgraph=True, dynamic=dynamic)
        for x in (ONE, ODD):
            y, expected = compiled(x), block(x)
            assert torch.allclose(y, expected, atol=1e-5)
            found, wanted = (
                torch.autograd.grad(of.sin().sum(), [*block.parameters()]) for of in (y, expected)
            )
            assert all(map(partial(torch.allclose, atol=1e-4), found, wanted))


# Where no gradient is recorded


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["no_grad", "inference_mode", "frozen", "plain"])
def test_values_without_a_gradient_equal_those_with_one(mode, kind, attention, monkeypatch):
    monkeypatch.setattr("nonlocal_tut.pairwise.operation.CHUNK", 3 * 35 * 8)  # 5 chunks
    block = made(kind, attention).double()
    x = THREE.double()
    expected = made(kind, "matmul").double()(x.clone().requires_grad_())
    assert expected.requires_grad
    if mode == "frozen":
        y = block.requires_grad_(False)(x)
    elif mode == "plain":
        y = block(x)
    else:
        with getattr(torch, mode)():
            y = block(x)
    assert oracle.distance(y, expected) < 1e-12
    assert oracle.distance(block(x, return_attention=True)[0], expected) < 1e-12


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", KINDS)
def test_autocast_without_a_gradient(kind, dtype):
    block = made(kind)
    with torch.no_grad(), torch.autocast("cpu", dtype):
        y = block(THREE)
    assert y.dtype == torch.float32 and oracle.distance(y, block(THREE)) < 2**-5


# As a module


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("kind", KINDS)
def test_checkpointing_changes_no_gradient(kind, attention):
    block, x = made(kind, attention), THREE.clone().requires_grad_()
    expected = torch.autograd.grad(block(x).sin().sum(), [x, *block.parameters()])
    for reentrant in (False, True):
        block.zero_grad()
        x.grad = None
        checkpoint(block, x, use_reentrant=reentrant).sin().sum().backward()
        found = [t.grad for t in (x, *block.parameters())]
        assert all(torch.allclose(a, e, atol=1e-5) for a, e in zip(found, expected, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_copies_pickles_and_files_compute_the_same(kind):
    block, file = made(kind), io.BytesIO()
    torch.save(block.state_dict(), file)
    file.seek(0)
    loaded = made(kind)
    loaded.reset_parameters()
    loaded.load_state_dict(torch.load(file, weights_only=True))
    for other in (copy.deepcopy(block), pickle.loads(pickle.dumps(block)), loaded):
        assert torch.equal(other(THREE), block(THREE))


@pytest.mark.parametrize("make", [NonLocalBlock, SelfAttention2d])
def test_device_and_dtype_are_taken_as_torch_s_layers_take_them(make):
    assert all(p.dtype == torch.float64 for p in make(16, dtype=torch.float64).parameters())
    assert nn.utils.skip_init(make, 16)(ONE).shape == ONE.shape
    block = make(16, device="meta").to_empty(device="cpu")
    block.reset_parameters()
    if make is NonLocalBlock:
        block.norm.reset_running_stats()
    assert torch.equal(block(THREE), THREE)


def test_sync_batch_norm_and_a_norm_that_was_folded_away():
    block = nn.SyncBatchNorm.convert_sync_batchnorm(NonLocalBlock(16))
    assert isinstance(block.norm, nn.SyncBatchNorm)
    assert torch.equal(block.eval()(THREE), THREE)
    for gone in (nn.Identity(), None):
        nn.init.normal_(block.w_z.weight)
        block.norm = gone
        assert not torch.equal(block(THREE), THREE)
        block.reset_parameters()
        assert torch.equal(block(THREE), THREE)


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("pairwise", PAIRWISE)
def test_reset_parameters_draws_parametrized_weights_too(pairwise, name, norm):
    block = NonLocalBlock(16, pairwise=pairwise, norm=norm)
    for child in ("theta", "phi", "g", *(["w_z"] if norm else [])):
        if hasattr(block, child):
            getattr(parametrizations, name)(getattr(block, child))
    before = block.g.weight.detach().clone()
    nn.init.constant_(block.g.bias, 7)
    block.reset_parameters()
    assert not torch.equal(block.g.weight, before)
    assert block.g.bias.abs().max() <= 16**-0.5
    assert torch.equal(block(THREE), THREE)
    sagan = SelfAttention2d(16)
    getattr(parametrizations, name)(sagan.query_conv)
    before = sagan.query_conv.weight.detach().clone()
    sagan.reset_parameters()
    assert not torch.equal(sagan.query_conv.weight, before)


class Squared(nn.Module):
    def forward(self, x):
        return x * x


def test_weights_that_cannot_be_drawn_are_named():
    block = NonLocalBlock(16)
    parametrize.register_parametrization(block.g, "weight", Squared())
    with pytest.raises(ValueError, match=r"cannot set g\.weight: no right_inverse"):
        block.reset_parameters()
    block = NonLocalBlock(16)
    nn.utils.spectral_norm(block.phi)
    with pytest.raises(ValueError, match=r"cannot draw phi\.weight, which a hook .* weight_orig"):
        block.reset_parameters()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("name", ["spectral_norm", "weight_norm"])
def test_a_norm_of_a_w_z_of_zeros_is_an_error_and_not_nan(name, old):
    of = getattr(nn.utils if old else parametrizations, name)
    block = NonLocalBlock(16, norm=False)
    of(block.w_z)
    with pytest.raises(ValueError, match=r"w_z is 0 at the start, .* use norm=True"):
        block(THREE)
    block = NonLocalBlock(16)
    of(block.w_z)
    assert torch.equal(block(THREE), THREE)
    block = NonLocalBlock(16, norm=False)
    nn.init.normal_(block.w_z.weight)
    of(block.w_z)
    assert block(THREE).isfinite().all()


def test_scale_takes_numpy_s_numbers_and_no_other_kind():
    assert NonLocalBlock(16, scale=np.float32(0.5)).scale == 0.5
    assert type(NonLocalBlock(16, scale=np.float32(0.5)).scale) is float
    with pytest.raises(ValueError, match="scale must be None, 'sqrt' or a number, not "):
        NonLocalBlock(16, scale=np.array([0.5]))


def test_printing_a_block_shows_its_switches():
    shown = repr(NonLocalBlock(16, scale="sqrt", pairwise="concatenation", subsample="before"))
    line = "16, 8, dims=2, pairwise='concatenation', scale=0.35"
    assert line in shown and "subsample='before', attention='fused'" in shown and "(w_f)" in shown
    assert "16, reduction=4, attention='chunked'; gamma" in repr(
        SelfAttention2d(16, 4, attention="chunked")
    )


# The state dict


def test_a_state_dict_of_another_form_is_refused():
    other = nn.Sequential(nn.ReLU(), NonLocalBlock(16, pairwise="dot_product"))
    mine = nn.Sequential(nn.ReLU(), NonLocalBlock(16))
    state = copy.deepcopy(other.state_dict())
    for strict in (True, False):
        with pytest.raises(RuntimeError, match=r"1\.pairwise is .* saved with pairwise='dot_prod"):
            mine.load_state_dict(state, strict=strict)
    mine.load_state_dict(dict(state))  # on purpose, or from a file without metadata
    other.load_state_dict(state)


@pytest.mark.parametrize(
    "switches", [dict(scale="sqrt"), dict(subsample="after"), dict(attention="chunked")]
)
def test_a_state_dict_moves_between_the_switches_of_one_form(switches):
    NonLocalBlock(16, **switches).load_state_dict(NonLocalBlock(16).state_dict())


def test_hooks_on_w_f_run():
    block, seen = NonLocalBlock(16, pairwise="concatenation"), []
    block.w_f.register_forward_hook(lambda module, args, output: seen.append(output.shape))
    block(THREE).sum().backward()
    assert seen == [(16,)] and block.w_f.weight.grad is not None


# The process


PEAK = """
import json, sys, torch
from nonlocal_tut import NonLocalBlock, SelfAttention2d

def peak():
    lines = open("/proc/self/status")
    return next(int(s.split()[1]) for s in lines if s.startswith("VmHWM")) / 1024

def step(side, training):
    x = torch.randn(1, 64, side, side, requires_grad=True)
    with torch.set_grad_enabled(training):
        y = block(x)
    if training:
        y.sum().backward()

def more(training):
    step(16, training)
    open("/proc/self/clear_refs", "w").write("5")
    before = peak()
    step(96, training)
    return peak() - before

torch.set_num_threads(1)
block = eval(sys.argv[1])
print(json.dumps([more(False), more(True)]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("form", some([*PAIRWISE, "SelfAttention2d"], 2))
def test_the_process_of_chunks_stays_far_below_the_map(form):
    """96×96: one map is 324 MiB, and chunks take some 22 by count."""
    block = f"NonLocalBlock(64, pairwise='{form}', attention='chunked')"
    if form == "SelfAttention2d":
        block = "SelfAttention2d(64, attention='chunked')"
    told = subprocess.run([sys.executable, "-c", PEAK, block], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    for mebibytes in json.loads(told.stdout):  # without a gradient, and with one
        assert 0 < mebibytes < 324 / 3
