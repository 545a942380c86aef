"""What everyday operations of the CPU allocate inside themselves: resizing, sums, norms, numbers.

Read off the profiler (torch 2.13), and held against it by the tests.
"""

from collections.abc import Iterator
from math import prod
from typing import Any

import torch
from torch import Tensor

from nonlocal_tut.memory.formats import LOW
from nonlocal_tut.memory.hidden.allocation import Hidden, Row, copy_of

FLOAT64 = torch.float64


def resized(args: tuple[Any, ...], out: Tensor) -> Iterator[Hidden]:
    """Nearest and bilinear, 2-D: with two channels or more it works with the channels last."""
    x = args[0]
    if x.shape[1] > 1 and not x.is_contiguous(memory_format=torch.channels_last):
        yield Hidden("copy of the input, channels last", tuple(x.shape), x.dtype)
        yield Hidden("the output, channels last", tuple(out.shape), out.dtype)


def tables(per_side: int) -> Row:
    """Resizing by tables: an index of 8 bytes and a weight for each place along each side."""

    def row(args: tuple[Any, ...], out: Tensor) -> Iterator[Hidden]:
        places = (per_side * sum(out.shape[2:]),)
        yield Hidden("indices of the places that are read", places, torch.int64)
        weights = torch.float32 if out.dtype in LOW else out.dtype
        yield Hidden("weights of the places that are read", places, weights)

    return row


def log_sum_exp(args: tuple[Any, ...], out: Tensor) -> Iterator[Hidden]:
    x = args[0]
    yield Hidden("maxima in logsumexp", tuple(out.shape), x.dtype)
    yield Hidden("exponentials in logsumexp", tuple(x.shape), x.dtype)


def mean(args: tuple[Any, ...], out: Tensor) -> Iterator[Hidden]:
    """A sum, divided by a number. In 16 bits it sums a float32 copy."""
    x = args[0]
    if x.dtype in LOW:
        yield Hidden("sums in float32", tuple(out.shape), torch.float32)
        yield Hidden("float32 copy of what is summed", tuple(x.shape), torch.float32)
    else:
        yield from number(out.dtype)


def group_norm_backward(args: tuple[Any, ...], out: tuple[Tensor | None, ...]) -> Iterator[Hidden]:
    x = args[1]
    yield Hidden("sums in group norm's backward", (2, *x.shape[:2]), torch.float32)


def layer_norm_backward(args: tuple[Any, ...], out: tuple[Tensor | None, ...]) -> Iterator[Hidden]:
    normalized = prod(args[2])
    yield Hidden("sums in layer norm's backward", (2, normalized), args[1].dtype)


def batch_norm(args: tuple[Any, ...], out: tuple[Tensor, ...]) -> Iterator[Hidden]:
    """native_batch_norm(x, weight, bias, mean, variance, training, …)."""
    x = args[0]
    if args[5]:
        last = not x.is_contiguous() or prod(x.shape[2:]) == 1  # its kernel for channels last
        yield Hidden("sums in batch norm", (2 + last, x.shape[1]), torch.float32)


def safe_softmax(args: tuple[Any, ...], out: Tensor) -> Iterator[Hidden]:
    """Of attention as torch writes it out: which scores are -inf, and the rows where all are."""
    x = args[0]
    yield Hidden("where scores are -inf", tuple(x.shape), torch.bool)
    yield Hidden("rows of -inf alone", (*x.shape[:-1], 1), torch.bool)
    yield Hidden("a zero", (), x.dtype)


def number(dtype: torch.dtype) -> Iterator[Hidden]:
    """A Python number that takes part: once as it is, and once in the result's dtype."""
    yield Hidden("a Python number", (), FLOAT64)
    yield Hidden("a Python number", (), dtype)


def of_two(args: tuple[Any, ...], out: Any) -> Iterator[Hidden]:
    """Arithmetic with a Python number, or with a tensor of another dtype, which is copied."""
    if any(isinstance(a, (int, float)) and not isinstance(a, bool) for a in args[:2]):
        yield from number(args[0].dtype if isinstance(args[0], Tensor) else out.dtype)
    for a in args[:2]:
        if isinstance(a, Tensor) and a.dim() and out.dtype not in (a.dtype, torch.bool):
            yield Hidden("a copy in the result's dtype", tuple(a.shape), out.dtype)


def summed(args: tuple[Any, ...], out: Tensor) -> Iterator[Hidden]:
    """In 16 bits it sums a float32 copy, unless the sides that it sums over lie side by side."""
    x = args[0]
    sides = sorted(side % x.dim() for side in (args[1] if len(args) > 1 else None) or [])
    sides = [side for side in sides if x.shape[side] > 1]
    if not x.is_floating_point() and x.dtype != out.dtype:
        yield Hidden("a copy in the sum's dtype", tuple(x.shape), out.dtype)
    elif x.dtype in LOW and sides and sides[-1] - sides[0] >= len(sides):
        yield Hidden("sums in float32", tuple(out.shape), torch.float32)
        yield Hidden("float32 copy of what is summed", tuple(x.shape), torch.float32)


def by_index(args: tuple[Any, ...], out: Tensor) -> Iterator[Hidden]:
    if out.dtype in LOW:
        yield Hidden("float32 copy of the result", tuple(out.shape), torch.float32)


def repeat(args: tuple[Any, ...], out: Tensor) -> Iterator[Hidden]:
    yield Hidden("indices of each side", (4 * out.dim(),), torch.int64)


def unshuffle(args: tuple[Any, ...], out: Tensor) -> Iterator[Hidden]:
    if not args[0].is_contiguous():
        yield copy_of(args[0], "the input in pixel_unshuffle")


def loss(copies: int) -> Row:
    """Without a reduction it is the result; else it is made, with `copies` beside, and reduced."""

    def row(args: tuple[Any, ...], out: Tensor) -> Iterator[Hidden]:
        if out.dim():
            return
        for _ in range(copies):
            yield copy_of(args[0], "the loss of each number")
        yield from mean(args, out)

    return row


def copied(what: str) -> Row:
    """An operation that works on a copy of its input."""

    def row(args: tuple[Any, ...], out: Any) -> Iterator[Hidden]:
        yield copy_of(args[0], f"the input in {what}")

    return row


ROWS: dict[str, Row] = {
    "upsample_nearest2d": resized,
    "_upsample_nearest_exact2d": resized,
    "upsample_bilinear2d": resized,
    "upsample_nearest1d": tables(1),
    "upsample_linear1d": tables(2),
    "upsample_bicubic2d": tables(4),
    "upsample_nearest3d": tables(1),
    "upsample_trilinear3d": tables(2),
    "logsumexp": log_sum_exp,
    "mean": mean,
    "native_group_norm_backward": group_norm_backward,
    "native_layer_norm_backward": layer_norm_backward,
    "native_batch_norm": batch_norm,
    "im2col": copied("unfold"),
    "median": copied("median"),
    "pixel_unshuffle": unshuffle,
    "repeat": repeat,
    "gather": by_index,
    "scatter": by_index,
    "scatter_add": by_index,
    "_safe_softmax": safe_softmax,
    "sum": summed,
    "mse_loss": loss(1),
    "smooth_l1_loss": loss(1),
    "huber_loss": loss(1),
    "binary_cross_entropy": loss(0),
    "binary_cross_entropy_with_logits": loss(2),
}
ROWS |= dict.fromkeys(("add", "sub", "mul", "div", "rsub", "gt", "lt", "ge", "le"), of_two)
