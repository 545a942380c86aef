"""What real kernels return and the meta device does not know: memory formats, and one dtype."""

from typing import Any

import torch
from torch import Tensor

LOW = (torch.float16, torch.bfloat16)
LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


def memory_format(t: Tensor) -> torch.memory_format:
    """Channels last, as a transposed (B, N, C) is, or the ordinary one. B = 1 counts as ordinary.

    Raises nothing: a tensor that is neither is treated as the ordinary one, as torch does.
    """
    last = LAST.get(t.dim())
    ordinary = last is None or t.shape[0] == 1 or t.is_contiguous()
    return torch.contiguous_format if ordinary or not t.is_contiguous(memory_format=last) else last


def as_made(name: str, args: tuple, out: Any, device: str) -> Any:
    """An operation's outputs as the kernels of `device` lay them out.

    - A convolution and a batch norm keep their input's memory format, and so do their gradients.
    - The CPU's batch norm keeps its statistics in the dtype of its input, not in float32.
    """
    if name == "convolution":
        return out.contiguous(memory_format=memory_format(args[0]))
    if name in ("convolution_backward", "native_batch_norm_backward") and out[0] is not None:
        return (out[0].contiguous(memory_format=memory_format(args[1])), *out[1:])
    if name == "native_batch_norm":
        low = device == "cpu" and args[0].dtype in LOW
        statistics = (s.to(args[0].dtype) for s in out[1:]) if low else out[1:]
        return (out[0].contiguous(memory_format=memory_format(args[0])), *statistics)
    return out
