"""Which fused kernel `scaled_dot_product_attention` would take, and why not the others.

A replay of the order in which torch asks its kernels (`conditions` has what each wants), for dense
tensors with no mask and no dropout. torch itself answers only on the device in question, and falls
back to the N×N matrix without a word.

The CPU's part is held against torch's own choice by the tests. The CUDA part is read, not run,
until a GPU's file says otherwise (`make gpu`). It covers neither ROCm nor what a user switched
off. See chapter 5, "Can it be exact without the N×N matrix?".
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor

from nonlocal_tut.arguments import instance, is_whole, one_of, said, whole
from nonlocal_tut.pairwise.conditions import HALVES, cpu, cudnn, efficient, flash

CUDNN_FIRST = (2, 10), 91501  # since when of torch, and of cuDNN: 9.15.1
TURNED_OFF = "TORCH_CUDNN_SDPA_DEPRIORITIZED"  # the variable that puts cuDNN's kernel last again


@dataclass(frozen=True)
class Choice:
    """backend: "flash", "efficient", "cudnn", or "math", which builds the matrix.

    reasons: for each kernel that refuses, a sentence that says why. Those not in it would do.
    """

    backend: str
    reasons: dict[str, str]


@dataclass(frozen=True)
class Gpu:
    """What decides about kernels where a GPU is only predicted; cudnn as in 91900 for 9.19.0."""

    capability: tuple[int, int]
    torch: str = "2.11"
    cudnn: int | None = 91900  # what torch 2.11 brings for CUDA 13


_assumed: ContextVar[Gpu | None] = ContextVar("_assumed", default=None)
ASSUMED = Gpu((8, 0))  # an A100, where nobody says which GPU is predicted


@contextmanager
def assuming(gpu: Gpu) -> Iterator[None]:
    """Predictions are for this GPU meanwhile, with these versions."""
    token = _assumed.set(gpu)
    try:
        yield
    finally:
        _assumed.reset(token)


def predicted_gpu() -> Gpu:
    """The GPU that a prediction is for: what `assuming` says, else an A100."""
    return _assumed.get() or ASSUMED


def fused_backend(
    d: int,
    dv: int,
    dtype: torch.dtype,
    capability: tuple[int, int] | None = None,
    *,
    last_strides: tuple[int, int, int] = (1, 1, 1),
    training: bool = True,
    keys: int | None = None,
    torch_version: str | None = None,
    cudnn_version: int | None = None,
) -> Choice:
    """The kernel for queries and keys d wide and values dv wide; `None` as capability is the CPU.

    capability: a GPU's, (7, 5) for a T4, (8, 0) for an A100, (9, 0) for an H100. last_strides: of
    query, key and value along their width. keys: how many there are, where it is known.
    torch_version, cudnn_version: as "2.11" and as 91900 for 9.19.0; None: those here.

    On 9.0 and 10.x cuDNN's kernel comes first from torch 2.10 on with a cuDNN newer than 9.15.0,
    unless the environment has TORCH_CUDNN_SDPA_DEPRIORITIZED=1. Elsewhere it comes after "math",
    so is never chosen. Where there is no cuDNN here either, its version is not held against it,
    and it does not come first. Raises ValueError or TypeError for an argument of another kind.
    """
    _checked(d, dv, dtype, capability, last_strides)
    one_of("training", training, (True, False))
    if keys is not None:
        whole("keys", keys, 1)
    if cudnn_version is not None:
        whole("cudnn_version", cudnn_version, 1)
    first = False
    if capability is None:
        checks = {"flash": cpu(d, dv, dtype)}
    else:
        release, version = _versions(torch_version, cudnn_version)
        first = _cudnn_is_first(capability, release, version)
        checks = {
            "flash": flash(d, dv, dtype, capability, training),
            "efficient": efficient(d, dv, dtype, capability),
            "cudnn": cudnn(d, dv, dtype, capability, training, keys, version),
        }
    reasons = {}
    for name, reason in checks.items():
        if reason is None and set(last_strides) != {1}:
            reason = f"the last strides of query, key and value must be 1, not {last_strides}"
        if reason is not None:
            reasons[name] = reason
    order = ("cudnn", "flash", "efficient") if first else ("flash", "efficient")
    usual = [name for name in order if name in checks and name not in reasons]
    return Choice(usual[0] if usual else "math", reasons)


def _checked(d: int, dv: int, dtype: torch.dtype, capability: object, strides: object) -> None:
    whole("d", d, 1)
    whole("dv", dv, 1)
    instance("dtype", dtype, torch.dtype, "one of torch's")
    for name, value, count in ("capability", capability, 2), ("last_strides", strides, 3):
        fits = isinstance(value, (tuple, list)) and len(value) == count
        if value is None and name == "capability":
            continue
        if not fits or not all(map(is_whole, value)):  # type: ignore[call-overload]
            raise ValueError(f"{name} must be {count} integers, not {said(value)}")


def taken_widths(d: int, dv: int, dtype: torch.dtype) -> tuple[int, int]:
    """The narrowest widths, from d and dv up, that every GPU's kernels take as they are.

    16 bytes: multiples of 8 in 16 bits, where flash takes others and pads them itself, and of 4 in
    float32, where a T4 would take others; but a width of 1 can have any stride.
    """
    multiple = 8 if dtype in HALVES else 4
    return multiple * -(-d // multiple), multiple * -(-dv // multiple)


def has_a_kernel(dtype: torch.dtype, capability: tuple[int, int]) -> bool:
    """Whether any fused kernel of a GPU takes this dtype; each takes widths of 8."""
    return flash(8, 8, dtype, capability, True) is None or (
        efficient(8, 8, dtype, capability) is None
    )


def dtype_in_kernel(x: Tensor) -> torch.dtype:
    """x's dtype, or that to which a GPU's autocast casts it before the kernel sees it."""
    cast = torch.is_autocast_enabled("cuda") and x.dtype != torch.float64
    return torch.get_autocast_dtype("cuda") if cast else x.dtype


def capability_of(x: Tensor) -> tuple[int, int] | None:
    """The compute capability of x's GPU; None on the CPU, and on the meta device, as the CPU has.

    A prediction for a GPU runs on the meta device and lets `is_cuda` be true there: that GPU's.
    """
    if not x.is_cuda:
        return None
    if x.is_meta:
        return predicted_gpu().capability
    return torch.cuda.get_device_capability(x.device)


def gpu_here() -> Gpu:
    """The GPU of this process, and the versions beside it."""
    return Gpu(torch.cuda.get_device_capability(), torch.__version__, cudnn_here())


def cudnn_here() -> int | None:
    """cuDNN's version as 91900 for 9.19.0; None where torch has none, or no GPU to load it for."""
    try:
        version: int | None = torch.backends.cudnn.version()
        return version
    except (RuntimeError, ValueError):  # a build for CUDA without a GPU, or two cuDNN at once
        return None


def _versions(
    torch_version: str | None, cudnn_version: int | None
) -> tuple[tuple[int, int], int | None]:
    gpu = _assumed.get() or Gpu((0, 0), torch.__version__, None)
    told = gpu.torch if torch_version is None else torch_version
    numbers = re.match(r"(\d+)\.(\d+)", told) if isinstance(told, str) else None
    if numbers is None:
        raise ValueError(f'torch_version must be as "2.11", not {said(told)}')
    cudnn_version = cudnn_version or gpu.cudnn or cudnn_here()
    return (int(numbers[1]), int(numbers[2])), cudnn_version


def _cudnn_is_first(sm: tuple[int, int], release: tuple[int, int], cudnn: int | None) -> bool:
    since, newer = CUDNN_FIRST
    wanted = os.environ.get(TURNED_OFF) != "1"
    return wanted and sm[0] in (9, 10) and release >= since and (cudnn or 0) >= newer
