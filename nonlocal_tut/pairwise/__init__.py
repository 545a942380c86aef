"""The non-local operation on plain tensors: y = affinity(theta, phi) · g, Eq. 1 to 5.

`operation` chooses among three ways to compute it; `forms` are the four pairwise forms, with the
map; `chunked` builds some rows of it at a time; `fused` is the softmax without it, whose gradients
`by_blocks` may compute; `small` says where it is built all the same, because that costs less;
`backends` says which of torch's kernels would run it.
"""

from nonlocal_tut.pairwise.forms import PAIRWISE, SOFTMAX, Pairwise
from nonlocal_tut.pairwise.operation import (
    ATTENTION,
    Attention,
    affinity,
    attend,
    split_concatenation,
)

__all__ = [
    "ATTENTION",
    "PAIRWISE",
    "SOFTMAX",
    "Attention",
    "Pairwise",
    "affinity",
    "attend",
    "split_concatenation",
]
