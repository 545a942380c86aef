"""Copies of modules, with their numbers or without: the original stays as it was."""

import copy
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves


def copied(module: nn.Module) -> nn.Module:
    """A copy, also of a module that keeps a computed tensor, as the old weight_norm does.

    `deepcopy` copies leaves of the graph alone, and no buffer without a size.
    """
    lazy = [v for v in _held(module) if isinstance(v, nn.UninitializedBuffer)]
    memo = {
        id(v): nn.UninitializedBuffer(device=v.device, dtype=v.dtype)  # type: ignore[call-arg]
        for v in lazy
    }
    computed = [v for v in _held(module) if isinstance(v, Tensor) and not v.is_leaf]
    return copy.deepcopy(module, memo | {id(v): v.detach().clone() for v in computed})


def without_numbers(module: nn.Module) -> nn.Module:
    """A copy on the meta device: what is copied of a tensor is its shape."""
    # A copy, because torch.func.functional_call would keep what a forward assigns to self.
    memo = {id(v): _stand_in(v) for v in _held(module) if isinstance(v, Tensor)}
    return copy.deepcopy(module, memo)


def _held(module: nn.Module) -> list[Any]:
    """All that a module and its parts keep, in lists and dicts, too."""
    return tree_leaves([vars(part) for part in module.modules()])


def _stand_in(tensor: Tensor) -> Tensor:
    bare = tensor.detach().to("meta")
    is_parameter = isinstance(tensor, nn.Parameter)
    return nn.Parameter(bare, tensor.requires_grad) if is_parameter else bare
