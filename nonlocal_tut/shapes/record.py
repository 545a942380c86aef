"""The run on the meta device: each torch call that the target makes is written down."""

import inspect
import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

from nonlocal_tut.copies import without_numbers
from nonlocal_tut.shapes.costs import Count, Counter, shapes_in
from nonlocal_tut.shapes.failure import CONVOLUTIONS, sentence
from nonlocal_tut.shapes.names import Shape, Table, choose, name_table, named, read
from nonlocal_tut.shapes.rows import Ledger, Row


def ledger(target: nn.Module | Callable[..., Any], *inputs: Tensor | str) -> Ledger:
    """Run a module or function on the meta device: (operation, named shapes in, named shape out).

    An input is a tensor, with its own sizes, whose sides are called (B, C, N), (B, C, H, W) or
    (B, C, T, H, W); or a string of names, "B C H W". A name has one size in all inputs: the one
    written, "C=64", or one chosen here. C of a module is what its first layer with `in_channels`,
    `in_features` or `num_features` says.

    N is the product of T, H and W; other products are written side by side, BT or HW. Once
    something is pooled there are H/2, W/2 and N/4; and C/2, C/4, C/8, C/16, 2C and 3C (for d
    likewise), which count beside other names only if a weight has that width. Where several names
    fit, the row shows all, "H|W"; where none fits, the number. A name says how long a side is, not
    where it came from. A layer's vectors (biases, scales, statistics) are left out, and so is
    arithmetic on single numbers.

    Multiply-adds are counted in what torch runs inside each call, keywords in any order. Where an
    operation has no formula, rows and table name it, and there is no total. Products written as
    arithmetic, (q * k).sum(-1), count nothing, as in torch's FlopCounterMode.

    Nothing is allocated. A module runs as a copy without numbers and stays as it was. A tensor that
    a function captures takes part as its shape; a module that it captures runs itself, so give the
    module where its forward assigns to self.
    Raises ValueError for an input of another kind, for a name with two sizes, and for an
    operation that cannot take its shapes, which it names. See chapter 2.
    """
    if not callable(target):
        raise ValueError(f"ledger runs a module or a function, not {target!r}, as its target")
    if not inputs:
        raise ValueError('ledger needs the inputs, too: tensors or names, for example "B C H W"')
    sides, fixed = read(inputs)
    names = list(dict.fromkeys(itertools.chain(*sides)))
    run, widths = target, set()
    if isinstance(target, nn.Module):
        run = without_numbers(target)
        widths = {size for weight in target.parameters() for size in weight.shape}
        if "C" in names and (channels := _channels(target)):
            fixed.setdefault("C", channels)
    sizes = choose(names, fixed, widths)
    tensors = [
        _meta(given)
        if isinstance(given, Tensor)
        else torch.empty([sizes[name] for name in side], device="meta")
        for given, side in zip(inputs, sides, strict=True)
    ]
    recorder = _Recorder(sizes, widths)
    try:
        # What the target itself creates is on meta, too.
        with torch.device("meta"), recorder, recorder.counter:
            run(*tensors)
    except Exception as error:
        name, met = getattr(target, "__name__", type(target).__name__), shapes_in(tensors)
        if recorder.failed and recorder.failed[0] is error:  # not one that the target has caught
            _, name, met = recorder.failed
        said = sentence(error, name, met, recorder.ledger(), recorder.table())
        raise ValueError(said) from error
    return recorder.ledger()


class _Recorder(TorchFunctionMode):
    """Writes down each torch call that the target makes, and none that torch makes inside one."""

    def __init__(self, sizes: dict[str, int], widths: set[int]) -> None:
        super().__init__()
        self.sizes, self.widths = sizes, widths
        self.counter = Counter()
        self.calls: list[tuple[str, list[Shape], list[Shape], list[Count]]] = []
        self.failed: tuple[Exception, str, list[Shape]] | None = None

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        args, kwargs = tree_map_only(Tensor, self._brought, (args, kwargs or {}))
        kwargs = _in_order(func, kwargs)
        operation, operands = _operation(func), shapes_in((args, kwargs))
        shown = operands
        if operation in (*CONVOLUTIONS, "linear") or operation.endswith("_norm"):
            shown = operands[:1] + [shape for shape in operands[1:] if len(shape) > 1]
        self._outside_calls()
        try:
            out = func(*args, **kwargs)
        except Exception as error:
            self.counter.take()
            self.failed = error, operation, shown
            raise
        results, counts = shapes_in(out), self.counter.take_call(operation, args, kwargs)
        if counts or (results and any(operands + results)):  # not BatchNorm's counter, nor a size
            self.calls.append((operation, shown, results, counts))
        return out

    def _outside_calls(self) -> None:
        """Products that no Python call has asked for, such as those of a scripted function."""
        for count in self.counter.take():
            self.calls.append((count.operation, count.inputs, count.outputs, [count]))

    def _brought(self, tensor: Tensor) -> Tensor:
        if not tensor.is_meta:  # the target has brought it along: a weight, most likely
            self.widths.update(tensor.shape)
        return _meta(tensor)

    def table(self) -> Table:
        pooled = any("pool" in operation for operation, *_ in self.calls)
        return name_table(self.sizes, pooled, self.widths)

    def ledger(self) -> Ledger:
        self._outside_calls()
        table, rows = self.table(), []
        for operation, shown, results, counts in self.calls:
            inputs = tuple(named(shape, table) for shape in shown)
            row = Row(operation, inputs, ", ".join(named(shape, table) for shape in results))
            row.input_shapes, row.output_shapes = tuple(shown), tuple(results)
            missing = (c.operation for c in counts if c.multiply_adds is None)
            row.not_counted = tuple(dict.fromkeys(missing))
            known = [c.multiply_adds for c in counts if c.multiply_adds is not None]
            row.multiply_adds = sum(known) if counts and not row.not_counted else None
            rows.append(row)
        book = Ledger(rows)
        book.sizes = self.sizes
        return book


def _operation(func: Callable[..., Any]) -> str:
    name = getattr(func, "__name__", str(func))
    if name == "__get__":  # x.T and x.mT are properties
        name = getattr(func, "__self__").__name__  # noqa: B009, which a type does not have
    swapped = {"__rsub__": "sub", "__rdiv__": "div", "__rpow__": "pow"}  # 1 - x, 1 / x, 2**x
    return swapped.get(name, name.strip("_") if name.startswith("__") else name)


def _in_order(func: Callable[..., Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Keywords as the function declares them, whatever the order of the caller's."""
    try:
        names = [*inspect.signature(func).parameters] if len(kwargs) > 1 else []
    except ValueError:  # built in: torch's schemas say, which call `self` what Python calls `input`
        packet = getattr(torch.ops.aten, _operation(func), None)
        overloads = packet.overloads() if packet else ()
        names = [a.name for o in overloads for a in getattr(packet, o)._schema.arguments]
    places = {name: place for place, name in reversed([*enumerate(names)])}
    places["input"] = places.get("input", -1)
    return dict(sorted(kwargs.items(), key=lambda item: places.get(item[0], len(names))))


def _meta(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_meta else tensor.detach().to("meta")


def _channels(module: nn.Module) -> int | None:
    wanted = ("in_channels", "in_features", "num_features")
    found = (getattr(part, name, None) for part in module.modules() for name in wanted)
    return next((size for size in found if isinstance(size, int)), None)
