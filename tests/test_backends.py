"""Which fused kernel would take what: the CPU's part against torch, CUDA's against its source."""

from itertools import product

import pytest
import torch

from nonlocal_tut import pairwise
from nonlocal_tut.pairwise import operation
from nonlocal_tut.pairwise.backends import HALVES, capability_of, fused_backend

F16, BF16, F32, F64 = torch.float16, torch.bfloat16, torch.float32, torch.float64
T4, V100, A100, RTX3090, L4, H100, RTX5090 = (7, 5), (7, 0), (8, 0), (8, 6), (8, 9), (9, 0), (12, 0)


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
    ],
)
def test_on_cuda_it_says_what_the_source_says(d, dv, dtype, capability, backend):
    assert fused_backend(d, dv, dtype, capability).backend == backend


def test_a_wide_head_that_cannot_be_trained_can_be_run():
    assert fused_backend(200, 200, BF16, L4, training=False).backend == "flash"


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


def test_a_tensor_of_the_cpu_and_of_no_device_has_the_cpu_s_kernel():
    assert capability_of(torch.zeros(1)) is None
    assert capability_of(torch.zeros(1, device="meta")) is None
