"""Values that an argument may be given by mistake, and values that are right but unusual.

A kind of argument has both, each as a function of a value that is right: `refused` must end in an
error that names the argument and what was given, `taken` in the same result.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, nan
from typing import Any

import numpy as np
import torch
from torch import nn

Values = dict[str, Callable[[Any], Any]]


@dataclass(frozen=True)
class Kind:
    """What an argument of this kind must refuse, and what it must take."""

    refused: Values
    taken: Values


def constants(*values: Any) -> Values:
    return {" ".join(repr(v).split())[:40]: lambda _, v=v: v for v in values}


def kind(*refused: Any, but: tuple[Any, ...] = (), taken: Values | None = None) -> Kind:
    """Of constants; `but` are those that this argument may have."""
    kept = [v for v in refused if not any(type(v) is type(b) and repr(v) == repr(b) for b in but)]
    return Kind(constants(*kept), taken or {})


def count(least: int = 1, optional: bool = False) -> Kind:
    """An integer. True is not a count, and 2**70 is more than torch can count."""
    wrong = [
        least - 1,
        min(least - 1, -1),
        1.5,
        True,
        nan,
        inf,
        "3",
        [2],
        2**70,
        torch.ones(2),
        np.ones(2),
    ]
    wrong += [] if optional else [None]
    as_numpy = {"NumPy's integer": lambda value: np.int64(value)}
    return Kind(constants(*wrong), as_numpy)


def choice(*but: Any) -> Kind:
    """One of a few words or numbers; `but` are those of the values below that are among them."""
    return kind(0, -1, 1.5, None, nan, "typo", [1], torch.ones(2), np.ones(2), but=but)


def number(*but: Any) -> Kind:
    """A finite number above 0."""
    return kind(0, -1, True, None, nan, inf, "3", [1], torch.ones(2), but=but)


def several(*wrong: Any) -> Kind:
    """A mapping or a sequence of something; `wrong` are those that hold something else."""
    return kind(0, 1.5, None, nan, "three", [3], *wrong, torch.ones(2))


def anything_but(*but: Any) -> Kind:
    """For arguments that are modules, functions, mappings or sequences of something."""
    return kind(
        0, -1, 1.5, True, None, nan, "three", [3.5], {3: 3}, torch.ones(2), nn.ReLU(), but=but
    )


FLAG = kind(-1, 2, 1.5, None, nan, "no", [], torch.ones(2))
TEXT = kind(0, 1.5, True, None, nan, ["a"], torch.ones(2))
DEVICE = kind(1.5, nan, "nowhere", [1], torch.ones(2))
FLOATING = kind(0, True, nan, "float32", float, torch.int64, torch.bool, torch.complex64)


def spread(x: torch.Tensor) -> torch.Tensor:
    """The same numbers, each side stored in the opposite order with a gap between neighbors."""
    wide = x.new_zeros([2 * n for n in reversed(x.shape)])
    view = wide[tuple(slice(None, None, 2) for _ in x.shape)].permute(*reversed(range(x.ndim)))
    return view.copy_(x)


def repeated(x: torch.Tensor) -> torch.Tensor:
    """Its first entry along the first axis, expanded to all."""
    return x[:1].expand(x.shape)


def with_one(value: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """The same, but for its last number."""

    def put(x: torch.Tensor) -> torch.Tensor:
        x = x.clone()
        x[(-1,) * x.ndim] = value
        return x

    return put


NOT_A_TENSOR = {
    **constants(None, 3, "three"),
    "list": lambda x: x.tolist(),
    "numpy": lambda x: x.detach().numpy(),
}
NOT_REAL: Values = {
    "complex": lambda x: x.to(torch.complex64),
    "meta": lambda x: x.to("meta"),
}
RANK: Values = {"more axes": lambda x: x[None, None, None], "no axis": lambda x: x.sum()}
NOT_FLOATING: Values = {"int64": lambda x: x.long(), "bool": lambda x: x.bool(), **NOT_REAL}
LAID_OUT: Values = {
    "spread": spread,
    "expanded": repeated,
    "requires_grad": lambda x: x.clone().requires_grad_(),
    "float64": lambda x: x.double(),
}
UNUSUAL: Values = {
    "nan": with_one(nan),
    "inf": with_one(inf),
    "huge": with_one(1e15),
}  # its square fits into float32


def numbers(*but: str, more: Values | None = None) -> Kind:
    """A floating-point tensor; `but` are the names of values above that this argument may have."""
    refused = NOT_A_TENSOR | NOT_FLOATING | RANK | (more or {})
    taken = LAID_OUT | UNUSUAL
    return Kind(*({n: v for n, v in values.items() if n not in but} for values in (refused, taken)))
