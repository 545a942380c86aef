"""The casts of the CPU's autocast, for tensors on the meta device, which torch's own passes over.

Autocast casts what goes into an operation, before autograd sees it: matrix products and
convolutions take 16 bits, some others float32, and joining tensors the widest of theirs. Whether an
operation is among them is asked of torch's dispatcher. A parameter is cast once and kept until the
outermost autocast is left.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map_only

LOWER = set(
    """_addmm_activation _native_multi_head_attention addbmm addmm baddbmm bmm conv1d conv2d conv3d
    conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d convolution linalg_vecdot linear
    matmul mkldnn_rnn_layer mm prelu scaled_dot_product_attention""".split()
)
WIDEST = {"cat", "stack", "index_copy"}
ATEN = {  # a function's name in Python -> the operation's
    "__matmul__": "matmul",
    "__rmatmul__": "matmul",
    "cross_entropy": "cross_entropy_loss",
    "grid_sample": "grid_sampler",
}


class Casts:
    """Runs operations on what autocast makes of their operands."""

    def __init__(self) -> None:
        self.kept: dict[int, Tensor] = {}  # a parameter's id -> its cast
        self.open = False  # whether autocast would act on what runs now

    def run(self, name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any:
        """func(*args, **kwargs), which is torch's function of that name."""
        if _is_outside():
            self.kept.clear()
        self.open = torch.is_autocast_enabled("cpu")
        name = ATEN.get(name, name)
        if not self.open or name not in _cast_by_autocast():
            return func(*args, **kwargs)
        wanted = _wanted(name, tree_leaves((args, kwargs)))
        kwargs = tree_map_only(Tensor, lambda t: self._cast(t, wanted), kwargs)
        last_first = [  # the order in which the C++ of torch's wheels for Linux evaluates them
            tree_map_only(Tensor, lambda t: self._cast(t, wanted), a) for a in reversed(args)
        ]
        args = tuple(reversed(last_first))
        self.open = False
        with torch.autocast("cpu", enabled=False):  # as below autocast's own kernel
            return func(*args, **kwargs)

    def missed(self, name: str, args: tuple[Any, ...]) -> str | None:
        """Says it where an operation inside another would have been cast, and was not."""
        if not self.open or name in WIDEST or name not in _cast_by_autocast() | {"convolution"}:
            return None
        leaves = tree_leaves(args)
        wanted = _wanted(name, leaves)
        other = any(_is_cast(leaf) and leaf.dtype != wanted for leaf in leaves)
        return f"autocast of {name} inside another operation" if other else None

    def _cast(self, tensor: Tensor, dtype: torch.dtype) -> Tensor:
        if not _is_cast(tensor) or tensor.dtype == dtype:
            return tensor
        is_kept = tensor.requires_grad and tensor.is_leaf and tensor.dtype == torch.float32
        if not is_kept or not torch.is_autocast_cache_enabled():
            return tensor.to(dtype)
        if id(tensor) not in self.kept:
            self.kept[id(tensor)] = tensor.to(dtype)
        return self.kept[id(tensor)]


def _wanted(name: str, operands: list[Any]) -> torch.dtype:
    low = torch.get_autocast_dtype("cpu")
    if name in LOWER:
        return low
    narrow = name in WIDEST and all(t.dtype == low for t in operands if _is_cast(t))
    return low if narrow else torch.float32


def _is_cast(operand: Any) -> bool:
    is_float = isinstance(operand, Tensor) and operand.is_floating_point()
    return is_float and operand.dtype != torch.float64


def _is_outside() -> bool:
    """Whether no autocast is entered at all; torch tells its depth only while changing it."""
    depth = torch.autocast_increment_nesting()
    torch.autocast_decrement_nesting()
    return depth == 1


@cache
def _cast_by_autocast() -> set[str]:
    """The names of the operations for which autocast has a kernel on the CPU."""
    names = [name for name in torch._C._dispatch_get_all_op_names() if name.startswith("aten::")]
    has = torch._C._dispatch_has_kernel_for_dispatch_key
    return {name[6:].split(".")[0] for name in names if has(name, "AutocastCPU")}
