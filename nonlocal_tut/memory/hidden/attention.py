"""The scratch of the CPU's fused attention kernel, for one thread.

It works on a tile of queries × keys at a time: 256 queries from 768 on, 64 from 192 on, else 32,
by 512 keys. Read off the profiler (torch 2.13, aten's FlashAttentionKernel.cpp).
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from nonlocal_tut.memory.formats import LOW
from nonlocal_tut.memory.hidden.allocation import Hidden, copy_of

KEYS = 512


def _tile(query: Tensor, key: Tensor) -> tuple[int, int]:
    count = query.shape[2]
    queries = 256 if count >= 768 else 64 if count >= 192 else 32
    return min(queries, count), min(KEYS, key.shape[2])


def forward(args: tuple[Any, ...], out: tuple[Tensor, ...]) -> Iterator[Hidden]:
    """query (B, heads, N, d), key and value (B, heads, M, d)."""
    query, key = args[:2]
    rows, columns = _tile(query, key)
    accumulated = torch.float32 if query.dtype in LOW else query.dtype
    scratch = (rows * (columns + 2 + query.shape[3]),)  # scores, maxima, sums, outputs
    yield Hidden("a tile of the fused attention kernel", scratch, accumulated)
    if query.dtype in LOW:
        yield Hidden("a tile of weights in 16 bits", (rows, columns), query.dtype)


def backward(args: tuple[Any, ...], out: tuple[Tensor, ...]) -> Iterator[Hidden]:
    """The gradient (B, heads, N, d), then query, key and value."""
    grad, query, key = args[:3]
    rows, columns = _tile(query, key)
    accumulated = torch.float32 if query.dtype in LOW else query.dtype
    if not grad.transpose(1, 2).is_contiguous():
        yield copy_of(grad, "the gradient in the fused attention's backward")
    yield Hidden("tiles of weights and their gradient", (2, rows, columns), accumulated)
    yield Hidden("a tile's sums", (rows,), accumulated)
    if query.dtype in LOW:
        yield Hidden("the two tiles in 16 bits", (2, rows, columns), query.dtype)
