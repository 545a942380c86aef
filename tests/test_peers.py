"""Our blocks against the blocks of other packages as they are installed.

    pip install --no-deps -r requirements-peers.txt

A missing package skips its tests; with REQUIRE_PEERS=1 in the environment it fails them.
"""

import os

import pytest
import torch

from bench import peers
from bench.contestants import everyone
from bench.same import CLOSE, difference
from nonlocal_tut.convert import LAYOUTS, from_peer

C, INNER = 16, 8
SIDES = {1: (11,), 2: (5, 6), 3: (3, 4, 6)}


def built(make, *args, **options):
    """A peer's block, or what becomes of a test without its package."""
    try:
        return make(*args, **options)
    except peers.Missing as error:
        say = pytest.fail if os.environ.get("REQUIRE_PEERS") else pytest.skip
        say(str(error))


def mmcv(dims, mode, sub_sample, normed):
    norm_cfg = {"type": f"BN{dims}d"} if normed else None
    return built(peers.mmcv, C, dims, mode=mode, sub_sample=sub_sample, norm_cfg=norm_cfg)


def slowfast(pool_size, form):
    return built(peers.slowfast, C, INNER, pool_size, form)


def pytorchvideo(**options):
    return built(peers.pytorchvideo, C, INNER, **options)


def timm(channels=C, **options):
    return built(peers.timm, channels, **options)


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
        ("mmcv", lambda: built(peers.mmcv, C)),
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


PEERS = {c.name: c for c in everyone() if c.kind == "peer"}


@pytest.mark.parametrize("name", PEERS)
def test_the_bench_compares_like_with_like(name):
    """torchgan's block, which is meant to be SAGAN's, is the one that computes something else."""
    peer, ours = PEERS[name], next(c for c in everyone() if c.name == PEERS[name].like)
    built(peer.make)
    assert (difference(peer, ours) <= CLOSE) == (name != "torchgan")


def test_torchgan_normalizes_over_queries():
    block = built(peers.torchgan, C)
    block.return_attn = True
    _, attention = block(torch.randn(1, C, 4, 4, generator=torch.Generator().manual_seed(0)))
    over_keys, over_queries = attention.sum(1), attention.sum(2)  # y_i is Σ_j value_j map[j, i]
    assert (over_queries - 1).abs().max() < 1e-5
    assert (over_keys - 1).abs().max() > 0.05
