"""Small maps, where the attention matrix costs less than any way round it, and "fused" builds it.

The bounds are where the two crossed on a CPU, 64 channels. At 16×16 and a batch of one the product
is 1.3 to 1.8 times as fast as the kernel, at 7×7 1.6 to 2.3 times. A batch of eight at 16×16 has
outgrown the cache: there the kernel is up to 1.2 times as fast, but not where it has to pad keys
that are narrower than values; then it is the slower one still. From 24×24 on the matrix would be
the largest tensor of the run, pooled keys or not, and "fused" promises that it is not there.

Left to the kernels: 16 bits and autocast, since the kernel has its logits in float32 and a product
rounds them; GPUs, where a kernel is one launch and the plain product three, and nobody has
measured; a program that is exported or traced, which would hold for small maps alone. See chapter
5, "Can it be exact without the N×N matrix?".
"""

import torch
from torch import Tensor
from torch.jit._trace import is_tracing

from nonlocal_tut.pairwise.mapped import EXPORTING

SMALL = 2**16  # entries of one image's N×M matrix; 0: none is small
IMAGES, IF_PADDED = 4, 16  # as large, that a batch may have


def is_small(like: Tensor, queries: int, keys: int, *, padded: bool) -> bool:
    """Whether "fused" is to build the matrix of so many queries and keys. like: (B, …).

    padded: whether keys and values have different widths, which the kernel pads.
    """
    if EXPORTING() or is_tracing() or torch.is_autocast_enabled("cpu"):
        return False
    here = like.device.type in ("cpu", "meta") and like.dtype in (torch.float32, torch.float64)
    entries, images = queries * keys, IF_PADDED if padded else IMAGES
    return here and entries <= SMALL and like.shape[0] * entries <= images * SMALL


def by_columns(theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
    """softmax(thetaᵀ · phi) · gᵀ: theta (B, d, N), phi (B, d, M), g (B, dv, M) -> (B, dv, N).

    Where a gradient is recorded, each query is a column of the matrix: a softmax down columns takes
    longer, but the backward pass then copies nothing that is transposed.
    """
    if torch.is_grad_enabled():
        p = torch.bmm(phi.mT, theta).softmax(dim=1)  # (B, M, N), over keys
        return torch.bmm(g, p)
    p = torch.bmm(theta.mT, phi).softmax(dim=2)  # (B, N, M), over keys
    return torch.bmm(g, p.mT)


def by_rows(theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
    """Each query a row: the same shapes, and the result is a view of rows (B, N, dv).

    A batch norm after it then goes backward with one tensor of its input's size less.
    """
    p = torch.bmm(theta.mT, phi).softmax(dim=2)  # (B, N, M), over keys
    return torch.bmm(p, g.mT).mT
