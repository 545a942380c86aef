"""The non-local operation, y_i = 1/C(x) Σ_j f(x_i, x_j) g(x_j), on plain tensors.

Queries theta: (B, N, d), keys phi: (B, M, d), values g: (B, M, dv). M is N, or less where keys
and values were sub-sampled. i counts queries, j counts keys, and every sum runs over keys.
Source: Wang, Girshick, Gupta and He, "Non-local Neural Networks", CVPR 2018, Eq. 1 to 5.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from nonlocal_tut.arguments import one_of
from nonlocal_tut.pairwise.backends import capability_of, dtype_in_kernel, has_a_kernel
from nonlocal_tut.pairwise.fused import fused_softmax

PAIRWISE = ("gaussian", "embedded_gaussian", "dot_product", "concatenation")
SOFTMAX = PAIRWISE[:2]  # the others are divided by the number of keys
ATTENTION = ("fused", "matmul", "chunked")
CHUNK = 2**20  # entries of the map that "chunked" holds at a time: 4 MiB in float32


def affinity(
    theta: Tensor, phi: Tensor, w_f: Tensor | None = None, *, pairwise: str = "embedded_gaussian"
) -> Tensor:
    """f(x_i, x_j) / C(x), the map: theta (B, N, d), phi (B, M, d) -> (B, N, M).

    - "gaussian" (Eq. 2, theta and phi being x itself) and "embedded_gaussian" (Eq. 3):
      exp(theta_i · phi_j) over its sum over keys, which is a softmax; each row sums to one.
    - "dot_product" (Eq. 4): theta_i · phi_j / M.
    - "concatenation" (Eq. 5): ReLU(w_f · [theta_i, phi_j]) / M, with w_f (2d,).

    C(x) in the last two is "the number of positions in x". With sub-sampled keys we divide by M,
    the number of terms that are in the sum, as the authors' code does: y then stays a mean over
    the keys, and keeps its size whether or not they are sub-sampled.
    Raises ValueError for an unknown `pairwise`. See chapter 3, "Is the article's code the paper's
    block?".
    """
    one_of("pairwise", pairwise, PAIRWISE)
    if pairwise == "concatenation":
        theta, phi = split_concatenation(theta, phi, w_f)  # (B, N, 1), (B, M, 1)
    return _affinity(theta, phi, pairwise)


def attend(
    theta: Tensor,
    phi: Tensor,
    g: Tensor,
    w_f: Tensor | None = None,
    *,
    pairwise: str = "embedded_gaussian",
    attention: str = "fused",
) -> Tensor:
    """y = affinity · g (Eq. 1): theta (B, N, d), phi (B, M, d), g (B, M, dv) -> (B, N, dv).

    The same numbers three ways, at three prices in bytes:
    - "matmul" builds the (B, N, M) map, and training keeps it.
    - "chunked" builds a few rows of it at a time, and builds them again in the backward pass.
    - "fused" never builds it: a fused softmax (see `fused`), or a sum in another order (below).
      Where a GPU has no kernel for the dtype it is "chunked": float64, and on a T4 bfloat16.
    Raises ValueError for an unknown `pairwise` or `attention`. A gradient of the fused softmax's
    gradient raises RuntimeError: it has none; the other ways have. See chapter 5, "Can it be exact
    without N×N?".
    """
    one_of("pairwise", pairwise, PAIRWISE)
    one_of("attention", attention, ATTENTION)
    if pairwise == "concatenation":
        theta, phi = split_concatenation(theta, phi, w_f)  # (B, N, 1), (B, M, 1)
    if attention == "matmul":
        return _affinity(theta, phi, pairwise) @ g
    if attention == "chunked":
        return _chunked(theta, phi, g, pairwise)
    if pairwise == "dot_product":
        return _reassociated(theta, phi, g)
    if pairwise == "concatenation":
        return _sorted_sums(theta, phi, g)
    capability = capability_of(theta)
    if capability is not None and not has_a_kernel(dtype_in_kernel(g), capability):
        return _chunked(theta, phi, g, pairwise)  # no kernel there takes this dtype
    return fused_softmax(theta, phi, g, cuda=capability is not None)


def split_concatenation(theta: Tensor, phi: Tensor, w_f: Tensor) -> tuple[Tensor, Tensor]:
    """w_f · [theta_i, phi_j] = a_i + b_j: theta (B, N, d), phi (B, M, d) -> (B, N, 1), (B, M, 1).

    w_f: (2d,) is w_theta above w_phi. Written so, no (B, 2d, N, M) tensor of pairs is ever needed.
    """
    w_theta, w_phi = w_f.chunk(2)  # (d,), (d,)
    return (theta @ w_theta).unsqueeze(-1), (phi @ w_phi).unsqueeze(-1)


def _affinity(theta: Tensor, phi: Tensor, pairwise: str) -> Tensor:
    if pairwise == "dot_product":
        return _product_over(phi.shape[1], theta, phi.mT)  # (B, N, d) · (B, d, M) -> (B, N, M)
    if pairwise == "concatenation":
        return F.relu(theta + phi.mT) / phi.shape[1]  # (B, N, 1) + (B, 1, M) -> (B, N, M)
    return (theta @ phi.mT).softmax(dim=-1)  # over keys


def _product_over(count: int, left: Tensor, right: Tensor) -> Tensor:
    """left · right / count, divided inside the product: float16 ends at 65504, a sum may not."""
    return torch.baddbmm(left.new_zeros(1), left, right, beta=0, alpha=1 / count)


def _chunked(theta: Tensor, phi: Tensor, g: Tensor, pairwise: str) -> Tensor:
    """Some queries at a time; a row of the map needs no other row.

    How many at a time depends on the sizes, so an exported program holds for one number of chunks.
    """

    def rows(some: Tensor) -> Tensor:
        return _affinity(some, phi, pairwise) @ g

    size = max(1, CHUNK // max(1, phi.shape[0] * phi.shape[1]))
    chunks = theta.split(size, dim=1)
    if torch.is_grad_enabled():  # keep the inputs of a chunk alone, not its rows of the map
        out = [checkpoint(rows, c, use_reentrant=False, preserve_rng_state=False) for c in chunks]
    else:
        out = [rows(c) for c in chunks]
    return torch.cat(out, dim=1)


def _reassociated(theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
    """(theta · phiᵀ) · g / M = theta · (phiᵀ · g / M): no softmax stands between the products."""
    return theta @ _product_over(phi.shape[1], phi.mT, g)  # (B, N, d) · (B, d, dv) -> (B, N, dv)


def _sorted_sums(a: Tensor, b: Tensor, g: Tensor) -> Tensor:
    """Σ_j ReLU(a_i + b_j) g_j / M by sorting: a (B, N, 1), b (B, M, 1), g (B, M, dv) -> (B, N, dv).

    ReLU lets through the keys with b_j > -a_i. In descending order of b these are the first k(i)
    keys, so y_i = (a_i · Σ g_j + Σ b_j g_j) / M, both sums over the first k(i): two running sums,
    read at k(i).
    """
    dtype = g.dtype
    if dtype in (torch.float16, torch.bfloat16):
        a, b, g = a.float(), b.float(), g.float()
    b, order = b.sort(dim=1, descending=True)
    first = torch.searchsorted(-b.mT.contiguous(), a.mT.contiguous()).mT  # k(i): (B, N, 1)
    center = b[:, b.shape[1] // 2, None].detach()  # leaves a + b as it is; smaller sums cancel less
    a, b = a + center, b - center
    g = g.gather(1, order.expand_as(g))
    sums = torch.cat([g, b * g], dim=-1).cumsum(dim=1)  # (B, M, 2dv)
    sums = F.pad(sums, (0, 0, 1, 0))  # the sum of the first 0 keys is 0
    sum_g, sum_bg = sums.gather(1, first.expand(-1, -1, sums.shape[-1])).chunk(2, dim=-1)
    return ((a * sum_g + sum_bg) / b.shape[1]).to(dtype)
