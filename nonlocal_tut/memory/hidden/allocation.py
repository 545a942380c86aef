"""One allocation inside an operation, and the choice of the moment at which most are alive."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass
class Hidden:
    """One allocation inside an operation: what it is, its shape and dtype."""

    what: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    less: int = 0  # bytes of the operation's outputs that do not exist yet beside it

    @property
    def bytes(self) -> int:
        return torch.Size(self.shape).numel() * self.dtype.itemsize - self.less


# From an operation's positional arguments and its outputs to what is alive inside it at its peak.
Row = Callable[[tuple[Any, ...], Any], Iterable[Hidden]]


def copy_of(tensor: Tensor, what: str) -> Hidden:
    return Hidden(f"contiguous copy of {what}", tuple(tensor.shape), tensor.dtype)


def largest(*moments: Iterable[Hidden]) -> Iterator[Hidden]:
    """Of several moments inside an operation, the one that takes most; none if all take nothing."""
    found = max((list(moment) for moment in moments), key=total)
    return iter(found if total(found) > 0 else [])


def total(moment: Iterable[Hidden]) -> int:
    return sum(hidden.bytes for hidden in moment)


def size(tensor: Tensor | None) -> int:
    """Its bytes; 0 for an output that was not asked for."""
    return 0 if tensor is None else tensor.numel() * tensor.element_size()
