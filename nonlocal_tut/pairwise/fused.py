"""softmax(theta · phiᵀ) · g without the matrix: torch's fused kernels, in the layout they take.

They want the last stride to be 1; else torch builds the matrix and says nothing. `backends` says
which kernel takes what. CUDA's take keys and values of different widths, of 16 bytes or a multiple.
The CPU's takes one width: the narrower operand gets columns of zeros, which change no product. In
`SelfAttention2d` that makes keys and queries 8 times as wide, so training keeps them as they were
and goes backward in blocks (`by_blocks`), where no operand is padded. On the CPU both are steps of
an autograd.Function of our own (`_OnCpu`), which calls the kernel by its name: no other way to
compute it can be taken instead. See chapter 5, "Can it be exact without the N×N matrix?".

What was tried to go below, for SelfAttention2d(64) at 96×96 in training (float32, MiB):
- Zero-padded and left to autograd: 23.5. The kernel's backward on blocks, each padded while it
  runs: some 17 by count, and no faster than blocks of plain products, which need no padding: 13.6.
  Those are kept. At equal widths the kernel's own backward is some 1.3 times as fast on one thread,
  and stays.
- One image's keys as two heads, not its queries (`_heads`): as fast, and NonLocalBlock(64) takes
  15.7 for 14.5, since the kernel copies what both heads share.
- Computing theta, phi and g again in the backward, not saving them: not kept. The peak is where
  their gradients are alive, so they would be too; it runs the convolutions a second time, past
  their hooks, and saves bytes only between forward and backward, as checkpointing the block does.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function, forward_ad
from torch.jit._trace import is_tracing

from nonlocal_tut.pairwise.backends import dtype_in_kernel, taken_widths
from nonlocal_tut.pairwise.by_blocks import gradients, second
from nonlocal_tut.pairwise.mapped import EXPORTING, FUNCTIONAL, OLD_MAP, applied, as_one_batch

ON_CUDA = (
    "the fused softmax has no second derivative on a GPU; for a gradient of a gradient use "
    'attention="matmul" (or "chunked")'
)
THIRD = 'the fused softmax has two derivatives; for a third use attention="matmul" (or "chunked")'
FORWARD_MODE = (
    "the fused softmax has no forward-mode derivative (jvp, jacfwd, hessian); use reverse mode "
    '(vjp, jacrev, jacrev of jacrev), or attention="matmul"'
)


def fused_softmax(theta: Tensor, phi: Tensor, g: Tensor, *, cuda: bool) -> Tensor:
    """softmax(theta · phiᵀ) · g: theta (B, N, d), phi (B, M, d), g (B, M, dv) -> (B, N, dv).

    cuda: whether CUDA's kernels will take it, or the CPU's. Raises RuntimeError for a third
    derivative, on a GPU for the second, and for one in forward mode.
    """
    d, dv = theta.shape[-1], g.shape[-1]
    training = torch.is_grad_enabled() and any(t.requires_grad for t in (theta, phi, g))
    eager = not (torch.compiler.is_compiling() or is_tracing())
    if eager and not cuda and theta.device.type in ("cpu", "meta"):
        return _on_cpu(theta, phi, g, training)
    d, dv = taken_widths(d, dv, dtype_in_kernel(g)) if cuda else (max(d, dv),) * 2
    q, k, v = _widened(theta, d), _widened(phi, d), _widened(g, dv)  # (B, N or M, d or dv)
    if eager and training:
        _say_that_once_is_all(q, k, v)
    heads = 1 if cuda else _heads(q)
    y = _joined(F.scaled_dot_product_attention(*_split(q, k, v, heads), scale=1.0))  # (B, N, dv)
    if eager and training:
        y.register_hook(_in_rows)
    return y[..., : g.shape[-1]]


def _widened(rows: Tensor, width: int) -> Tensor:
    """(B, N, d) -> (B, N, width), row after row, with columns of zeros.

    A row of one number counts as contiguous whatever its last stride is, but not for the kernel.
    """
    missing = width - rows.shape[-1]
    if missing:
        return F.pad(rows, (0, missing))
    return rows.squeeze(2).contiguous().unsqueeze(2) if width == 1 else rows.contiguous()


def _heads(q: Tensor) -> int:
    """How many heads the queries q (B, N, d) of an image become; each head has all the keys.

    Backward, the CPU's kernel gives an image and head one thread, so one image goes in as two. It
    then also takes less scratch where it matters: it works on 256×512 entries of it at a time
    from 768 queries on, on 64×512 below, which for 1024 positions is 1 MiB, or a quarter of that on
    each thread. The price is a second gradient of keys and values. A program that is exported or
    traced would hold for even numbers of queries alone, so it has one head.
    """
    fixed = EXPORTING() or is_tracing()
    return 2 if not fixed and q.shape[0] == 1 and q.shape[1] % 2 == 0 else 1


def _split(q: Tensor, k: Tensor, v: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """(B, N, d), (B, M, d), (B, M, dv) -> (B, heads, N / heads, d), (B, heads, M, d), …: views.

    With two heads, one has the even queries. The kernel writes its heads side by side, so its
    results come out in the order of the queries.
    """
    k, v = (t.unsqueeze(1).expand(-1, heads, -1, -1) for t in (k, v))
    return _heads_of(q, heads), k, v


def _heads_of(rows: Tensor, heads: int) -> Tensor:
    """(B, N, d) -> (B, heads, N / heads, d): a view."""
    return rows.view(rows.shape[0], rows.shape[1] // heads, heads, rows.shape[2]).transpose(1, 2)


def _joined(y: Tensor) -> Tensor:
    """(B, heads, N / heads, dv) -> (B, N, dv)."""
    return y.transpose(1, 2).flatten(1, 2)


def _in_rows(gradient: Tensor | None) -> Tensor | None:
    """The kernel would copy it so itself, and keep the original alive while it runs."""
    return None if gradient is None else gradient.contiguous()


def _on_cpu(theta: Tensor, phi: Tensor, g: Tensor, training: bool) -> Tensor:
    if not (training or FUNCTIONAL() or forward_ad._current_level >= 0):
        return _OnCpu.forward(theta, phi, g)[0]  # some 60 µs less than as a step of autograd's
    y: Tensor = applied(_OnCpu, theta, phi, g)[0]
    if y.requires_grad and theta.shape[-1] == g.shape[-1]:
        y.register_hook(_in_rows)
    return y


class _OnCpu(Function):
    """The CPU's kernel, padded while it runs: y (B, N, dv), and the logarithm of each row's sum."""

    @staticmethod
    def forward(theta: Tensor, phi: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        width = max(theta.shape[-1], g.shape[-1])
        kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        q, k, v = (_widened(t.to(g.dtype), width) for t in (theta, phi, g))
        y, sums = kernel(*_split(q, k, v, _heads(q)), scale=1.0)
        y, sums = (
            _joined(y)[..., : g.shape[-1]],
            _joined(sums.unsqueeze(3)),
        )  # (B, N, dv), (B, N, 1)
        kept = any(t.requires_grad for t in (theta, phi, g))  # for the backward, without padding
        return y.contiguous() if kept else y, sums

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        ctx.save_for_backward(*inputs, *output)
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)  # else sums would get a gradient of zeros

    @staticmethod
    def backward(ctx: Any, dy: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
        if dy is None:
            return (None,) * 3
        if torch.is_grad_enabled() or FUNCTIONAL():  # somebody will ask for its derivative
            found: tuple[Tensor | None, ...] = applied(_Gradients, *ctx.saved_tensors, dy)
            return found
        return _Gradients.forward(*ctx.saved_tensors, dy)  # type: ignore[call-arg]

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor) -> None:
        raise RuntimeError(FORWARD_MODE)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *tensors: Tensor) -> tuple[Any, Any]:
        return as_one_batch(_OnCpu.apply, info, in_dims, *tensors)


class _Gradients(Function):
    """The backward of `_OnCpu`: the kernel's own, or in blocks where it would need padding.

    A function of its own, so that it has a derivative. y and sums are taken as what they are made
    of: `second` gives all of the derivative to theta, phi, g and dy.
    """

    @staticmethod
    def forward(
        theta: Tensor, phi: Tensor, g: Tensor, y: Tensor, sums: Tensor, dy: Tensor
    ) -> tuple[Tensor, ...]:
        with torch.autocast("cpu", enabled=False):
            if theta.shape[-1] == g.shape[-1] and not OLD_MAP(dy):
                return tuple(_by_the_kernel(theta, phi, g, y, sums, dy))
            return tuple(gradients(theta, phi, g, y, sums, dy))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        operands = (*ctx.saved_tensors, *cotangents)
        with torch.no_grad():
            found = _Second.apply(*operands)  # type: ignore[no-untyped-call]
        dtheta, dphi, dg, ddy, *_ = _NoDerivative.apply(THIRD, *found, *operands)  # type: ignore[no-untyped-call]
        return dtheta, dphi, dg, None, None, ddy

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor) -> None:
        raise RuntimeError(FORWARD_MODE)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *tensors: Tensor) -> tuple[Any, Any]:
        return as_one_batch(_Gradients.apply, info, in_dims, *tensors)


class _Second(Function):
    """`second`, which has no derivative, with a rule for vmap."""

    @staticmethod
    def forward(*tensors: Tensor) -> tuple[Tensor, ...]:
        with torch.autocast("cpu", enabled=False):
            return tuple(second(*tensors))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        pass

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *tensors: Tensor) -> tuple[Any, Any]:
        return as_one_batch(_Second.apply, info, in_dims, *tensors)


def _by_the_kernel(
    theta: Tensor, phi: Tensor, g: Tensor, y: Tensor, sums: Tensor, dy: Tensor
) -> list[Tensor]:
    """The gradients of theta (B, N, d), phi (B, M, d) and g (B, M, d), all of one width."""
    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
    q, k, v = (_widened(t.to(g.dtype), g.shape[-1]) for t in (theta, phi, g))
    heads = _heads(q)
    operands = _split(q, k, v, heads)
    y, sums, dy = (_heads_of(t, heads) for t in (y, sums, _widened(dy, g.shape[-1])))
    dq, dk, dv = kernel(dy, *operands, y, sums.squeeze(3), 0.0, False, scale=1.0)
    for other in range(1, heads):  # in place: what the kernel has read is still alive here
        dk[:, 0] += dk[:, other]
        dv[:, 0] += dv[:, other]
    dk, dv = dk[:, 0], dv[:, 0]  # (B, M, d)
    return [d.to(t.dtype) for d, t in zip((_joined(dq), dk, dv), (theta, phi, g), strict=True)]


def _say_that_once_is_all(*tensors: Tensor) -> None:
    """Their gradients, differentiated in turn, raise `ON_CUDA` and not the kernel's own error."""
    for tensor in tensors:
        if tensor.requires_grad:
            tensor.register_hook(_once)


def _once(gradient: Tensor | None) -> Tensor | None:
    if gradient is None or not gradient.requires_grad:
        return gradient
    same: Tensor = _NoDerivative.apply(ON_CUDA, gradient)[0]  # type: ignore[no-untyped-call]
    return same


class _NoDerivative(Function):
    """The same tensors, whose derivative is an error that says what to do."""

    generate_vmap_rule = True

    @staticmethod
    def forward(said: str, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tensors

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.said = inputs[0]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> None:
        raise RuntimeError(ctx.said)
