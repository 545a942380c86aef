"""softmax(theta · phiᵀ) · g without the map: torch's fused kernels, in the layout they take.

They want the last stride to be 1; else torch builds the map and says nothing. `backends` says
which kernel takes what. CUDA's take keys and values of different widths, of 16 bytes or a multiple.
The CPU's takes one width: the narrower operand gets columns of zeros, which change no product. In
`SelfAttention2d` that makes keys and queries 8 times as wide, so training keeps them as they were
and goes backward in blocks (`_ByBlocks`), where no operand is padded. See chapter 5, "Can it be
exact without N×N?".

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

from math import isqrt

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from nonlocal_tut.pairwise.backends import dtype_in_kernel, taken_widths

TWICE = (
    "the fused softmax has no second derivative; for a gradient of a gradient use "
    'attention="matmul" (or "chunked")'
)


def fused_softmax(theta: Tensor, phi: Tensor, g: Tensor, *, cuda: bool) -> Tensor:
    """softmax(theta · phiᵀ) · g: theta (B, N, d), phi (B, M, d), g (B, M, dv) -> (B, N, dv).

    cuda: whether CUDA's kernels will take it, or the CPU's. A gradient of a gradient raises
    RuntimeError.
    """
    d, dv = theta.shape[-1], g.shape[-1]
    training = torch.is_grad_enabled() and any(t.requires_grad for t in (theta, phi, g))
    eager_training = training and not torch.compiler.is_compiling()
    if eager_training and d != dv and not cuda:
        return _ByBlocks.apply(theta, phi, g)[0]
    d, dv = taken_widths(d, dv, dtype_in_kernel(g)) if cuda else (max(d, dv),) * 2
    q, k, v = _widened(theta, d), _widened(phi, d), _widened(g, dv)  # (B, N or M, d or dv)
    if eager_training:
        _say_that_once_is_all(q, k, v)
    heads = 1 if cuda else _heads(q)
    y = _joined(F.scaled_dot_product_attention(*_split(q, k, v, heads), scale=1.0))  # (B, N, dv)
    if eager_training:
        y.register_hook(_in_rows)
    return y[..., : g.shape[-1]]


def _widened(rows: Tensor, width: int) -> Tensor:
    """(B, N, d) -> (B, N, width), row after row, with columns of zeros."""
    missing = width - rows.shape[-1]
    return F.pad(rows, (0, missing)) if missing else rows.contiguous()


def _heads(q: Tensor) -> int:
    """How many heads the queries q (B, N, d) of an image become; each head has all the keys.

    Backward, the CPU's kernel gives an image and head one thread, so one image goes in as two. It
    then also takes less scratch where it matters: it works on 256×512 entries of the map at a time
    from 768 queries on, on 64×512 below, which for 1024 positions is 1 MiB, or a quarter of that on
    each thread. The price is a second gradient of keys and values.
    """
    return 2 if q.shape[0] == 1 and q.shape[1] % 2 == 0 else 1


def _split(q: Tensor, k: Tensor, v: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """(B, N, d), (B, M, d), (B, M, dv) -> (B, heads, N / heads, d), (B, heads, M, d), …: views.

    With two heads, one has the even queries. The kernel writes its heads side by side, so its
    results come out in the order of the queries.
    """
    q = q.view(q.shape[0], q.shape[1] // heads, heads, q.shape[2]).transpose(1, 2)
    return q, *(t.unsqueeze(1).expand(-1, heads, -1, -1) for t in (k, v))


def _joined(y: Tensor) -> Tensor:
    """(B, heads, N / heads, dv) -> (B, N, dv)."""
    return y.transpose(1, 2).flatten(1, 2)


def _in_rows(gradient: Tensor | None) -> Tensor | None:
    """The kernel would copy it so itself, and keep the original alive while it runs."""
    return None if gradient is None else gradient.contiguous()


class _ByBlocks(Function):
    """Forward: the CPU's kernel, padded while it runs. Backward: a block of the map at a time.

    Of the map p, training keeps the logarithm of each row's sum, from which any block comes back:
    p = exp(theta · phiᵀ - sums). With dp = dy · gᵀ, the softmax's gradient is p (dp - Σ_j p dp),
    and Σ_j p dp = Σ dy y, so that a row needs no second pass.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(theta: Tensor, phi: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        width = max(theta.shape[-1], g.shape[-1])
        kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        q, k, v = (_widened(t.to(g.dtype), width) for t in (theta, phi, g))
        y, sums = kernel(*_split(q, k, v, _heads(q)), scale=1.0)
        y, sums = _joined(y)[..., : g.shape[-1]], _joined(sums.unsqueeze(3))
        return y.contiguous(), sums.contiguous()  # (B, N, dv), (B, N, 1)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.save_for_backward(*inputs, *output)
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx, dy: Tensor, _) -> tuple[Tensor, Tensor, Tensor]:
        theta, phi, g, y, sums = ctx.saved_tensors
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            gradients = _backward(theta, phi, g, y, sums, dy)
        return _NoDerivative.apply(*gradients, theta, phi, g, dy)[:3]


def _backward(
    theta: Tensor, phi: Tensor, g: Tensor, y: Tensor, sums: Tensor, dy: Tensor
) -> list[Tensor]:
    """The gradients of theta, phi and g, in float32 at least, as the kernel has them."""
    dtheta = sums.new_zeros(theta.shape)  # (B, N, d)
    dphi, dg = sums.new_zeros(phi.mT.shape), sums.new_zeros(g.mT.shape)  # (B, d or dv, M)
    size = 16 * max(13, isqrt(theta.shape[1]) // 4)  # squared, as many entries as 16 channels
    queries = [t.split(size, dim=1) for t in (theta, y, sums, dy, dtheta)]
    keys = [t.split(size, dim=2) for t in (phi.mT, g.mT, dphi, dg)]
    for theta_i, y_i, sums_i, dy_i, dtheta_i in zip(*queries, strict=True):
        theta_i, dy_i = theta_i.to(sums.dtype), dy_i.to(sums.dtype)
        means = (dy_i * y_i).sum(dim=2, keepdim=True)  # (B, size, 1)
        for phi_j, g_j, dphi_j, dg_j in zip(*keys, strict=True):
            phi_j, g_j = phi_j.to(sums.dtype), g_j.to(sums.dtype)
            p = torch.bmm(theta_i, phi_j).sub_(sums_i).exp_()  # (B, size, size)
            dg_j.baddbmm_(dy_i.mT, p)
            p *= torch.bmm(dy_i, g_j).sub_(means)  # the gradient of theta · phiᵀ
            dtheta_i.baddbmm_(p, phi_j.mT)
            dphi_j.baddbmm_(theta_i.mT, p)
    return [d.to(t.dtype) for d, t in zip((dtheta, dphi.mT, dg.mT), (theta, phi, g), strict=True)]


def _say_that_once_is_all(*tensors: Tensor) -> None:
    """Their gradients, if differentiated in turn, raise `TWICE` and not the kernel's own error."""
    for tensor in tensors:
        if tensor.requires_grad:
            tensor.register_hook(_once)


def _once(gradient: Tensor | None) -> Tensor | None:
    if gradient is None or not gradient.requires_grad:
        return gradient
    return _NoDerivative.apply(gradient)[0]


class _NoDerivative(Function):
    """The same tensors, whose derivative is an error that says what to do."""

    generate_vmap_rule = True

    @staticmethod
    def forward(*tensors: Tensor) -> tuple[Tensor, ...]:
        return tensors

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        pass

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> None:
        raise RuntimeError(TWICE)
