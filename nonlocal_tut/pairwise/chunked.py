"""Some queries at a time: a row of the matrix needs no other row.

An autograd.Function, which writes what each chunk gives into one tensor made beforehand. Chunks
that are checkpointed and concatenated need no more live bytes, but their small results come to lie
between the large rows of the matrix, so that no hole in the heap is large enough for the next rows:
the process then takes the whole matrix, row by row. See chapter 5, "Can it be exact without the N×N
matrix?".
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.jit._trace import is_tracing
from torch.utils.checkpoint import checkpoint

from nonlocal_tut.pairwise.forms import autocast_of, scores_backward, to_queries, weights
from nonlocal_tut.pairwise.mapped import EXPORTING, as_one_batch

FORWARD_MODE = (
    'attention="chunked" has no forward-mode derivative (jvp, jacfwd, hessian); use reverse mode '
    '(vjp, jacrev, jacrev of jacrev), or attention="matmul"'
)


def chunked(theta: Tensor, phi: Tensor, g: Tensor, pairwise: str, entries: int) -> Tensor:
    """weights(theta, phi) · g: theta (B, N, d), phi (B, M, d), g (B, M, dv) -> (B, N, dv).

    entries: of the matrix that are alive at a time. A backward pass that is itself recorded, for a
    second derivative or under torch.func, keeps the rows that it builds: the whole matrix. How many
    queries a chunk has depends on the sizes, so an exported program holds for one number of chunks.
    """
    size = max(1, entries // max(1, phi.shape[0] * phi.shape[1]))
    if torch.compiler.is_compiling() or is_tracing():
        return _in_a_graph(theta, phi, g, pairwise, size)
    out: Tensor = _Chunked.apply(theta.to(g.dtype), phi.to(g.dtype), g, pairwise, entries)  # type: ignore[no-untyped-call]
    return out


def _in_a_graph(theta: Tensor, phi: Tensor, g: Tensor, pairwise: str, size: int) -> Tensor:
    def rows(some: Tensor) -> Tensor:
        return weights(some, phi, pairwise) @ g

    chunks = torch.split(theta, size, dim=1)
    if torch.is_grad_enabled() and torch.compiler.is_compiling() and not EXPORTING():
        out = [checkpoint(rows, c, use_reentrant=False, preserve_rng_state=False) for c in chunks]
    else:
        out = [rows(c) for c in chunks]
    return torch.cat(out, dim=1)


class _Chunked(Function):
    @staticmethod
    def forward(theta: Tensor, phi: Tensor, g: Tensor, pairwise: str, entries: int) -> Tensor:
        size = max(1, entries // max(1, phi.shape[0] * phi.shape[1]))
        with torch.autocast(autocast_of(g), enabled=False):
            theta, phi, wide_g = _wide(theta), _wide(phi), _wide(g)
            if theta.shape[1] <= size:
                return (weights(theta, phi, pairwise) @ wide_g).to(g.dtype)
            y = g.new_empty(*theta.shape[:2], g.shape[2])  # (B, N, dv)
            for some, out in zip(
                torch.split(theta, size, dim=1), torch.split(y, size, dim=1), strict=True
            ):
                out.copy_(weights(some, phi, pairwise) @ wide_g)
        return y

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        *tensors, ctx.pairwise, ctx.entries = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        theta, phi, g = ctx.saved_tensors
        size = max(1, ctx.entries // max(1, phi.shape[0] * phi.shape[1]))
        with torch.autocast(autocast_of(g), enabled=False):
            dtheta, dphi, dg = _backward(theta, phi, g, dy, ctx.pairwise, size)
        return dtheta.to(theta.dtype), dphi.to(phi.dtype), dg.to(g.dtype), None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor) -> None:
        raise RuntimeError(FORWARD_MODE)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Any, Any]:
        return as_one_batch(_Chunked.apply, info, in_dims, *inputs)


def _backward(
    theta: Tensor, phi: Tensor, g: Tensor, dy: Tensor, pairwise: str, size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """In place where nothing records it; dy's own zeros, because vmap may have mapped dy alone."""
    theta, phi, g, dy = (_wide(t) for t in (theta, phi, g, dy))
    chunks = zip(torch.split(theta, size, dim=1), torch.split(dy, size, dim=1), strict=True)
    if torch.is_grad_enabled():
        found = [_of_a_chunk(some, phi, g, dy_i, pairwise) for some, dy_i in chunks]
        for_theta, for_phi, for_g = zip(*found, strict=True)
        return torch.cat(for_theta, dim=1), torch.stack(for_phi).sum(0), torch.stack(for_g).sum(0)
    dtheta, dphi, dg = (dy.new_zeros(t.shape) for t in (theta, phi, g))
    for (some, dy_i), place in zip(chunks, torch.split(dtheta, size, dim=1), strict=True):
        p = weights(some, phi, pairwise)  # (B, size, M)
        dg.baddbmm_(p.transpose(1, 2), dy_i)
        ds = scores_backward(p, dy_i @ g.transpose(1, 2), pairwise)
        del p
        place.copy_(to_queries(ds, phi, pairwise))
        if pairwise == "concatenation":
            dphi += to_queries(ds.transpose(1, 2), some, pairwise)
        else:
            dphi.baddbmm_(ds.transpose(1, 2), some)
        del ds  # before the next rows are made
    return dtheta, dphi, dg


def _of_a_chunk(
    theta: Tensor, phi: Tensor, g: Tensor, dy: Tensor, pairwise: str
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradient of these queries, and their share in those of all keys and values."""
    p = weights(theta, phi, pairwise)  # (B, size, M)
    ds = scores_backward(p, dy @ g.transpose(1, 2), pairwise)
    dphi = to_queries(ds.transpose(1, 2), theta, pairwise)
    return to_queries(ds, phi, pairwise), dphi, p.transpose(1, 2) @ dy


def _wide(tensor: Tensor) -> Tensor:
    """float16 ends at 65504, which logits may pass."""
    return tensor.float() if tensor.dtype == torch.float16 else tensor
