"""The softmax's gradients a block of the matrix at a time: the first, and the second.

Of the matrix p, training keeps the logarithm of each row's sum, from which any block comes back:
p = exp(theta · phiᵀ - sums). With dp = dy · gᵀ, the softmax's gradient is ds = p (dp - Σ_j p dp),
and Σ_j p dp = Σ dy y, so that a row needs no second pass. See chapter 5, "Can it be exact without
the N×N matrix?", which derives it.
"""

from functools import partial
from math import isqrt

import torch
from torch import Tensor


def gradients(
    theta: Tensor, phi: Tensor, g: Tensor, y: Tensor, sums: Tensor, dy: Tensor
) -> list[Tensor]:
    """ds · phi, dsᵀ · theta and pᵀ · dy, in the shapes of theta (B, N, d), phi and g.

    y (B, N, dv) and sums (B, N, 1) are the kernel's; dy is the gradient of y. They are summed in
    the dtype of sums, which is float32 at least, as in the kernel. What is written to in place is
    made from dy: torch.autograd.grad(…, is_grads_batched=True) maps dy, and dy alone.
    """
    shapes = theta.shape, phi.mT.shape, g.mT.shape  # (B, N, d), (B, d or dv, M)
    dtheta, dphi, dg = (dy.new_zeros(shape, dtype=sums.dtype) for shape in shapes)
    size = _side(theta)
    queries = [torch.split(t, size, dim=1) for t in (theta, y, sums, dy, dtheta)]
    keys = [torch.split(t, size, dim=2) for t in (phi.mT, g.mT, dphi, dg)]
    for theta_i, y_i, sums_i, dy_i, dtheta_i in zip(*queries, strict=True):
        theta_i, dy_i = theta_i.to(sums.dtype), dy_i.to(sums.dtype)
        means = (dy_i * y_i).sum(dim=2, keepdim=True)  # (B, size, 1)
        for phi_j, g_j, dphi_j, dg_j in zip(*keys, strict=True):
            phi_j, g_j = phi_j.to(sums.dtype), g_j.to(sums.dtype)
            p = theta_i.bmm(phi_j).sub_(sums_i).exp_()  # (B, size, size)
            dg_j.baddbmm_(dy_i.mT, p)
            ds = dy_i.bmm(g_j).sub_(means).mul_(p)  # the gradient of theta · phiᵀ
            dtheta_i.baddbmm_(ds, phi_j.mT)
            dphi_j.baddbmm_(theta_i.mT, ds)
            del p, ds  # before the next block is made
    return [d.to(t.dtype) for d, t in zip((dtheta, dphi.mT, dg.mT), (theta, phi, g), strict=True)]


def second(
    theta: Tensor,
    phi: Tensor,
    g: Tensor,
    y: Tensor,
    sums: Tensor,
    dy: Tensor,
    u: Tensor,
    v: Tensor,
    w: Tensor,
) -> list[Tensor]:
    """The gradients of theta, phi, g and dy, given those (u, v, w) of what `gradients` returns.

    What is differentiated is L = Σ u (ds · phi) + Σ v (dsᵀ · theta) + Σ w (pᵀ · dy), that is
    Σ_ij ds e + p h, with e = u · phiᵀ + theta · vᵀ and h = dy · wᵀ. By p, with D = Σ_j p dp and
    E = Σ_j p e, it has the derivative q = dp (e - E) - D e + h, so by the logits p (q - Σ_j p q);
    by dp it has p (e - E); by e, ds; by h, p. The sums over j make a first pass over the keys.
    """
    shapes = theta.shape, dy.shape, phi.mT.shape, g.mT.shape  # (B, N, d or dv), (B, d or dv, M)
    one, other, last = (t.new_zeros((), dtype=sums.dtype) for t in (u, v, w))
    zero = one + other + last  # mapped if any of them is
    dtheta, ddy, dphi, dg = (zero.expand(shape).clone() for shape in shapes)
    size = _side(theta)
    queries = [torch.split(t, size, dim=1) for t in (theta, y, sums, dy, u, dtheta, ddy)]
    keys = [torch.split(t, size, dim=2) for t in (phi.mT, g.mT, v.mT, w.mT, dphi, dg)]
    for theta_i, y_i, sums_i, dy_i, u_i, dtheta_i, ddy_i in zip(*queries, strict=True):
        theta_i, dy_i, u_i = (t.to(sums.dtype) for t in (theta_i, dy_i, u_i))
        block = partial(_block, theta_i, sums_i, dy_i, u_i)
        d = (dy_i * y_i).sum(dim=2, keepdim=True)  # (B, size, 1)
        mean_e, mean_q = torch.zeros_like(d), torch.zeros_like(d)
        for *operands, _, _ in zip(*keys, strict=True):
            p, dp, e, h = block(*(t.to(sums.dtype) for t in operands))
            mean_e = mean_e + (p * e).sum(dim=2, keepdim=True)
            mean_q = mean_q + (p * (dp * e + h)).sum(dim=2, keepdim=True)
        mean_q = mean_q - 2 * d * mean_e
        for *operands, dphi_j, dg_j in zip(*keys, strict=True):
            phi_j, g_j, v_j, w_j = (t.to(sums.dtype) for t in operands)
            p, dp, e, h = block(phi_j, g_j, v_j, w_j)
            ds, dq = p * (dp - d), p * (e - mean_e)  # the latter is by dp
            q = ds * e + p * (h - mean_q) - mean_e * (p * dp)
            dtheta_i.baddbmm_(q, phi_j.mT).baddbmm_(ds, v_j.mT)
            dphi_j.baddbmm_(theta_i.mT, q).baddbmm_(u_i.mT, ds)
            dg_j.baddbmm_(dy_i.mT, dq)
            ddy_i.baddbmm_(dq, g_j.mT).baddbmm_(p, w_j.mT)
    found = zip((dtheta, dphi.mT, dg.mT, ddy), (theta, phi, g, dy), strict=True)
    return [d.to(t.dtype) for d, t in found]


def _block(
    theta: Tensor, sums: Tensor, dy: Tensor, u: Tensor, phi: Tensor, g: Tensor, v: Tensor, w: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """p, dp, e and h (B, size, size); of the keys' side (B, d or dv, size)."""
    p = theta.bmm(phi).sub_(sums).exp_()
    return p, dy.bmm(g), u.bmm(phi) + theta.bmm(v), dy.bmm(w)


def _side(theta: Tensor) -> int:
    """Of a block: squared, as many entries as 16 channels of theta's positions; 208 at least."""
    return 16 * max(13, isqrt(theta.shape[1]) // 4)
