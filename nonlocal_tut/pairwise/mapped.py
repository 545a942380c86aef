"""torch.func.vmap as a larger batch: the positions of one image never meet those of another.

So an operation on (B, N, d) that is mapped over V samples is the same operation on (V·B, N, d),
and what it does in place needs no rule of its own.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

FUNCTIONAL: Callable[[], bool] = torch._C._are_functorch_transforms_active  # vmap, jvp and others
EXPORTING: Callable[[], bool] = getattr(
    torch.compiler, "is_exporting", torch.compiler.is_compiling
)  # torch 2.6 knows the second alone
OLD_MAP: Callable[[Tensor], bool] = torch._C._functorch.is_legacy_batchedtensor


def as_one_batch(
    operation: Callable[..., Any], info: Any, in_dims: tuple[int | None, ...], *inputs: Any
) -> tuple[Any, Any]:
    """The `vmap` of an autograd.Function whose tensors all begin with the batch B.

    operation: its `apply`. A tensor that is not mapped is repeated; other inputs pass as they are.
    """
    size = info.batch_size

    def joined(tensor: Tensor, dim: int | None) -> Tensor:  # (B, …), mapped along dim
        each = tensor.expand(size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
        return each.flatten(0, 1)  # (V·B, …)

    given = zip(inputs, in_dims, strict=True)
    out = operation(*(joined(t, dim) if isinstance(t, Tensor) else t for t, dim in given))
    several = isinstance(out, tuple)
    apart = tuple(  # (V, B, …)
        t.unflatten(0, (size, t.shape[0] // size)) for t in (out if several else (out,))
    )
    return (apart, (0,) * len(apart)) if several else (apart[0], 0)


def applied(function: type[Function], *inputs: Any) -> Any:
    """function.apply(*inputs), which looks up default arguments each time: some 50 µs."""
    if FUNCTIONAL():
        return function.apply(*inputs)  # type: ignore[no-untyped-call]
    return super(Function, function).apply(*inputs)  # type: ignore[misc]
