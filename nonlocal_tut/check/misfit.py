"""Whether a result can be compared with the right one at all: its type, its shape, its dtype."""

import reprlib
from typing import Any

from torch import Tensor


def misfit(got: Any, wanted: Tensor) -> str:
    """A hint if what the reader's function returns is not like `wanted`, else ""."""
    if not isinstance(got, Tensor):
        said = " ".join(reprlib.repr(got).split())  # one line, whatever it is
        return f"the function should return a tensor, it returns {said}."
    if got.shape != wanted.shape:
        return f"the result should have shape {tuple(wanted.shape)}, yours has {tuple(got.shape)}."
    if got.dtype != wanted.dtype:
        return f"the result should be {wanted.dtype}, like what it is made from, not {got.dtype}."
    return ""
