"""What a call costs: its multiply-adds, counted where torch dispatches its operations.

One multiply-add is one multiplication and one addition: one for each term of each sum of products
of two tensors. Torch's FlopCounterMode, whose formulas these are, counts it as two flops. What is
made of products (attention layers, an LSTM, einsum) falls apart into them on the way there. See
`free` for what counts nothing, and chapter 2, "What does each bmm multiply?".
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._ops import OpOverload, OpOverloadPacket
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from nonlocal_tut.shapes.free import is_free
from nonlocal_tut.shapes.names import Shape

Formula = Callable[..., int]


class Count(NamedTuple):
    """An operation that torch dispatched, and its multiply-adds; None if no formula is known."""

    operation: str
    inputs: list[Shape]
    outputs: list[Shape]
    multiply_adds: int | None


class Counter(TorchDispatchMode):
    """Collects, while it is entered, a `Count` for each operation that is not free."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: list[Count] = []
        # A storage, and its width before zeros were added.
        self.widths: dict[int | None, tuple[Tensor, int]] = {}
        self.multiplied = Count("mul", [], [], 0)  # the last multiplication, term by term

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        with torch._C.DisableTorchFunction():  # what is called here is no call of the target's
            return self._counted(func, args, kwargs or {})

    def _counted(self, func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        packet = func.overloadpacket
        if (formula := _formula(packet)) is None:
            with self:
                out = func.decompose(*args, **kwargs)  # into operations that come here, too
            if out is not NotImplemented:
                return out
        out, inputs = func(*args, **kwargs), shapes_in((args, kwargs))
        name = packet._qualified_op_name.removeprefix("aten::")
        cost = None if formula is None else formula(*args, **kwargs, out_val=out)
        if name == "constant_pad_nd":
            self._note_width(out, *args)
        elif name == "mul":
            self.multiplied = Count(name, inputs, shapes_in(out), out.numel())
        elif name.startswith("_scaled_dot_product") and "backward" not in name:
            cost = cost and self._without_zeros(cost, *args)
        if inputs and not is_free(packet):
            self.counts.append(Count(name, inputs, shapes_in(out), cost))
        return out

    def take(self) -> list[Count]:
        """What has come since this was last called."""
        taken, self.counts = self.counts, []
        return taken

    def take_call(
        self, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> list[Count]:
        """What a call of the target's was made of, seen with what the call itself knows."""
        taken = self.take()
        if operation in ("linalg_vecdot", "cosine_similarity"):  # a multiplication, then a sum
            return [self.multiplied]
        if operation == "scaled_dot_product_attention":
            costs = [
                c.multiply_adds and self._without_zeros(c.multiply_adds, *args, **kwargs)
                for c in taken
            ]
            return [c._replace(multiply_adds=cost) for c, cost in zip(taken, costs, strict=True)]
        return taken

    def _note_width(self, out: Tensor, tensor: Tensor, pad: list[int], value: float = 0) -> None:
        if value == 0 and not any((pad[0], *pad[2:])):
            self.widths[_storage(out)] = out, self._width(tensor)

    def _width(self, tensor: Tensor) -> int:
        """The last side, less the columns of zeros that a caller has put there for a kernel."""
        return self.widths.get(_storage(tensor), (tensor, tensor.shape[-1]))[1]

    def _without_zeros(
        self, cost: int, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any
    ) -> int:
        """Of attention's two products, which cost in step with query's and value's widths."""
        inner = min(self._width(query), self._width(key))
        return cost * (inner + self._width(value)) // (query.shape[-1] + value.shape[-1])


def _formula(packet: OpOverloadPacket) -> Formula | None:
    """The one of an operation or of its twin: addmm_ is addmm in place, f_for_cpu a kernel of f."""
    twin = packet.__name__.rstrip("_").replace("_for_cpu", "")
    ours = packet._qualified_op_name.startswith("aten::")
    flops = flop_registry.get(packet)
    if flops is None and ours:
        flops = flop_registry.get(getattr(torch.ops.aten, twin, None))
    if flops is None:
        return FORMULAS.get(twin) if ours else None
    return lambda *args, **kwargs: flops(*args, **kwargs) // 2


def _trilinear(*args: Any, **_: Any) -> int:
    """As many terms as the three operands have places where they stand beside each other."""
    shapes = [list(tensor.shape) for tensor in args[:3]]
    for shape, added in zip(shapes, args[3:6], strict=True):
        for side in added:
            shape.insert(side, 1)
    count: int = torch.broadcast_shapes(*shapes).numel()
    return count


FORMULAS: dict[str, Formula] = {  # multiply-adds, where torch's flop counter has no formula
    "dot": lambda a, b, **_: a.numel(),
    "vdot": lambda a, b, **_: a.numel(),
    "mv": lambda a, b, **_: a.numel(),
    "addmv": lambda _, a, b, **__: a.numel(),
    "addbmm": lambda _, a, b, **__: a.numel() * b.shape[-1],
    "_addmm_activation": lambda _, a, b, **__: a.numel() * b.shape[-1],
    "_int_mm": lambda a, b, **_: a.numel() * b.shape[-1],
    "_trilinear": _trilinear,
    "conv_tbc": lambda x, w, *_, out_val: out_val.numel() * w.shape[:2].numel(),
}


def shapes_in(tree: Any) -> list[Shape]:
    """The shapes of the tensors in arguments or results, in order."""
    return [tuple(leaf.shape) for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _storage(tensor: Tensor) -> int | None:
    try:
        key: int = tensor.untyped_storage()._cdata
        return key
    except NotImplementedError:  # inside vmap and its kin, whose tensors have none
        return None
