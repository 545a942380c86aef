"""What each fused kernel wants of widths, dtype and device; why it refuses, as a sentence, or None.

Read off torch's source (aten/src/ATen/native/transformers: cuda/sdp_utils.cpp and
sdp_utils_cpp.cpp, November 2026). sm is a GPU's compute capability.
"""

import torch

FLOATS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
HALVES = (torch.bfloat16, torch.float16)
NEWEST = (12, 1)  # the last compute capability that the source names


def cpu(d: int, dv: int, dtype: torch.dtype) -> str | None:
    if d != dv:
        return f"all widths must be equal, not {d} and {dv}"
    return None if dtype in FLOATS else f"the CPU's kernel has no {dtype}"


def flash(d: int, dv: int, dtype: torch.dtype, sm: tuple[int, int], training: bool) -> str | None:
    if d != dv:
        return f"all widths must be equal, not {d} and {dv}"
    if d > 256:
        return f"the width must be 256 or less, not {d}"
    if not (8, 0) <= sm <= NEWEST:
        return f"the compute capability must be 8.0 to 12.1, not {sm[0]}.{sm[1]}"
    if training and 192 < d <= 224 and ((8, 6) <= sm <= (8, 9) or sm >= (12, 0)):
        return f"a width of {d} cannot be trained on compute capability {sm[0]}.{sm[1]}"
    return None if dtype in HALVES else f"the dtype must be float16 or bfloat16, not {dtype}"


def efficient(d: int, dv: int, dtype: torch.dtype, sm: tuple[int, int]) -> str | None:
    if not (5, 0) <= sm <= NEWEST:
        return f"the compute capability must be 5.0 to 12.1, not {sm[0]}.{sm[1]}"
    dtypes = (torch.float32, *HALVES) if sm >= (8, 0) else (torch.float32, torch.float16)
    if dtype not in dtypes:
        return f"the dtype must be one of {', '.join(map(str, dtypes))}, not {dtype}"
    multiple = alignment(dtype, sm)
    if d % multiple or dv % multiple:
        return f"widths must be multiples of {multiple}, not {d} and {dv}"
    return None


def alignment(dtype: torch.dtype, sm: tuple[int, int]) -> int:
    """What the efficient kernel's widths must be multiples of: 16 bytes on tensor cores."""
    if sm >= (8, 0):
        return 8 if dtype in HALVES else 4
    return 8 if sm >= (7, 0) and dtype in HALVES else 1


def cudnn(
    d: int,
    dv: int,
    dtype: torch.dtype,
    sm: tuple[int, int],
    training: bool,
    keys: int | None,
    version: int | None,
) -> str | None:
    """keys: how many, None where not known; version: cuDNN's, 91900 for 9.19.0, or None."""
    if not (8, 0) <= sm <= NEWEST:
        return f"the compute capability must be 8.0 to 12.1, not {sm[0]}.{sm[1]}"
    if dtype not in HALVES:
        return f"the dtype must be float16 or bfloat16, not {dtype}"
    version = 90000 if version is None else version
    if version < 90000:
        return f"cuDNN must be 9.0 or newer, not {version}"
    only_warned = torch.is_deterministic_algorithms_warn_only_enabled()
    if torch.are_deterministic_algorithms_enabled() and not only_warned:
        return "it is not deterministic, and deterministic algorithms are asked for"
    newest = sm == (9, 0) or sm[0] == 10
    wide = newest and version > 92200
    if wide:
        most = 256
    else:
        most = 192 if newest and version >= 91100 and (d, dv) == (192, 128) else 128
    if max(d, dv) > most:
        return f"the widths must be {most} or less with this GPU and cuDNN, not {d} and {dv}"
    if wide and training and max(d, dv) > 128 and (d, dv) not in ((192, 128), (256, 256)):
        return f"widths of {d} and {dv} cannot be trained"
    if d % 8 or dv % 8:
        return f"widths must be multiples of 8, not {d} and {dv}"
    return "there must be more than one key" if keys == 1 else None
