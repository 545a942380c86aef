"""The copies of the operations in this book's blocks, on every device: softmax, norms and pools."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from nonlocal_tut.memory.formats import memory_format
from nonlocal_tut.memory.hidden.allocation import Hidden, copy_of
from nonlocal_tut.memory.hidden.convolution import sum_over_all_but_channels


def softmax(args: tuple[Any, ...], out: Tensor) -> Iterator[Hidden]:
    if not args[0].is_contiguous():
        yield copy_of(args[0], "the scores in softmax")


def softmax_backward(args: tuple[Any, ...], out: Tensor) -> Iterator[Hidden]:
    for tensor, name in zip(args, ("the gradient", "the weights"), strict=False):
        if not tensor.is_contiguous():
            yield copy_of(tensor, f"{name} in softmax's backward")


def batch_norm_backward_cpu(
    args: tuple[Any, ...], out: tuple[Tensor | None, ...]
) -> Iterator[Hidden]:
    grad, x = args[:2]
    if grad.is_contiguous(memory_format=memory_format(x)):
        yield Hidden("x's gradient, made twice in batch norm's backward", tuple(x.shape), x.dtype)
        return
    yield Hidden("a sum in batch norm's backward", (x.shape[1],), x.dtype)
    if grad.is_contiguous():
        yield from sum_over_all_but_channels(tuple(grad.shape), grad.dtype, "batch norm's")


def pool_backward(args: tuple[Any, ...], out: Tensor) -> Iterator[Hidden]:
    if not args[0].is_contiguous(memory_format=memory_format(args[1])):
        yield copy_of(args[0], "the gradient in a pool's backward")
