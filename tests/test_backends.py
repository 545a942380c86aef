"""Which fused kernel would take what: the CPU's part against torch, CUDA's against its source."""

from contextlib import contextmanager
from itertools import product

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from nonlocal_tut import SelfAttention2d, memory, pairwise
from nonlocal_tut.memory.stand_in import RunsAs
from nonlocal_tut.pairwise import operation
from nonlocal_tut.pairwise.backends import (
    HALVES,
    TURNED_OFF,
    Gpu,
    assuming,
    capability_of,
    cudnn_here,
    dtype_in_kernel,
    fused_backend,
    taken_widths,
)


@pytest.fixture(autouse=True)
def a_torch_without_cudnn(monkeypatch):
    """A build for CUDA answers with its own cuDNN's version, and so with another kernel."""
    monkeypatch.setattr("torch.backends.cudnn.version", lambda: None)


F16, BF16, F32, F64 = torch.float16, torch.bfloat16, torch.float32, torch.float64
T4, V100, A100, RTX3090, L4, H100, RTX5090 = (7, 5), (7, 0), (8, 0), (8, 6), (8, 9), (9, 0), (12, 0)
B200 = (10, 0)
pytestmark = pytest.mark.usefixtures("no_small_maps")

NEW = {"torch_version": "2.11.0+cu130", "cudnn_version": 91900}


@contextmanager
def deterministic(**options):
    torch.use_deterministic_algorithms(True, **options)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("dtype", [F16, BF16, F32, F64])
@pytest.mark.parametrize("d, dv", [(8, 8), (8, 64), (3, 3), (64, 32), (300, 300)])
def test_on_the_cpu_it_says_what_torch_chooses(d, dv, dtype):
    for strided in product((False, True), repeat=3):
        q, k, v = (
            torch.zeros(2, 1, w, 5, dtype=dtype).mT
            if across
            else torch.zeros(2, 1, 5, w, dtype=dtype)
            for w, across in zip((d, d, dv), strided, strict=True)
        )
        strides = tuple(t.stride(-1) for t in (q, k, v))
        choice = fused_backend(d, dv, dtype, last_strides=strides)
        chosen = torch._fused_sdp_choice(q, k, v, scale=1.0)  # 0: math, 1: flash
        assert choice.backend == {0: "math", 1: "flash"}[chosen]
        assert (choice.backend == "math") == bool(choice.reasons)


@pytest.mark.parametrize(
    "d, dv, dtype, capability, backend",
    [
        (32, 32, F32, T4, "efficient"),
        (32, 32, F16, T4, "efficient"),
        (32, 32, BF16, T4, "math"),
        (32, 32, F64, A100, "math"),
        (32, 32, F32, A100, "efficient"),
        (32, 32, BF16, A100, "flash"),
        (32, 32, F16, RTX5090, "flash"),
        (32, 32, F16, (13, 0), "math"),
        (8, 64, F32, T4, "efficient"),  # SelfAttention2d(64)
        (8, 64, F32, H100, "efficient"),
        (8, 64, BF16, H100, "efficient"),
        (3, 5, F32, T4, "efficient"),
        (3, 5, F32, A100, "math"),
        (4, 12, F32, A100, "efficient"),
        (4, 12, BF16, A100, "math"),
        (4, 4, F16, V100, "math"),
        (4, 4, F16, (6, 1), "efficient"),
        (4, 4, BF16, A100, "flash"),
        (256, 256, BF16, A100, "flash"),
        (264, 264, BF16, A100, "efficient"),
        (200, 200, BF16, A100, "flash"),
        (200, 200, BF16, L4, "efficient"),
        (200, 200, BF16, RTX3090, "efficient"),
        (200, 200, BF16, RTX5090, "efficient"),
    ],
)
def test_on_cuda_it_says_what_the_source_says(d, dv, dtype, capability, backend):
    assert fused_backend(d, dv, dtype, capability).backend == backend


@pytest.mark.parametrize(
    "d, dv, dtype, capability, backend",
    [
        (8, 64, BF16, H100, "cudnn"),  # SelfAttention2d(64): nothing is padded
        (32, 32, F16, B200, "cudnn"),
        (128, 128, BF16, (10, 3), "cudnn"),
        (8, 64, F32, H100, "efficient"),
        (4, 4, BF16, H100, "flash"),
        (4, 12, BF16, H100, "math"),
        (136, 136, BF16, H100, "flash"),
        (192, 128, BF16, H100, "cudnn"),
        (128, 192, BF16, H100, "efficient"),
        (192, 128, BF16, A100, "efficient"),
        (8, 64, BF16, A100, "efficient"),
        (32, 32, BF16, L4, "flash"),
        (32, 32, BF16, RTX5090, "flash"),
    ],
)
def test_a_new_cudnn_comes_first_on_hopper_and_blackwell(d, dv, dtype, capability, backend):
    assert fused_backend(d, dv, dtype, capability, **NEW).backend == backend


@pytest.mark.parametrize(
    "torch_version, cudnn_version, first",
    [
        ("2.11", 91501, True),
        ("2.10.1", 91900, True),
        ("2.15.0a0+git1234", 92600, True),
        ("2.11", 91500, False),
        ("2.9.1", 91900, False),
    ],
)
def test_old_versions_keep_the_usual_order(torch_version, cudnn_version, first):
    versions = {"torch_version": torch_version, "cudnn_version": cudnn_version}
    backend = fused_backend(32, 32, BF16, H100, **versions).backend
    assert backend == ("cudnn" if first else "flash")


@pytest.mark.parametrize(
    "d, dv, training, backend",
    [
        (256, 256, True, "cudnn"),
        (192, 128, True, "cudnn"),
        (160, 160, True, "flash"),
        (160, 160, False, "cudnn"),
        (200, 64, True, "efficient"),
        (264, 264, False, "efficient"),
    ],
)
def test_the_newest_cudnn_takes_up_to_256_and_trains_less(d, dv, training, backend):
    wide = {"torch_version": "2.15", "cudnn_version": 92300}
    assert fused_backend(d, dv, BF16, H100, training=training, **wide).backend == backend
    assert "128 or less" in fused_backend(d, dv, BF16, A100, **wide).reasons["cudnn"] or d <= 192


def test_cudnn_steps_back_for_one_key_for_determinism_and_when_told(monkeypatch):
    def choice(**more):
        return fused_backend(32, 32, BF16, H100, **NEW, **more)

    assert choice(keys=2).backend == "cudnn" and choice(keys=1).backend == "flash"
    assert "more than one key" in choice(keys=1).reasons["cudnn"]
    with deterministic():
        assert choice().backend == "flash" and "deterministic" in choice().reasons["cudnn"]
    with deterministic(warn_only=True):
        assert choice().backend == "cudnn"
    monkeypatch.setenv(TURNED_OFF, "1")
    assert choice().backend == "flash" and "cudnn" not in choice().reasons
    monkeypatch.setenv(TURNED_OFF, "0")
    assert choice().backend == "cudnn"


def test_versions_are_those_here_or_those_assumed(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91900)
    monkeypatch.setattr(torch, "__version__", "2.11.0")
    assert fused_backend(8, 64, BF16, H100).backend == "cudnn"
    with assuming(Gpu(H100, cudnn=91002)):
        assert fused_backend(8, 64, BF16, H100).backend == "efficient"

    def no_gpu():
        raise ValueError("min() iterable argument is empty")

    monkeypatch.setattr(torch.backends.cudnn, "version", no_gpu)
    assert cudnn_here() is None and fused_backend(8, 64, BF16, H100).backend == "efficient"


@pytest.mark.parametrize(
    "gpu, dtype, operation",
    [
        (Gpu(H100), BF16, "_scaled_dot_product_cudnn_attention"),
        (Gpu(H100), F32, "_scaled_dot_product_efficient_attention"),
        (Gpu(A100), BF16, "_scaled_dot_product_efficient_attention"),
        (Gpu(T4), F16, "_scaled_dot_product_efficient_attention"),
        (Gpu(T4), BF16, None),
    ],
)
def test_a_prediction_takes_the_kernel_of_its_gpu(gpu, dtype, operation):
    with assuming(gpu):
        report = memory.predict(lambda: SelfAttention2d(64), (1, 64, 9, 8), dtype, device="cuda")
    found = {a.operation for a in report.timeline if a.operation.endswith("_attention")}
    assert found == ({operation} if operation else set())


def test_nothing_is_padded_that_a_kernel_takes_as_it_is():
    assert taken_widths(8, 64, BF16) == (8, 64)  # a C/8 block
    assert taken_widths(12, 96, F32) == (12, 96) and taken_widths(12, 96, BF16) == (16, 96)
    assert taken_widths(1, 1, F32) == (4, 4)


def test_autocast_decides_what_the_kernel_sees(monkeypatch):
    x = torch.zeros(1)
    assert dtype_in_kernel(x) == F32
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: device == "cuda")
    monkeypatch.setattr(torch, "get_autocast_dtype", lambda device: F16)
    assert dtype_in_kernel(x) == F16 and dtype_in_kernel(x.double()) == F64


@pytest.mark.parametrize("dynamic", [False, True])
def test_the_choice_compiles_into_one_graph(dynamic, monkeypatch):
    monkeypatch.setattr(operation, "capability_of", lambda _: H100)
    compiled = torch.compile(pairwise.attend, fullgraph=True, backend="eager", dynamic=dynamic)
    theta, phi, g = torch.randn(3, 1, 5, 6)
    assert torch.allclose(compiled(theta, phi, g), pairwise.attend(theta, phi, g), atol=1e-5)


def test_a_wide_head_that_cannot_be_trained_can_be_run():
    assert fused_backend(200, 200, BF16, L4, training=False).backend == "flash"


def test_a_gpu_that_is_newer_than_the_source_is_refused():
    for kernel in ("flash", "efficient", "cudnn"):
        assert "to 12.1, not 12.2" in fused_backend(8, 8, F16, (12, 2), **NEW).reasons[kernel]
        assert "to 12.1" not in fused_backend(8, 8, F16, (12, 1), **NEW).reasons.get(kernel, "")


def test_a_version_that_is_none_is_named():
    with pytest.raises(ValueError, match=r"torch_version must be as \"2\.11\", not 'new'"):
        fused_backend(8, 8, F16, H100, torch_version="new")


def test_reasons_are_sentences_with_the_numbers_in_them():
    reasons = fused_backend(8, 60, F32, T4, last_strides=(1, 1, 9)).reasons
    assert reasons["flash"] == "all widths must be equal, not 8 and 60"
    assert reasons["efficient"].endswith("must be 1, not (1, 1, 9)")
    assert reasons["cudnn"] == "the compute capability must be 8.0 to 12.1, not 7.5"
    assert "dtype must be float16 or bfloat16" in fused_backend(8, 8, F32, A100).reasons["flash"]
    assert fused_backend(8, 64, BF16, H100).reasons.keys() == {"flash"}
    assert "not 12 and 12" in fused_backend(12, 12, BF16, H100).reasons["cudnn"]


@pytest.mark.parametrize("d, dv", [(1, 1), (8, 64), (3, 5), (64, 32)])
@pytest.mark.parametrize("dtype", [F16, BF16, F32, F64])
@pytest.mark.parametrize("capability", [T4, A100, L4, H100])
def test_attend_hands_a_gpu_only_what_a_kernel_takes(d, dv, dtype, capability, monkeypatch):
    seen = []

    def kernel(q, k, v, scale):
        strides = tuple(t.stride(-1) for t in (q, k, v))
        widths = q.shape[-1], v.shape[-1]
        seen.append(fused_backend(*widths, dtype, capability, last_strides=strides))
        return q.sum(dim=-1, keepdim=True) + v[..., :1, :]  # a gradient, and the shape

    monkeypatch.setattr(operation, "capability_of", lambda _: capability)
    monkeypatch.setattr("torch.nn.functional.scaled_dot_product_attention", kernel)
    theta, phi, g = (torch.zeros(2, w, 5, dtype=dtype).mT for w in (d, d, dv))
    y = pairwise.attend(theta, phi, g.requires_grad_())
    none = dtype == F64 or (dtype == BF16 and capability == T4)
    assert y.shape == (2, 5, dv)
    assert len(seen) == (0 if none else 1)
    assert all(choice.backend != "math" for choice in seen)
    if dtype in HALVES and d == dv and capability != T4:
        assert seen[0].backend == "flash"


@pytest.mark.parametrize("dtype, capability", [(F64, H100), (BF16, T4)])
def test_a_gpu_without_a_kernel_computes_the_same(dtype, capability, monkeypatch):
    monkeypatch.setattr(operation, "capability_of", lambda _: capability)
    draw = torch.Generator().manual_seed(2)
    theta, phi, g = (torch.randn(2, n, 5, generator=draw).to(dtype) for n in (6, 4, 4))
    p = (theta.double() @ phi.double().mT).softmax(dim=-1)  # (B, N, M): over keys, not queries
    y = pairwise.attend(theta, phi, g)
    torch.testing.assert_close(y.double(), p @ g.double(), rtol=0, atol=16 * torch.finfo(dtype).eps)


class Called(TorchDispatchMode):
    """The names of the operations that ran while it was entered."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.append(function._schema.name.split("::")[1])
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("d, dv", [(8, 64), (32, 32)])
def test_a_prediction_for_a_gpu_runs_the_gpu_s_kernel_and_none_of_the_cpu_s(d, dv):
    theta, phi, g = (torch.empty(1, 16, w, device="meta", requires_grad=True) for w in (d, d, dv))
    with RunsAs("cuda"), Called() as called:
        pairwise.attend(theta, phi, g).sum().backward()
    kernel = "_scaled_dot_product_efficient_attention"  # flash and cuDNN have no float32
    attention = [name for name in called.names if "attention" in name]
    assert attention == [kernel, f"{kernel}_backward"]


def test_attention_is_fused_if_nobody_says_otherwise():
    theta = torch.zeros(1, 8, 4)
    with Called() as called:
        pairwise.attend(theta, theta, theta)
    assert "_scaled_dot_product_flash_attention_for_cpu" in called.names


def test_a_tensor_of_the_cpu_and_of_no_device_has_the_cpu_s_kernel():
    assert capability_of(torch.zeros(1)) is None
    assert capability_of(torch.zeros(1, device="meta")) is None
