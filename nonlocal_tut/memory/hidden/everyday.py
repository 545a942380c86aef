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


def resized(args: tuple, out: Tensor) -> Iterator[Hidden]:
    """Nearest and bilinear, 2-D: with two channels or more it works with the channels last."""
    x = args[0]
    if x.shape[1] > 1 and not x.is_contiguous(memory_format=torch.channels_last):
        yield Hidden("copy of the input, channels last", tuple(x.shape), x.dtype)
        yield Hidden("the output, channels last", tuple(out.shape), out.dtype)


def tables(per_side: int) -> Row:
    """Resizing by tables: an index of 8 bytes and a weight for each place along each side."""

    def row(args: tuple, out: Tensor) -> Iterator[Hidden]:
        places = (per_side * sum(out.shape[2:]),)
        yield Hidden("indices of the places that are read", places, torch.int64)
        weights = torch.float32 if out.dtype in LOW else out.dtype
        yield Hidden("weights of the places that are read", places, weights)

    return row


def log_sum_exp(args: tuple, out: Tensor) -> Iterator[Hidden]:
    x = args[0]
    yield Hidden("maxima in logsumexp", tuple(out.shape), x.dtype)
    yield Hidden("exponentials in logsumexp", tuple(x.shape), x.dtype)


def mean(args: tuple, out: Tensor) -> Iterator[Hidden]:
    """A sum, divided by a number. In 16 bits it sums a float32 copy."""
    x = args[0]
    if x.dtype in LOW:
        yield Hidden("sums in float32", tuple(out.shape), torch.float32)
        yield Hidden("float32 copy of what is summed", tuple(x.shape), torch.float32)
    else:
        yield from number(out.dtype)


def group_norm_backward(args: tuple, out: tuple[Tensor | None, ...]) -> Iterator[Hidden]:
    x = args[1]
    yield Hidden("sums in group norm's backward", (2, *x.shape[:2]), torch.float32)


def layer_norm_backward(args: tuple, out: tuple[Tensor | None, ...]) -> Iterator[Hidden]:
    normalized = prod(args[2])
    yield Hidden("sums in layer norm's backward", (2, normalized), torch.float32)


def batch_norm(args: tuple, out: tuple[Tensor, ...]) -> Iterator[Hidden]:
    """native_batch_norm(x, weight, bias, mean, variance, training, …)."""
    x = args[0]
    if args[5]:
        last = not x.is_contiguous() or prod(x.shape[2:]) == 1  # its kernel for channels last
        yield Hidden("sums in batch norm", (2 + last, x.shape[1]), torch.float32)


def unfold(args: tuple, out: Tensor) -> Iterator[Hidden]:
    yield copy_of(args[0], "the input in unfold")


def safe_softmax(args: tuple, out: Tensor) -> Iterator[Hidden]:
    """Of attention as torch writes it out: which scores are -inf, and the rows where all are."""
    x = args[0]
    yield Hidden("where scores are -inf", tuple(x.shape), torch.bool)
    yield Hidden("rows of -inf alone", (*x.shape[:-1], 1), torch.bool)
    yield Hidden("a zero", (), x.dtype)


def number(dtype: torch.dtype) -> Iterator[Hidden]:
    """A Python number that takes part: once as it is, and once in the result's dtype."""
    yield Hidden("a Python number", (), FLOAT64)
    yield Hidden("a Python number", (), dtype)


def with_number(args: tuple, out: Any) -> Iterator[Hidden]:
    if any(isinstance(a, (int, float)) and not isinstance(a, bool) for a in args[:2]):
        yield from number(args[0].dtype if isinstance(args[0], Tensor) else out.dtype)


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
    "im2col": unfold,
    "_safe_softmax": safe_softmax,
} | dict.fromkeys(("add", "sub", "mul", "div", "rsub", "gt", "lt", "ge", "le"), with_number)
