"""What prediction and measurement share: checked arguments, the module, and how it is run."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from nonlocal_tut.arguments import one_of, said

DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
DEVICES = ("cpu", "cuda")

MakeModule = Callable[[], nn.Module]
InputShape = Sequence[int] | Callable[[], Any]  # of the one input, or what makes the inputs
MakeOptimizer = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


class Inputs(NamedTuple):
    """What the module is called with."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @property
    def tensors(self) -> list[Tensor]:
        return [leaf for leaf in tree_leaves((*self,)) if isinstance(leaf, Tensor)]


def checked(
    make_module: MakeModule, input_shape: InputShape, dtype: Any, device: Any, training: Any
) -> None:
    """Raise a ValueError that names the argument that is wrong, and what was given."""
    if isinstance(make_module, nn.Module):
        name = type(make_module).__name__
        raise ValueError(f"make_module must make the module, as lambda: {name}(…), not be one")
    if not callable(make_module):
        raise ValueError(
            f"make_module must be a function without arguments, not {said(make_module)}"
        )
    one_of("dtype", dtype, DTYPES)
    one_of("device", device, DEVICES)
    one_of("training", training, (True, False))
    if callable(input_shape):
        return
    sizes = input_shape if isinstance(input_shape, (tuple, list)) else ()
    if not sizes or any(type(size) is not int or size < 1 for size in sizes):
        raise ValueError(f"input_shape must be positive integers, not {input_shape!r}")
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


def inputs_for(
    input_shape: InputShape, dtype: torch.dtype, device: torch.device, training: bool
) -> Inputs:
    """Random numbers of a shape, or what the function makes under `device`, as the run takes it.

    Floating-point inputs are given the dtype, and in training receive a gradient.
    """
    if not callable(input_shape):
        made: Any = torch.randn(input_shape, dtype=dtype, device=device)
    else:
        with device:
            made = input_shape()
    args, kwargs = ((), made) if isinstance(made, dict) else (made, {})
    args = args if isinstance(args, tuple) else (args,)

    def ready(t: Tensor) -> Tensor:
        t = t.detach().to(device)
        return t.to(dtype).requires_grad_(training) if t.is_floating_point() else t

    inputs = Inputs(*tree_map_only(Tensor, ready, (args, kwargs)))
    if not inputs.tensors:
        raise ValueError(f"input_shape must make tensors, not {made!r}")
    return inputs


def held_by(module: nn.Module) -> list[Tensor]:
    """Its parameters and buffers."""
    return [*module.parameters(), *module.buffers()]


def forward(module: nn.Module, inputs: Inputs, training: bool) -> Any:
    """All that the module returns; without autograd where it is not training."""
    with torch.set_grad_enabled(training):
        return module(*inputs.args, **inputs.kwargs)


def optimizer_for(
    module: nn.Module, make_optimizer: MakeOptimizer | None, training: bool
) -> torch.optim.Optimizer | None:
    """The optimizer whose step follows. Raises ValueError if it is none, or if nothing trains."""
    if make_optimizer is None:
        return None
    if not training:
        raise ValueError("optimizer needs training=True: without gradients there is no step")
    if isinstance(make_optimizer, (torch.optim.Optimizer, nn.Module)) or not callable(
        make_optimizer
    ):
        raise ValueError(
            "optimizer must make one from parameters, as torch.optim.AdamW does, "
            f"not {type(make_optimizer).__name__}"
        )
    optimizer = make_optimizer(module.parameters())
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise ValueError(f"optimizer must make a torch.optim.Optimizer, not {optimizer!r}")
    return optimizer


def state_bytes(optimizer: torch.optim.Optimizer | None) -> int:
    """What an optimizer keeps from one step to the next."""
    leaves = tree_leaves(dict(optimizer.state)) if optimizer is not None else []
    return sum(t.numel() * t.element_size() for t in leaves if isinstance(t, Tensor))


def tensors_in(out: Any) -> list[Tensor]:
    """The tensors that the module returned; a backward pass starts from the first."""
    found = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
    if not found:
        raise ValueError(f"the module must return a tensor, not {out!r}")
    return found
