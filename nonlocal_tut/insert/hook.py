"""How a block runs behind a module: as its child, from its forward hook.

As a child, because whatever moves, copies, saves, wraps or trains the module then takes the block
along. The hook holds the block's path and not the block: a copy of the model runs its own block.
"""

from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

RUNS_ITS_CHILDREN = (nn.Sequential, nn.ModuleDict, nn.ModuleList)


class RunBlock:
    """The forward hook: the module's output with its first (B, C, …) tensor through the block."""

    def __init__(self, path: str) -> None:
        self.path = path  # of the block, seen from the module

    def __call__(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        x = first_map(output, "a module with a block behind it")
        y = module.get_submodule(self.path)(x)
        if output is x:
            return y
        leaves, spec = tree_flatten(output)
        return tree_unflatten([y if leaf is x else leaf for leaf in leaves], spec)


def first_map(output: Any, whose: str) -> Tensor:
    """The first (B, C, …) tensor of what a module returned."""
    leaves = [output] if isinstance(output, Tensor) else tree_flatten(output)[0]
    for leaf in leaves:
        if isinstance(leaf, Tensor) and leaf.ndim > 2 and leaf.is_floating_point():
            return leaf
    what = [tuple(a.shape) if isinstance(a, Tensor) else type(a).__name__ for a in leaves]
    raise ValueError(f"{whose} must return a (B, C, …) tensor, not {what}")


def has_block(module: nn.Module) -> bool:
    return any(isinstance(hook, RunBlock) for hook in module._forward_hooks.values())


def home_of(target: nn.Module, name: str) -> tuple[nn.Module, list[str]]:
    """The module whose child the block becomes, and the path to it.

    The target itself, unless it runs its children one by one, which would run the block with them:
    then its last child.
    """
    path = []
    while isinstance(target, RUNS_ITS_CHILDREN):
        if not len(target):
            raise ValueError(f"blocks[{name!r}] must follow a module, not an empty container")
        last, target = list(target.named_children())[-1]
        path.append(last)
    return target, path
