"""Which fused kernel `scaled_dot_product_attention` would take, and why not the others.

A replay, in words, of the checks in torch's source (aten/src/ATen/native/transformers: cuda/
sdp_utils.cpp and sdp_utils_cpp.cpp), for dense tensors with no mask and no dropout. torch itself
answers only on the device in question, and falls back to the N×N map without a word.

The CPU's part is held against torch's own choice by the tests. The CUDA part is read, not run: it
is not verified on a GPU. Nor does it cover ROCm, or what a user switched off. See chapter 5, "Can
it be exact without N×N?".
"""

from dataclasses import dataclass

import torch
from torch import Tensor

FLOATS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
HALVES = (torch.bfloat16, torch.float16)
NEWEST = (12, 1)  # the last compute capability that the source names
ASSUMED = (8, 0)  # an A100's, where a GPU is only predicted


@dataclass(frozen=True)
class Choice:
    """backend: "flash", "efficient", "cudnn", or "math", which builds the map.

    reasons: for each kernel that refuses, a sentence that says why. Those not in it would do.
    """

    backend: str
    reasons: dict[str, str]


def fused_backend(
    d: int,
    dv: int,
    dtype: torch.dtype,
    capability: tuple[int, int] | None = None,
    *,
    last_strides: tuple[int, int, int] = (1, 1, 1),
    training: bool = True,
) -> Choice:
    """The kernel for queries and keys d wide and values dv wide; `None` as capability is the CPU.

    capability: a GPU's, (7, 5) for a T4, (8, 0) for an A100, (9, 0) for an H100. last_strides: of
    query, key and value along their width. cuDNN's kernel comes after "math" in the usual order,
    so is never chosen; on 9.0 and 10.x some releases of torch put it first, and then it is the one
    wherever it has no reason against it.
    """
    if capability is None:
        checks = {"flash": _cpu(d, dv, dtype)}
    else:
        checks = {
            "flash": _flash(d, dv, dtype, capability, training),
            "efficient": _efficient(d, dv, dtype, capability),
            "cudnn": _cudnn(d, dv, dtype, capability),
        }
    reasons = {}
    for name, reason in checks.items():
        if reason is None and set(last_strides) != {1}:
            reason = f"the last strides of query, key and value must be 1, not {last_strides}"
        if reason is not None:
            reasons[name] = reason
    usual = [name for name in ("flash", "efficient") if name in checks and name not in reasons]
    return Choice(usual[0] if usual else "math", reasons)


def capability_of(x: Tensor) -> tuple[int, int] | None:
    """The compute capability of x's GPU; None on the CPU, and on the meta device, as the CPU has.

    A prediction for a GPU runs on the meta device and lets `is_cuda` be true there: `ASSUMED`.
    """
    if not x.is_cuda:
        return None
    return ASSUMED if x.is_meta else torch.cuda.get_device_capability(x.device)


def _cpu(d: int, dv: int, dtype: torch.dtype) -> str | None:
    if d != dv:
        return f"all widths must be equal, not {d} and {dv}"
    return None if dtype in FLOATS else f"the CPU's kernel has no {dtype}"


def _flash(d: int, dv: int, dtype: torch.dtype, sm: tuple[int, int], training: bool) -> str | None:
    if d != dv:
        return f"all widths must be equal, not {d} and {dv}"
    if d > 256:
        return f"the width must be 256 or less, not {d}"
    if not (8, 0) <= sm <= NEWEST:
        return f"the compute capability must be 8.0 to 12.1, not {sm[0]}.{sm[1]}"
    if training and 192 < d <= 224 and ((8, 6) <= sm <= (8, 9) or sm >= (12, 0)):
        return f"a width of {d} cannot be trained on compute capability {sm[0]}.{sm[1]}"
    return None if dtype in HALVES else f"the dtype must be float16 or bfloat16, not {dtype}"


def _efficient(d: int, dv: int, dtype: torch.dtype, sm: tuple[int, int]) -> str | None:
    if not (5, 0) <= sm <= NEWEST:
        return f"the compute capability must be 5.0 to 12.1, not {sm[0]}.{sm[1]}"
    if sm >= (8, 0):
        multiple, dtypes = (8 if dtype in HALVES else 4), (torch.float32, *HALVES)
    else:
        tensor_cores = sm >= (7, 0) and dtype in HALVES
        multiple, dtypes = (8 if tensor_cores else 1), (torch.float32, torch.float16)
    if dtype not in dtypes:
        return f"the dtype must be one of {', '.join(map(str, dtypes))}, not {dtype}"
    if d % multiple or dv % multiple:
        return f"widths must be multiples of {multiple}, not {d} and {dv}"
    return None


def _cudnn(d: int, dv: int, dtype: torch.dtype, sm: tuple[int, int]) -> str | None:
    if not (8, 0) <= sm <= NEWEST:
        return f"the compute capability must be 8.0 to 12.1, not {sm[0]}.{sm[1]}"
    if dtype not in HALVES:
        return f"the dtype must be float16 or bfloat16, not {dtype}"
    if max(d, dv) > 128:
        return f"widths above 128 need a newer cuDNN, if that: {d} and {dv}"
    if d % 8 or dv % 8:
        return f"widths must be multiples of 8, not {d} and {dv}"
    return None
