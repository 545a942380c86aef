"""A block into somebody's model, behind any of its modules, and out again."""

import difflib
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

from torch import Tensor, nn

from nonlocal_tut.arguments import instance
from nonlocal_tut.insert.dry_run import outputs_of
from nonlocal_tut.insert.hook import RunBlock, first_map, has_block, home_of

CHILD = "inserted"  # the block's name in its module, and in the state dict

Factory = Callable[[int], nn.Module]


def insert_after(
    model: nn.Module, blocks: Mapping[str, nn.Module | Factory], *, example: Any = None
) -> nn.Module:
    """Put a block behind each named module of a model, and return the same model.

    - `blocks`: {name as in `model.named_modules()`: a block, or a factory that makes one from the
      channel count, as `{"layer3.4": NonLocalBlock}`}. A block maps (B, C, …) to the same shape.
      If the module returns a tuple or a dict, its first (B, C, …) tensor passes through the block.
    - `example`: what a dry run calls the model with: a tensor, a tuple of arguments or a dict of
      keyword arguments. None: an image, sequence or volume that fits the model's first convolution.

    The dry run finds the channels and checks the shapes. It runs a copy of the model, on the meta
    device, or with numbers where the model refuses that; the model itself is not called. Where no
    dry run succeeds, blocks that are ready go in unchecked, and the first forward pass checks them.

    A block that starts as the identity leaves all outputs as they are (-0.0 may become 0.0). It
    takes the module's device, dtype and training mode. The keys of `model.state_dict()` stay; the
    block's come beside them, under "layer3.4.inserted" (after a Sequential, under its last child).
    So an older checkpoint loads with `strict=False`, whose result lists in `missing_keys` what is
    new, a batch norm's counter aside; in a model without the blocks, `unexpected_keys` lists what
    is left over. Insert first; then make the optimizer, which would not know the blocks, and
    compile or wrap the model, which would not run them.

    Raises ValueError for a name that does not exist, a module that gives no (B, C, …) tensor, a
    block that does not fit it, and a place or a block that is taken; the model is then unchanged.
    See chapter 6, "Where does it go, and what does it attend to?".
    """
    instance("model", model, nn.Module, "a torch.nn.Module")
    instance("blocks", blocks, Mapping, "a mapping from names to blocks")
    targets = {name: module_of(model, name, "blocks") for name in blocks}
    homes = {name: home_of(target, name) for name, target in targets.items()}
    _refuse_what_is_taken(model, blocks, targets)
    made = {name: b for name, b in blocks.items() if isinstance(b, nn.Module)}
    try:
        found = outputs_of(model, targets, example)
    except ValueError:
        if len(made) < len(blocks) or example is not None:
            raise
        found = {}
    for name, output in found.items():
        x = first_map(output, f"blocks: {name!r}")
        if name not in made:
            made[name] = _made_by(blocks[name], x.shape[1], f"blocks[{name!r}]")
        _check_that_it_fits(made[name], x, f"blocks[{name!r}]")
    for name, target in targets.items():
        (home, path), child = homes[name], CHILD
        while hasattr(home, child):
            child += "_"
        home.add_module(child, _like(made[name], target, model).train(target.training))
        target.register_forward_hook(RunBlock(".".join([*path, child])))
    return model


def remove(model: nn.Module, name: str) -> nn.Module:
    """Take out the block behind the named module, and return the same model, as it was before.

    Raises ValueError for a name that does not exist or has no block behind it.
    """
    instance("model", model, nn.Module, "a torch.nn.Module")
    target = module_of(model, name, "name")
    for key, hook in target._forward_hooks.items():
        if isinstance(hook, RunBlock):
            *path, child = hook.path.split(".")
            delattr(target.get_submodule(".".join(path)), child)
            del target._forward_hooks[key]
            return model
    there = [n for n, m in model.named_modules() if has_block(m)]
    raise ValueError(f"name: no block was inserted after {name!r}, only after {there}")


def module_of(model: nn.Module, name: str, argument: str) -> nn.Module:
    """The module of that name. Raises ValueError, with the nearest names, if there is none."""
    names = [n for n, _ in model.named_modules(remove_duplicate=False) if n]
    if name in names:
        return model.get_submodule(name)
    near = difflib.get_close_matches(str(name), names, n=3, cutoff=0)
    raise ValueError(f"{argument}: the model has no module {name!r}; the nearest are {near}")


def _refuse_what_is_taken(
    model: nn.Module, blocks: Mapping[str, nn.Module | Factory], targets: Mapping[str, nn.Module]
) -> None:
    places: dict[int, str] = {}
    taken = {id(module): "the model" for module in model.modules()}
    for name, target in targets.items():
        other = places.setdefault(id(target), name)
        if other != name:
            raise ValueError(f"blocks: {other!r} and {name!r} are the same module")
        if has_block(target):
            raise ValueError(f"blocks: {name!r} has a block behind it; remove(model, {name!r})")
    for name, block in blocks.items():
        if not callable(block):
            raise ValueError(f"blocks[{name!r}] must be a block or a factory, not {block!r}")
        if isinstance(block, nn.Module):
            owner = taken.setdefault(id(block), f"blocks[{name!r}]")
            if owner != f"blocks[{name!r}]":
                raise ValueError(
                    f"blocks[{name!r}] is already in {owner}; a factory makes one each"
                )


def _made_by(factory: Factory, channels: int, whose: str) -> nn.Module:
    block = factory(channels)
    if not isinstance(block, nn.Module):
        raise ValueError(f"{whose} must make a torch.nn.Module, not {block!r}")
    return block


def _check_that_it_fits(block: nn.Module, x: Tensor, whose: str) -> None:
    dtype = next((p.dtype for p in block.parameters() if p.is_floating_point()), x.dtype)
    try:
        out = outputs_of(block, [""], x.to(dtype))[""]
    except ValueError as error:
        why = f"{tuple(x.shape)}, the output of its module: {error.__cause__}"
        raise ValueError(f"{whose} does not take {why}") from error
    shape = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
    if shape != tuple(x.shape):
        raise ValueError(f"{whose} must return what it takes, {tuple(x.shape)}, not {shape}")


def _like(block: nn.Module, target: nn.Module, model: nn.Module) -> nn.Module:
    """The block on the device and in the dtype of the module that it follows."""
    for tensor in chain(*(f() for m in (target, model) for f in (m.parameters, m.buffers))):
        if tensor.is_floating_point():
            return block.to(tensor.device, tensor.dtype)
    return block
