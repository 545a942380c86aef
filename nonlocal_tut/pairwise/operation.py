"""The non-local operation, y_i = 1/C(x) Σ_j f(x_i, x_j) g(x_j), on plain tensors.

Queries theta: (B, N, d), keys phi: (B, M, d), values g: (B, M, dv). M is N, or less where keys
and values were sub-sampled. i counts queries, j counts keys, and every sum runs over keys.
Source: Wang, Girshick, Gupta and He, "Non-local Neural Networks", CVPR 2018, Eq. 1 to 5.
"""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from nonlocal_tut.arguments import instance, one_of
from nonlocal_tut.pairwise.backends import capability_of, dtype_in_kernel, has_a_kernel
from nonlocal_tut.pairwise.chunked import chunked
from nonlocal_tut.pairwise.forms import (
    PAIRWISE,
    SOFTMAX,
    Pairwise,
    autocast_of,
    product_over,
    weights,
)
from nonlocal_tut.pairwise.fused import fused_softmax
from nonlocal_tut.pairwise.mapped import FUNCTIONAL
from nonlocal_tut.pairwise.small import is_small

Attention = Literal["fused", "matmul", "chunked"]
ATTENTION: tuple[Attention, ...] = get_args(Attention)
CHUNK = 2**20  # entries of the matrix that "chunked" holds at a time: 4 MiB in float32
NO_ONNX = (
    "ONNX has no operators for attention={attention!r} with pairwise={pairwise!r}; "
    'export the block with attention="matmul", which computes the same'
)


def affinity(
    theta: Tensor,
    phi: Tensor,
    w_f: Tensor | None = None,
    *,
    pairwise: Pairwise = "embedded_gaussian",
) -> Tensor:
    """f(x_i, x_j) / C(x), the matrix: theta (B, N, d), phi (B, M, d) -> (B, N, M).

    - "gaussian" (Eq. 2, theta and phi being x itself) and "embedded_gaussian" (Eq. 3):
      exp(theta_i · phi_j) over its sum over keys, which is a softmax; each row sums to one.
    - "dot_product" (Eq. 4): theta_i · phi_j / M.
    - "concatenation" (Eq. 5): ReLU(w_f · [theta_i, phi_j]) / M, with w_f (2d,).

    C(x) in the last two is "the number of positions in x". With sub-sampled keys we divide by M,
    the number of terms that are in the sum, as the authors' code does: y then stays a mean over
    the keys, and keeps its size whether or not they are sub-sampled.
    Raises ValueError for an unknown `pairwise`, and for shapes or dtypes that do not fit. See
    chapter 3, "Is the article's code the paper's block?".
    """
    one_of("pairwise", pairwise, PAIRWISE)
    check_operands(theta, phi, None, w_f, pairwise)
    if w_f is not None and pairwise == "concatenation":
        theta, phi = _split(theta, phi, w_f)  # (B, N, 1), (B, M, 1)
    if pairwise in SOFTMAX and theta.dtype == torch.float16:  # logits may pass its end, 65504
        return weights(theta.float(), phi.float(), pairwise).half()
    return weights(theta, phi, pairwise)


def attend(
    theta: Tensor,
    phi: Tensor,
    g: Tensor,
    w_f: Tensor | None = None,
    *,
    pairwise: Pairwise = "embedded_gaussian",
    attention: Attention = "fused",
) -> Tensor:
    """y = affinity · g (Eq. 1): theta (B, N, d), phi (B, M, d), g (B, M, dv) -> (B, N, dv).

    The same numbers three ways, at three prices in bytes:

    - "matmul" builds the (B, N, M) matrix, and training keeps it.
    - "chunked" builds a few rows of it at a time, and builds them again in the backward pass.
    - "fused" builds it on small maps alone, where it costs least (see `small`). Else it takes a
      fused softmax (see `fused`), or a sum in another order (below). Where a GPU has no kernel for
      the dtype it is "chunked": float64, and on a T4 bfloat16.

    The matrix of "matmul" has the operands' dtype: in float16, logits beyond 65504 are infinite
    there. The others keep logits in float32.

    Raises ValueError for an unknown `pairwise` or `attention`, and for shapes or dtypes that do not
    fit. The fused softmax has two derivatives, on a GPU one, and none in forward mode; asked for
    another it raises RuntimeError, and so do an export to ONNX of "chunked" and one of a
    concatenation that is "fused". On small maps, as products, it has all. See chapter 5, "Can it
    be exact without the N×N matrix?".
    """
    one_of("pairwise", pairwise, PAIRWISE)
    one_of("attention", attention, ATTENTION)
    instance("g", g, Tensor, "a tensor (B, M, dv)")
    check_operands(theta, phi, g, w_f, pairwise)
    if w_f is not None and pairwise == "concatenation":
        theta, phi = _split(theta, phi, w_f)  # (B, N, 1), (B, M, 1)
    if attention == "matmul":
        return weights(theta, phi, pairwise) @ g
    if (attention == "chunked" or pairwise == "concatenation") and _to_onnx():
        raise RuntimeError(NO_ONNX.format(attention=attention, pairwise=pairwise))
    if attention == "chunked":
        return chunked(theta, phi, g, pairwise, CHUNK)
    n, m, d, dv = theta.shape[1], phi.shape[1], theta.shape[2], g.shape[2]
    if is_small(theta, n, m, padded=d != dv) and (pairwise != "dot_product" or n * m < d * dv):
        return weights(theta, phi, pairwise) @ g
    if pairwise == "dot_product":
        return _reassociated(theta, phi, g)
    if pairwise == "concatenation":
        return _sorted_sums(theta, phi, g)
    capability = capability_of(theta)
    if capability is not None and not has_a_kernel(dtype_in_kernel(g), capability):
        return chunked(theta, phi, g, pairwise, CHUNK)  # no kernel there takes this dtype
    return fused_softmax(theta, phi, g, cuda=capability is not None)


def _to_onnx() -> bool:
    return torch.onnx.is_in_onnx_export()


# A graph takes its answer as it is, and not as always False. torch.compiler.assume_constant_result
# sets the same mark, and imports torch._dynamo for it: a second.
_to_onnx._dynamo_marked_constant = True  # type: ignore[attr-defined]


def check_operands(
    theta: Tensor, phi: Tensor, g: Tensor | None, w_f: Tensor | None, pairwise: str
) -> None:
    """Raise an error that names the operand that does not fit: the kernel would not notice."""
    instance("theta", theta, Tensor, "a tensor (B, N, d)")
    instance("phi", phi, Tensor, "a tensor (B, M, d)")
    if w_f is not None:
        instance("w_f", w_f, Tensor, "a tensor (2d,)")
    if theta.ndim != 3:
        raise ValueError(f"theta must be (B, N, d), not {tuple(theta.shape)}")
    batch, _, d = theta.shape
    if phi.ndim != 3 or phi.shape[0] != batch or phi.shape[2] != d or phi.shape[1] < 1:
        like = f"({batch}, M, {d}) beside theta {tuple(theta.shape)}, with 1 key or more"
        raise ValueError(f"phi must be {like}, not {tuple(phi.shape)}")
    if g is not None and (g.ndim != 3 or g.shape[:2] != phi.shape[:2]):
        like = f"({batch}, {phi.shape[1]}, dv) beside phi {tuple(phi.shape)}"
        raise ValueError(f"g must be {like}, not {tuple(g.shape)}")
    if pairwise == "concatenation" and (w_f is None or w_f.ndim != 1 or w_f.shape[0] != 2 * d):
        given = None if w_f is None else tuple(w_f.shape)
        raise ValueError(f"w_f must be ({2 * d},) for concatenation, not {given}")
    dtypes = [t.dtype for t in (theta, phi, g, w_f) if t is not None]
    if not all(dtype.is_floating_point for dtype in dtypes):
        raise ValueError(f"theta, phi, g and w_f must be floating point, not {dtypes}")
    where = [t.device for t in (theta, phi, g, w_f) if t is not None]
    if any(device != where[0] for device in where):
        raise ValueError(f"theta, phi, g and w_f must lie on one device, not {where}")
    if len(set(dtypes)) > 1 and not torch.is_autocast_enabled(autocast_of(theta)):
        raise ValueError(f"theta, phi, g and w_f must have one dtype, not {dtypes}")


def split_concatenation(theta: Tensor, phi: Tensor, w_f: Tensor) -> tuple[Tensor, Tensor]:
    """w_f · [theta_i, phi_j] = a_i + b_j: theta (B, N, d), phi (B, M, d) -> (B, N, 1), (B, M, 1).

    w_f: (2d,) is w_theta above w_phi. Written so, no (B, 2d, N, M) tensor of pairs is ever needed.
    Raises ValueError for shapes or dtypes that do not fit.
    """
    instance("w_f", w_f, Tensor, "a tensor (2d,)")
    check_operands(theta, phi, None, w_f, "concatenation")
    return _split(theta, phi, w_f)


def _split(theta: Tensor, phi: Tensor, w_f: Tensor) -> tuple[Tensor, Tensor]:
    w_theta, w_phi = w_f.unsqueeze(1).chunk(2)  # (d, 1), (d, 1)
    return theta @ w_theta, phi @ w_phi


def _reassociated(theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
    """(theta · phiᵀ) · g / M = theta · (phiᵀ · g / M): no softmax stands between the products."""
    return theta @ product_over(
        phi.shape[1], phi.transpose(1, 2), g
    )  # (B, N, d) · (B, d, dv) -> (B, N, dv)


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
    rows = -b.flatten(1).contiguous(), a.flatten(1).contiguous()
    if not torch.compiler.is_compiling() and FUNCTIONAL():
        # vmap repeats what it does not map as a view, of which searchsorted warns: a is mapped as b
        rows = rows[0], (rows[1] + rows[0].new_zeros(1)).contiguous()
    first = torch.searchsorted(*rows).unsqueeze(2)  # k(i): (B, N, 1)
    middle = b.narrow(1, b.shape[1] // 2, 1).detach()
    a, b = a + middle, b - middle  # leaves a + b as it is; smaller sums cancel less
    g = g.gather(1, order.expand_as(g))
    sums = torch.cat([g, b * g], dim=-1).cumsum(dim=1)  # (B, M, 2dv)
    sums = F.pad(sums, (0, 0, 1, 0))  # the sum of the first 0 keys is 0
    sum_g, sum_bg = sums.gather(1, first.expand(-1, -1, sums.shape[-1])).chunk(2, dim=-1)
    return ((a * sum_g + sum_bg) / b.shape[1]).to(dtype)
