"""What every public function says of an argument that it cannot take: its name, and what came."""

import reprlib
from collections.abc import Callable
from math import isfinite
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

MOST = 2**63  # one more than torch can count to


def one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    """Raise a ValueError that names the argument, its value and the allowed ones."""
    if isinstance(value, Tensor) or not _is_in(value, allowed):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, not {said(value)}")


def whole(name: str, value: object, least: int = 1) -> None:
    """Raise a ValueError unless it is an integer, NumPy's too, of `least` or more."""
    integer = isinstance(value, Integral) and not isinstance(value, bool)
    if not integer or not least <= value < MOST:  # type: ignore[operator]
        raise ValueError(f"{name} must be an integer of {least} or more, not {said(value)}")


def above_zero(name: str, value: object) -> None:
    """Raise a ValueError unless it is a finite number above 0."""
    if not is_number(value) or not value > 0:  # type: ignore[operator]
        raise ValueError(f"{name} must be a number above 0, not {said(value)}")


def is_number(value: object) -> bool:
    """Whether it is a finite real number, NumPy's too."""
    return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)


def instance(name: str, value: object, kinds: type | tuple[type, ...], what: str) -> None:
    """Raise a TypeError unless it is one of the kinds, which `what` tells in words."""
    if not isinstance(value, kinds):
        raise TypeError(f"{name} must be {what}, not {said(value)}")


def tensor(name: str, value: object, axes: int | tuple[int, ...], what: str) -> None:
    """Raise an error unless it is a real tensor with numbers and so many axes, as `what` tells."""
    instance(name, value, Tensor, f"a tensor {what}")
    assert isinstance(value, Tensor)
    if value.ndim not in (axes if isinstance(axes, tuple) else (axes,)):
        raise ValueError(f"{name} must be {what}, not {said(value)}")
    if value.is_complex() or value.is_meta:
        raise ValueError(f"{name} must hold real numbers, not {said(value)}")


def function(name: str, value: object, what: str) -> Callable[..., Any]:
    """The value, if it can be called. Raises a TypeError for anything else."""
    if not callable(value):
        raise TypeError(f"{name} must be {what}, not {said(value)}")
    return value


def place(device: object, dtype: object) -> None:
    """Raise an error unless torch knows the device, and the dtype is one of weights."""
    try:
        device is None or torch.device(device)  # type: ignore[call-overload]
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"device must be one of torch's, not {said(device)}") from error
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise ValueError(f"dtype must be a floating-point dtype of torch, not {said(dtype)}")


def said(value: object) -> str:
    """A value in an error: of a tensor its shape, dtype and device, of others a short repr."""
    if isinstance(value, Tensor):
        where = "" if value.device.type == "cpu" else f" on {value.device}"
        return f"a {type(value).__name__} {tuple(value.shape)} of {value.dtype}{where}"
    if isinstance(value, (str, type, torch.dtype, type(None), bool, int, float)):
        return repr(value)
    return f"a {type(value).__name__}: {' '.join(reprlib.repr(value).split())}"


def _is_in(value: object, allowed: tuple[object, ...]) -> bool:
    try:
        return value in allowed
    except (ValueError, TypeError):  # an array, which compares number by number
        return False
