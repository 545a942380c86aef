"""The receptive field by formula: one window after another, and the larger path where two meet.

After Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks"
(Distill, 2019, doi 10.23915/distill.00021), walked from the input to the output instead of back.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

from torch import Tensor, nn

from nonlocal_tut.arguments import is_whole, said
from nonlocal_tut.receptive_field import graph

Numbers = int | tuple[int, ...]
Axes = list[tuple[int, int, int]]  # (size, stride, padding), one an axis

INPUT: Axes = [(1, 1, 0)]  # a position of the input sees itself


@dataclass(frozen=True)
class ReceptiveField:
    """Where the input positions lie that an output position y depends on.

    They start at y·stride - padding, and there are `size` of them.
    size: positions from the first to the last, both counted; stride: input positions from one
    output's field to the next one's; padding: input positions by which the field of output 0
    sticks out of the map. Each is an int when all axes agree, otherwise a tuple with one entry an
    axis; None where `measured` could not tell. mask: (H, W) bool, True at the input positions that
    were seen; only `measured` sets it, and comparisons leave it out.

    See chapter 1, "How far can a convolution see?".
    """

    size: Numbers
    stride: Numbers | None
    padding: Numbers | None
    mask: Tensor | None = field(default=None, compare=False, repr=False)
    note: str = field(default="", compare=False, repr=False)
    seen_from: Callable[[tuple[int, ...]], Tensor] | None = field(
        default=None, compare=False, repr=False
    )

    def __str__(self) -> str:
        return f"{self!r}: {self.note}" if self.note else repr(self)

    def center(self, position: Numbers) -> float | tuple[float, ...]:
        """The middle of an output position's field: -padding + position·stride + (size - 1) / 2.

        position: an int, or one int an axis -> input positions, one an axis (a float if the field
        and the position are both one int). It is meant for a size that no border clips. Where
        `note` says that no one stride holds, that position's own field is measured.

        Raises ValueError if position has another number of axes than the field, or if stride or
        padding could not be measured. See chapter 1, "How far can a convolution see?".
        """
        at = _tuple(position)
        if not all(map(is_whole, at)):
            raise ValueError(f"position must be an int, or one int an axis, not {said(position)}")
        if self.note and self.seen_from is not None:
            places = self.seen_from(at).nonzero()  # (positions, axes)
            middle = tuple(((places.amin(0) + places.amax(0)) / 2).tolist())
            return middle if len(middle) > 1 or isinstance(position, (tuple, list)) else middle[0]
        columns = [_tuple(v) for v in (position, self.size, self.stride, self.padding)]
        if len({len(column) for column in columns} - {1}) > 1:
            raise ValueError(f"position {position} has another number of axes than {self}")
        if any(None in column for column in columns):
            raise ValueError(f"a center needs a stride and a padding, got {self}")
        centers = tuple(-p + y * s + (n - 1) / 2 for y, n, s, p in _rows(columns))
        return centers if len(centers) > 1 or isinstance(position, (tuple, list)) else centers[0]


def of_axes(axes: list[tuple[Any, ...]], **more: Any) -> ReceptiveField:
    """(size, stride, padding) of each axis -> a ReceptiveField with ints where the axes agree."""
    columns = zip(*axes, strict=True)
    size, stride, padding = (c[0] if len(set(c)) == 1 else c for c in columns)
    return ReceptiveField(size, stride, padding, **more)


def theoretical(layers_or_module: list[tuple[Any, ...]] | nn.Module) -> ReceptiveField:
    """The receptive field of an output position, from kernels, strides, paddings and dilations.

    layers_or_module: rows (kernel, stride, padding[, dilation]) from input to output, each an int
    or one int an axis; or an nn.Module of any number of axes, which is read with torch.fx.
    The input has size = stride = 1 and padding = 0, and layer l of dilation d makes of them
    size + d·(kernel_l - 1)·stride,  stride·stride_l,  padding + padding_l·stride.

    Read from a module: convolutions (`padding="same"` too), max and average pools, pointwise layers
    (activations, Dropout, BatchNorm in its eval sense), Sequential, their functional forms, and
    sums, products and concatenations of branches. Where branches meet, the largest field counts;
    all must have the same stride and center. ceil_mode only adds an output at the far border and
    changes none of the three numbers. Norms that take statistics over the map (GroupNorm,
    InstanceNorm, LayerNorm) see all of it and have no formula.

    Raises ValueError for an empty list; a row of wrong length; a kernel, stride or dilation below
    1; a negative padding; a layer or operation without a formula; branches that are not aligned;
    a module that torch.fx cannot trace, or that does not take one map and return one.
    See chapter 1, "How far can a convolution see?".
    """
    if isinstance(layers_or_module, nn.Module):
        return of_axes(_through(graph.operations(layers_or_module)))
    if not isinstance(layers_or_module, (list, tuple)):
        kind = type(layers_or_module).__name__
        raise ValueError(f"layers_or_module must be a list of rows or an nn.Module, got {kind}")
    if not layers_or_module:
        raise ValueError("layers_or_module must hold one row a layer, got an empty list")
    axes = INPUT
    for index, row in enumerate(layers_or_module):
        if not isinstance(row, (list, tuple)) or len(row) not in (3, 4):
            raise ValueError(
                f"layers_or_module: row {index} is not (kernel, stride, padding[, dilation]): {row}"
            )
        axes = _step(f"row {index}", axes, *row)
    return of_axes(axes)


def _through(operations: list[graph.Operation]) -> Axes:
    """Follow a network from its input, the first operation, to its output, the last."""
    seen: dict[str, Axes] = {}
    for operation in operations:
        branches = [(name, seen[name]) for name in operation.inputs]
        axes = _merge(operation.name, branches) if branches else INPUT
        if operation.window:
            axes = _step(operation.name, axes, *operation.window)
        seen[operation.name] = axes
    return axes


def _step(
    where: str, axes: Axes, kernel: Any, stride: Any, padding: Any, dilation: Any = 1
) -> Axes:
    """The recurrence: what one window makes of size, stride and padding."""
    given = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    columns = [_tuple(value) for value in given.values()]
    if len({len(column) for column in (axes, *columns)} - {1}) > 1:
        raise ValueError(f"{where} mixes numbers of axes: {given} after {of_axes(axes)}")
    for (name, value), column in zip(given.items(), columns, strict=True):
        least = 0 if name == "padding" else 1
        if any(not isinstance(v, Integral) or v < least for v in column):
            raise ValueError(f"{where}: {name} must be {least} or more, got {value} in {given}")
    return [
        (size + d * (k - 1) * jump, jump * s, pad + p * jump)
        for (size, jump, pad), k, s, p, d in _rows([axes, *columns])
    ]


def _merge(where: str, branches: list[tuple[str, Axes]]) -> Axes:
    """The largest field, axis by axis, of the branches that meet in one operation."""
    count = max(len(axes) for _, axes in branches)
    named = [(name, axes if len(axes) == count else axes * count) for name, axes in branches]
    first, start = named[0]
    for name, axes in named[1:]:
        if any(_alignment(a) != _alignment(b) for a, b in zip(start, axes, strict=True)):
            raise ValueError(
                f"{where} joins branches that are not aligned: {first} has {of_axes(start)}, "
                f"{name} has {of_axes(axes)}. Their stride, and their center "
                "-padding + (size - 1) / 2, must agree"
            )
    return [max(paths) for paths in zip(*(axes for _, axes in named), strict=True)]


def _alignment(axis: tuple[int, int, int]) -> tuple[int, int]:
    """The stride and twice the center of output 0, plus 1: whole numbers that branches share."""
    size, stride, padding = axis
    return stride, size - 2 * padding


def _tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _rows(columns: list[Any]) -> list[tuple[Any, ...]]:
    """Columns of one entry an axis -> one row an axis; a single entry serves all axes."""
    count = max(map(len, columns))
    columns = [c if len(c) == count else list(c) * count for c in columns]
    return list(zip(*columns, strict=True))
