"""f(x_i, x_j) / C(x) for the four pairwise forms: the matrix, or some rows of it."""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

Pairwise = Literal["gaussian", "embedded_gaussian", "dot_product", "concatenation"]
PAIRWISE: tuple[Pairwise, ...] = get_args(Pairwise)
SOFTMAX = PAIRWISE[:2]  # the others are divided by the number of keys


def weights(theta: Tensor, phi: Tensor, pairwise: str) -> Tensor:
    """theta (B, N, d), phi (B, M, d) -> (B, N, M); "concatenation" has (B, N, 1), (B, M, 1)."""
    keys = phi.transpose(1, 2)  # (B, d, M)
    if pairwise == "dot_product":
        return product_over(phi.shape[1], theta, keys)  # (B, N, d) · (B, d, M) -> (B, N, M)
    if pairwise == "concatenation":
        return F.relu(theta + keys) / phi.shape[1]  # (B, N, 1) + (B, 1, M) -> (B, N, M)
    return (theta @ keys).softmax(dim=-1)  # over keys


def scores_backward(p: Tensor, dp: Tensor, pairwise: str) -> Tensor:
    """The gradient ds (B, N, M) of the scores, theta · phiᵀ or a_i + b_j, from that of p.

    It may overwrite dp.
    """
    if pairwise == "dot_product":
        return dp.div_(p.shape[2])
    if pairwise == "concatenation":
        return dp.masked_fill(p <= 0, 0).div_(p.shape[2])
    ds: Tensor = torch.ops.aten._softmax_backward_data(dp, p, -1, p.dtype)
    return ds


def to_queries(ds: Tensor, phi: Tensor, pairwise: str) -> Tensor:
    """The gradient of theta, ds · phi; with dsᵀ and theta that of phi."""
    return ds.sum(dim=2, keepdim=True) if pairwise == "concatenation" else ds @ phi


def autocast_of(tensor: Tensor) -> str:
    """Whose autocast is meant: a tensor without numbers follows the CPU's, as it runs like it."""
    return "cpu" if tensor.device.type == "meta" else tensor.device.type


def product_over(count: int, left: Tensor, right: Tensor) -> Tensor:
    """left · right / count, divided inside the product: float16 ends at 65504, a sum may not."""
    return torch.baddbmm(left.new_zeros(1), left, right, beta=0, alpha=1 / count)
