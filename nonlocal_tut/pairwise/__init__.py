"""The non-local operation on plain tensors: y = affinity(theta, phi) · g, Eq. 1 to 5.

`operation` holds the four pairwise forms and three ways to compute them; `fused` is the softmax
without the map; `backends` says which of torch's kernels would run it.
"""

from nonlocal_tut.pairwise.operation import (
    ATTENTION,
    PAIRWISE,
    SOFTMAX,
    affinity,
    attend,
    split_concatenation,
)

__all__ = ["ATTENTION", "PAIRWISE", "SOFTMAX", "affinity", "attend", "split_concatenation"]
