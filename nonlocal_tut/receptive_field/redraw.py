"""Fresh weights for somebody's net, its parametrized ones included."""

from collections.abc import Callable, Iterator
from typing import cast

import torch
from torch import nn
from torch.nn.utils import parametrize

OLD = {"WeightNorm": "weight_norm", "SpectralNorm": "spectral_norm"}  # hooks: torch's norms of old
SETTLED = 30  # passes after which spectral norm's power iteration knows the fresh weight


def redraw(net: nn.Module) -> None:
    """Every submodule's reset_parameters, the inner ones first, so that the outer has its word.

    A parametrized weight (spectral norm, weight norm) is drawn as the bare layer draws it and given
    to its parametrization. Raises ValueError for weights that cannot be drawn so: without a
    reset_parameters in their module or around it, behind a parametrization that takes no weight,
    or under the norms of old, which are hooks. See chapter 1, "How far can a convolution see?".
    """
    layers = dict(net.named_modules())
    for name, layer in layers.items():
        own = [key for key, _ in layer.named_parameters(recurse=False)]
        if own and not any(_reset_of(layers[around]) for around in _path(name)):
            raise _refusal(name, layer, f"nothing resets {own[0]!r}; write a reset_parameters")
        for hook in layer._forward_pre_hooks.values():
            if old := OLD.get(type(hook).__name__):
                raise _refusal(name, layer, f"use torch.nn.utils.parametrizations.{old} instead")
    for name, layer in reversed(layers.items()):
        if parametrize.is_parametrized(layer) and _reset_of(layer):
            _redraw_parametrized(name, layer)
        elif reset := _reset_of(layer):
            reset()


def _redraw_parametrized(name: str, layer: nn.Module) -> None:
    keys = list(cast(nn.ModuleDict, layer.parametrizations))
    fresh = {key: nn.Parameter(torch.empty_like(getattr(layer, key))) for key in keys}
    bare: nn.Module = object.__new__(parametrize.type_before_parametrizations(layer))
    bare.__dict__.update(vars(layer), _parameters={**layer._parameters, **fresh})
    if reset := _reset_of(bare):
        reset()
    try:
        with torch.no_grad():
            for key in keys:
                setattr(layer, key, fresh[key].detach())
    except (NotImplementedError, RuntimeError, ValueError) as error:
        raise _refusal(name, layer, f"its parametrization takes no weight ({error})") from error
    training = layer.training
    layer.train()
    for _ in range(SETTLED):
        for key in keys:
            getattr(layer, key)
    layer.train(training)


def _reset_of(layer: nn.Module) -> Callable[[], None] | None:
    """Its reset_parameters; nn.MultiheadAttention has it under a name of its own."""
    return getattr(layer, "reset_parameters", getattr(layer, "_reset_parameters", None))


def _path(name: str) -> Iterator[str]:
    """ "a.b.c" -> "a.b.c", "a.b", "a", "": a module's name and those of the modules around it."""
    while name:
        yield name
        name = name.rpartition(".")[0]
    yield name


def _refusal(name: str, layer: nn.Module, why: str) -> ValueError:
    what = f"{name!r} ({type(layer).__name__})" if name else type(layer).__name__
    return ValueError(f"redraw cannot draw the weights of {what} anew: {why}, or redraw=False")
