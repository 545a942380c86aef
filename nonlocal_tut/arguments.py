"""What every public function says of an argument that it cannot take: its name, and what came."""

import reprlib
from collections.abc import Iterable, Mapping
from math import isfinite
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

MOST = 2**63  # one more than torch can count to


def one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    """Raise a ValueError that names the argument, its value and the allowed ones."""
    if isinstance(value, Tensor) or not _is_in(value, allowed):
        raise ValueError(
            f"{name} must be one of {', '.join(map(repr, allowed))}, not {said(value)}"
        )


def whole(name: str, value: Any, least: int | None = None) -> int:
    """The value as an int. Raises a ValueError unless it is an integer, NumPy's too."""
    if not is_whole(value) or not (-MOST if least is None else least) <= value < MOST:
        bound = "" if least is None else f" of {least} or more"
        raise ValueError(f"{name} must be an integer{bound}, not {said(value)}")
    return int(value)


def is_whole(value: object) -> bool:
    """Whether it is an integer; True is none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether it is a finite real number; True is none."""
    return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)


def above_zero(name: str, value: Any) -> None:
    """Raise a ValueError unless it is a finite number above 0."""
    if not is_number(value) or not value > 0:
        raise ValueError(f"{name} must be a number above 0, not {said(value)}")


def instance(name: str, value: object, kinds: type | tuple[type, ...], what: str) -> None:
    """Raise a TypeError unless it is one of the kinds, which `what` tells in words."""
    if not isinstance(value, kinds):
        raise TypeError(f"{name} must be {what}, not {said(value)}")


def function(name: str, value: object, what: str) -> None:
    """Raise a TypeError unless it can be called."""
    if not callable(value):
        raise TypeError(f"{name} must be {what}, not {said(value)}")


def listed(name: str, value: Any, kinds: type | tuple[type, ...], what: str) -> tuple[Any, ...]:
    """What a sequence holds. Raises a TypeError for a text, and unless all are of the kinds."""
    several = isinstance(value, Iterable) and not isinstance(value, str)
    found = tuple(value) if several and getattr(value, "ndim", True) else None
    if found is None or not all(isinstance(part, kinds) for part in found):
        raise TypeError(f"{name} must be {what}, not {said(value)}")
    return found


def mapping(name: str, value: Any, what: str) -> None:
    """Raise a TypeError unless it maps texts to something."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise TypeError(f"{name} must be a mapping from names to {what}, not {said(value)}")


def numbers(name: str, value: Any) -> None:
    """Raise a ValueError unless a sequence, or a mapping's values, are finite numbers."""
    found = value.values() if isinstance(value, Mapping) else value
    if isinstance(found, (str, Tensor)) or not isinstance(found, Iterable):
        raise TypeError(f"{name} must be numbers, not {said(value)}")
    if not all(map(is_number, found)):
        raise ValueError(f"{name} must be finite numbers, not {said(value)}")


def tensor(name: str, value: Any, what: str, *axes: int) -> None:
    """Raise an error unless it is a tensor of real numbers with so many axes, as `what` tells."""
    instance(name, value, Tensor, f"a tensor {what}")
    if (axes and value.ndim not in axes) or value.is_complex() or value.is_meta:
        raise ValueError(f"{name} must be a tensor {what}, of real numbers, not {said(value)}")


def for_weights(device: Any, dtype: object) -> None:
    """Raise a ValueError unless torch knows the device, and the dtype is one of weights."""
    try:
        if device is not None:
            torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"device must be one of torch's, not {said(device)}") from error
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise ValueError(f"dtype must be one of torch's for floating point, not {said(dtype)}")


def said(value: object) -> str:
    """A value in an error: of a tensor its shape, dtype and device, of others a short repr."""
    if isinstance(value, np.ndarray):
        return f"an array {value.shape} of {value.dtype}"
    if isinstance(value, Tensor):
        where = "" if value.device.type == "cpu" else f" on {value.device}"
        return f"a {type(value).__name__} {tuple(value.shape)} of {value.dtype}{where}"
    return " ".join((repr(value) if isinstance(value, str) else reprlib.repr(value)).split())


def _is_in(value: object, allowed: tuple[object, ...]) -> bool:
    try:
        return value in allowed
    except (ValueError, TypeError):  # an array, which compares number by number
        return False
