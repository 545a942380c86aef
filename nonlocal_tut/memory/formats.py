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
    if last is None or t.shape[0] == 1 or t.is_contiguous():
        return torch.contiguous_format
    return last if t.is_contiguous(memory_format=last) else torch.contiguous_format


def wanted_format(x: Tensor, device: str) -> torch.memory_format:
    """In which a convolution of x works. The CPU's 3-D convolutions know the ordinary one alone."""
    return torch.contiguous_format if device == "cpu" and x.dim() == 5 else memory_format(x)


def as_made(name: str, args: tuple[Any, ...], out: Any, device: str) -> Any:
    """An operation's outputs as the kernels of `device` lay them out.

    - A convolution, a batch norm and a resizing keep their input's memory format, and so do the
      gradients of the first two. (For one image torch's own answer depends on how it came about.)
    - The CPU's batch and layer norms keep their statistics in 16 bits, not in float32, where input
      and weights are of 16 bits.
    """
    if name == "convolution" and device == "cpu" and args[6] and out.dim() == 5:
        return _in_storage_of(args[0], out)
    if name == "convolution":
        return out.contiguous(memory_format=wanted_format(args[0], device))
    if name == "convolution_backward" and out[0] is not None:
        return (out[0].contiguous(memory_format=wanted_format(args[1], device)), *out[1:])
    if name == "native_batch_norm_backward" and out[0] is not None:
        return (out[0].contiguous(memory_format=memory_format(args[1])), *out[1:])
    if name.startswith(("upsample", "_upsample")) and not name.endswith("backward"):
        return out.contiguous(memory_format=memory_format(args[0]))
    if name in ("native_batch_norm", "native_layer_norm"):
        weight = args[1 if name == "native_batch_norm" else 2]
        low = {t.dtype for t in (args[0], weight) if t is not None} <= {*LOW} and device == "cpu"
        y, *statistics = out
        if name == "native_batch_norm":
            y = y.contiguous(memory_format=memory_format(args[0]))
        return (y, *(s.to(y.dtype) if low else s for s in statistics))
    if name in ("mse_loss", "smooth_l1_loss", "binary_cross_entropy") and device == "cpu":
        return _in_storage_of(args[0], out)
    return out


def _in_storage_of(x: Tensor, out: Tensor) -> Tensor:
    """Made as large as x, and resized: the CPU's transposed 3-D convolution, a loss's mean."""
    if x.numel() <= out.numel():
        return out.contiguous()
    return out.new_empty(x.numel())[: out.numel()].view(out.shape)
