"""What operations allocate inside themselves and do not return: the copies that nobody names.

A dispatch mode sees what goes into an operation and what comes out of it. These rows say what is
made and dropped in between, for the operations of this book's blocks; they were read off the
profiler and PyTorch's source, and tests hold them against the profiler. Operations that are known
to need some memory of a size that we cannot tell are in `UNKNOWN`. See chapter 4, "Which copy does
nobody name?".
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nonlocal_tut.memory.formats import LOW, memory_format


@dataclass
class Hidden:
    """One allocation inside an operation: what it is, its shape and dtype."""

    what: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    less: int = 0  # bytes of the operation's outputs that do not exist yet beside it

    @property
    def bytes(self) -> int:
        return torch.Size(self.shape).numel() * self.dtype.itemsize - self.less


Row = Callable[[tuple, Any], Iterator[Hidden]]


def _copy(of: Tensor, what: str) -> Hidden:
    return Hidden(f"contiguous copy of {what}", tuple(of.shape), of.dtype)


def softmax(args: tuple, out: Tensor) -> Iterator[Hidden]:
    if not args[0].is_contiguous():
        yield _copy(args[0], "the scores in softmax")


def softmax_backward(args: tuple, out: Tensor) -> Iterator[Hidden]:
    for tensor, name in zip(args, ("the gradient", "the map"), strict=False):
        if not tensor.is_contiguous():
            yield _copy(tensor, f"{name} in softmax's backward")


def convolution(args: tuple, out: Tensor) -> Iterator[Hidden]:
    if not args[0].is_contiguous(memory_format=memory_format(args[0])):
        yield _copy(args[0], "the input in a convolution")


def convolution_backward(args: tuple, out: tuple[Tensor | None, ...]) -> Iterator[Hidden]:
    grad, x = args[:2]
    wanted = memory_format(x)
    if not x.is_contiguous(memory_format=wanted):
        yield _copy(x, "the input in a convolution's backward")
    if not grad.is_contiguous(memory_format=wanted):
        yield _copy(grad, "the gradient in a convolution's backward")


def convolution_backward_cpu(args: tuple, out: tuple[Tensor | None, ...]) -> Iterator[Hidden]:
    """The copies above, or what the bias's sum needs before there is a gradient of the weight."""
    copies = list(convolution_backward(args, out))
    _, weight, bias = out
    if bias is not None:
        later = 0 if weight is None else weight.numel() * weight.element_size()
        in_sum = list(_sum_over_all_but_channels(args[0], "a convolution's", later))
        if sum(h.bytes for h in in_sum) > sum(h.bytes for h in copies):
            copies = in_sum
    yield from copies


def batch_norm_backward_cpu(args: tuple, out: tuple[Tensor | None, ...]) -> Iterator[Hidden]:
    grad, x = args[:2]
    if grad.is_contiguous(memory_format=memory_format(x)):
        yield Hidden("x's gradient, made twice in batch norm's backward", tuple(x.shape), x.dtype)
        return
    yield Hidden("a sum in batch norm's backward", (x.shape[1],), x.dtype)
    yield from _sum_over_all_but_channels(grad, "batch norm's")


def _sum_over_all_but_channels(grad: Tensor, whose: str, less: int = 0) -> Iterator[Hidden]:
    """In 16 bits it sums a float32 copy, unless the sides that it sums over lie side by side."""
    if grad.dtype in LOW and grad.shape[0] > 1 and grad.is_contiguous():
        yield Hidden(f"a sum in {whose} backward", (grad.shape[1],), torch.float32)
        what = f"float32 copy of the gradient in {whose} backward"
        yield Hidden(what, tuple(grad.shape), torch.float32, less)


def pool_backward(args: tuple, out: Tensor) -> Iterator[Hidden]:
    if not args[0].is_contiguous(memory_format=memory_format(args[1])):
        yield _copy(args[0], "the gradient in a pool's backward")


EVERYWHERE: dict[str, Row] = {
    "_softmax": softmax,
    "_softmax_backward_data": softmax_backward,
    "convolution": convolution,
    "convolution_backward": convolution_backward,
    "max_pool2d_with_indices_backward": pool_backward,
    "max_pool3d_with_indices_backward": pool_backward,
}
ROWS: dict[str, dict[str, Row]] = {
    "cuda": EVERYWHERE,
    "cpu": EVERYWHERE
    | {
        "convolution_backward": convolution_backward_cpu,
        "native_batch_norm_backward": batch_norm_backward_cpu,
    },
}

FUSED = "scratch inside the fused attention kernel"
UNKNOWN = {
    "_scaled_dot_product_flash_attention_for_cpu": FUSED,
    "_scaled_dot_product_flash_attention": FUSED,
    "_scaled_dot_product_efficient_attention": FUSED,
    "_scaled_dot_product_cudnn_attention": FUSED,
}
UNKNOWN_ON_CUDA = {
    "convolution": "cuDNN's workspace for convolutions",
    "native_batch_norm": "what cuDNN's batch norm keeps for its backward",
}


def unknown(name: str, args: tuple, device: str) -> str | None:
    """What is left out of an operation's bytes, in words; None where nothing is known to be."""
    if device == "cuda" and name in UNKNOWN_ON_CUDA:
        return UNKNOWN_ON_CUDA[name]
    if name == "convolution" and max(args[1].shape[2:], default=1) > 1:
        return "scratch of convolutions wider than 1×1"
    return UNKNOWN.get(name)
