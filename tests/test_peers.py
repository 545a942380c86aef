"""Our block against the blocks of mmcv, SlowFast, PyTorchVideo and timm as they are installed.

    pip install --no-deps -r requirements-peers.txt

A missing package skips its tests; with REQUIRE_PEERS=1 in the environment it fails them.
"""

import functools
import importlib
import importlib.util
import itertools
import os
import sys
import types
from pathlib import Path

import pytest
import torch

from nonlocal_tut.convert import from_peer
from nonlocal_tut.layouts import LAYOUTS

C, INNER = 16, 8
SIDES = {1: (11,), 2: (5, 6), 3: (3, 4, 6)}


@functools.cache
def peer(module):
    """Import one module of a package, and not all that the packages above it would import."""
    *parents, _ = module.split(".")
    found = importlib.util.find_spec(parents[0])
    if found is None:
        say = pytest.fail if os.environ.get("REQUIRE_PEERS") else pytest.skip
        say(f"{parents[0]} is missing: pip install --no-deps -r requirements-peers.txt")
    folder = Path(found.submodule_search_locations[0]).parent
    for parent in itertools.accumulate(parents, "{}.{}".format):
        if parent not in sys.modules:
            sys.modules[parent] = types.ModuleType(parent)
            sys.modules[parent].__path__ = [str(folder.joinpath(*parent.split(".")))]
    return importlib.import_module(module)


def mmcv(dims, mode, sub_sample, normed):
    block = getattr(peer("mmcv.cnn.bricks.non_local"), f"NonLocal{dims}d")
    norm_cfg = {"type": f"BN{dims}d"} if normed else None
    return block(C, mode=mode, sub_sample=sub_sample, norm_cfg=norm_cfg)


def slowfast(pool_size, instantiation):
    return peer("slowfast.models.nonlocal_helper").Nonlocal(C, INNER, pool_size, instantiation)


def pytorchvideo(**options):
    create = peer("pytorchvideo.layers.nonlocal_net").create_nonlocal
    return create(dim_in=C, dim_inner=INNER, **options)


def timm(channels=C, **options):
    with pytest.MonkeyPatch.context() as patch:
        if importlib.util.find_spec("torchvision") is None:  # timm imports one class, unused here
            for name in ("torchvision", "torchvision.ops", "torchvision.ops.misc"):
                patch.setitem(sys.modules, name, types.ModuleType(name))
            sys.modules["torchvision.ops.misc"].FrozenBatchNorm2d = torch.nn.BatchNorm2d
        return peer("timm.layers.non_local_attn").NonLocalAttn(channels, **options)


def assert_same(layout, theirs, **changes):
    """Outputs, gradients of the input and running statistics, in evaluation and in training."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    theirs = theirs.double()
    for tensor in theirs.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(0.5 * normal(*tensor.shape))
    for name, tensor in theirs.named_buffers():
        if name.endswith("running_var"):
            tensor.abs_().add_(0.5)

    switches = LAYOUTS[layout].switches(C) | changes
    ours = LAYOUTS[layout].block(C, **switches).double()
    ours.load_state_dict(from_peer(theirs.state_dict(), layout), strict=True)

    x = normal(2, C, *SIDES[switches.get("dims", 2)]).requires_grad_()
    for train in (False, True):
        out, expected = ours.train(train)(x), theirs.train(train)(x)
        assert (expected - x).abs().max() > 0.1
        torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)
        if (layout, switches.get("pairwise")) != ("mmcv", "concatenation"):
            weight = normal(*x.shape)
            grads = [torch.autograd.grad(y, x, weight)[0] for y in (out, expected)]
            torch.testing.assert_close(*grads, rtol=0, atol=1e-12)
    after = from_peer(theirs.state_dict(), layout)
    for key, tensor in ours.state_dict().items():
        torch.testing.assert_close(tensor, after[key], rtol=0, atol=1e-12)


@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.parametrize("sub_sample", [False, True])
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("mode", LAYOUTS["mmcv"].pairwise)
def test_mmcv(dims, mode, sub_sample, normed):
    """Of its concatenation, whose backward pass raises an error, the outputs alone."""
    assert_same(
        "mmcv",
        mmcv(dims, mode, sub_sample, normed),
        dims=dims,
        pairwise=mode,
        scale="sqrt" if mode == "embedded_gaussian" else None,
        subsample="after" if sub_sample else None,
        norm=normed,
    )


FORMS = [("softmax", {}), ("dot_product", {"pairwise": "dot_product", "scale": None})]
POOLS = [(None, None), ((1, 2, 2), "before")]


@pytest.mark.parametrize("pool_size, subsample", POOLS)
@pytest.mark.parametrize("form, changes", FORMS)
def test_slowfast(form, changes, pool_size, subsample):
    assert_same("slowfast", slowfast(pool_size, form), subsample=subsample, **changes)


@pytest.mark.parametrize("norm", [torch.nn.BatchNorm3d, None])
@pytest.mark.parametrize("pool_size, subsample", POOLS)
@pytest.mark.parametrize("form, changes", FORMS)
def test_pytorchvideo(form, changes, pool_size, subsample, norm):
    block = pytorchvideo(pool_size=pool_size, instantiation=form, norm=norm)
    assert_same("pytorchvideo", block, subsample=subsample, norm=norm is not None, **changes)


@pytest.mark.parametrize("options, changes", [({}, {}), ({"use_scale": False}, {"scale": None})])
def test_timm(options, changes):
    assert_same("timm", timm(**options), **changes)


@pytest.mark.parametrize(
    "layout, build",
    [
        ("mmcv", lambda: peer("mmcv.cnn.bricks.non_local").NonLocal2d(C)),
        ("slowfast", lambda: slowfast([1, 2, 2], "softmax")),
        ("pytorchvideo", lambda: pytorchvideo()),
        ("timm", lambda: timm()),
    ],
)
def test_the_switches_are_the_peers_defaults(layout, build):
    assert_same(layout, build())


def test_the_inner_width_of_timm_is_followed():
    for channels in (*range(1, 300, 7), 96, 512, 1024):
        width = timm(channels).t.out_channels
        assert LAYOUTS["timm"].switches(channels)["inner_channels"] == width, channels
