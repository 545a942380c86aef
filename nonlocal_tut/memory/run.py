"""What prediction and measurement share: checked arguments, the module, and how it is run."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from nonlocal_tut.arguments import one_of

DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
DEVICES = ("cpu", "cuda")

MakeModule = Callable[[], nn.Module]


def checked(make_module: MakeModule, input_shape: Sequence[int], dtype: Any, device: Any) -> None:
    """Raise a ValueError that names the argument that is wrong, and what was given."""
    if isinstance(make_module, nn.Module):
        name = type(make_module).__name__
        raise ValueError(f"make_module must make the module, as lambda: {name}(…), not be one")
    if not callable(make_module):
        raise ValueError(f"make_module must be a function without arguments, not {make_module!r}")
    sizes = input_shape if isinstance(input_shape, (tuple, list)) else ()
    if not sizes or any(type(size) is not int or size < 1 for size in sizes):
        raise ValueError(f"input_shape must be positive integers, not {input_shape!r}")
    one_of("dtype", dtype, DTYPES)
    one_of("device", device, DEVICES)
    if math.prod(sizes) * dtype.itemsize >= 2**63:
        raise ValueError(f"input_shape {input_shape!r} has more bytes than torch can count")


def place(device: str) -> torch.device:
    """Where a run on "cpu" or "cuda" takes place."""
    return torch.device(device)


def built(make_module: MakeModule, device: torch.device) -> nn.Module:
    """What the function makes under `device`. Raises ValueError if it is not a module."""
    with device:
        module = make_module()
    if not isinstance(module, nn.Module):
        raise ValueError(f"make_module must return a torch.nn.Module, not {module!r}")
    return module


def held_by(module: nn.Module) -> list[Tensor]:
    """Its parameters and buffers."""
    return [*module.parameters(), *module.buffers()]


def forward(module: nn.Module, x: Tensor, training: bool) -> Any:
    """All that the module returns; without autograd where it is not training."""
    with torch.set_grad_enabled(training):
        return module(x)


def tensors_in(out: Any) -> list[Tensor]:
    """The tensors that the module returned; a backward pass starts from the first."""
    found = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
    if not found:
        raise ValueError(f"the module must return a tensor, not {out!r}")
    return found
