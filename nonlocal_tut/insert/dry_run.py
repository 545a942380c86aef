"""What the modules inside a model return, found without calling the model itself.

A copy in eval mode runs, so statistics, gradients, modes and counters of the original stay. The
copy has no forward hooks: one that records activations would record those of the dry run.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.utils._pytree import tree_map_only

from nonlocal_tut.copies import copied, without_numbers

SIDES: dict[type[nn.Module], tuple[int, ...]] = {  # of a guess
    nn.Conv1d: (1024,),
    nn.Conv2d: (224, 224),
    nn.Conv3d: (64, 64, 64),
}


def outputs_of(model: nn.Module, names: Iterable[str], example: Any = None) -> dict[str, Any]:
    """What each named module returns when the model runs: {name: output}.

    The copy runs on the meta device, where it costs no memory and no time, or with numbers where
    it refuses that. An error behind the last of the named modules does not matter.
    example: a tensor, a tuple of arguments or a dict of keyword arguments; None: zeros that fit
    the first convolution. Raises ValueError if the model cannot be run, or not all modules run.
    """
    example = _guess(model) if example is None else example
    args = example if isinstance(example, tuple) else (example,)
    args, kwargs = ((), example) if isinstance(example, dict) else (args, {})
    shapes = tree_map_only(Tensor, lambda t: tuple(t.shape), example)
    names = list(names)
    try:
        return _run(without_numbers(model), names, *tree_map_only(Tensor, _meta, (args, kwargs)))
    except Exception:  # whatever a model may raise that looks at its numbers
        pass
    try:
        here = next((p.device for p in model.parameters()), torch.device("cpu"))
        args, kwargs = tree_map_only(Tensor, lambda t: _numbers(t, here), (args, kwargs))
        return _run(copied(model), names, args, kwargs)
    except Exception as error:
        raise ValueError(
            f"the dry run failed with example={shapes}: {type(error).__name__}: {error}"
        ) from error


@torch.no_grad()
def _run(
    model: nn.Module, names: list[str], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for module in model.eval().modules():
        module._forward_hooks.clear()
    for name in names:
        module = model.get_submodule(name)
        module.register_forward_hook(lambda _, __, out, name=name: found.update({name: out}))
    devices = {p.device for p in model.parameters() if p.is_cuda}
    with torch.random.fork_rng(devices=list(devices)):
        try:
            model(*args, **kwargs)
        except Exception:
            if len(found) < len(names):
                raise
    silent = [name for name in names if name not in found]
    if silent:
        raise ValueError(f"{silent} did not run: does the model call their forward?")
    return found


def _guess(model: nn.Module) -> Tensor:
    for conv in model.modules():
        sides = SIDES.get(type(conv))
        if sides and isinstance(conv, _ConvNd) and conv.in_channels:
            return conv.weight.new_zeros((1, conv.in_channels, *sides))
    raise ValueError("example must be given: the model has no convolution that tells its input")


def _meta(tensor: Tensor) -> Tensor:
    return torch.empty_like(tensor, device="meta", requires_grad=False)


def _numbers(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on that device; zeros for one without numbers."""
    return torch.zeros_like(tensor, device=device) if tensor.is_meta else tensor.to(device)
