"""Stride and padding, read off the fields of neighbors, and whether they hold for all positions."""

import random
from collections.abc import Callable

import torch
from torch import Tensor

from nonlocal_tut.receptive_field.probe import Probe

CHECKED = 24  # output positions along an axis at which a stride has to hold
Ends = tuple[int, int]  # the first and the last position along an axis
Seen = Callable[..., Tensor]  # probe, positions -> a mask of the input each


def fails(
    probe: Probe, axis: int, stride: int, padding: int | None, used: Tensor, seen: Seen
) -> str:
    """Where a stride, or a padding, does not hold along an axis, in words; "" if it holds.

    The widest field that the border does not clip says where all start and end, less y·stride;
    if it clips them all, the earliest start and the latest end. No field may stick out, and one
    that should start, or end, inside the used input has to do so there.
    """
    places = _line(probe.outputs[axis], probe.middle[axis])
    luck = random.Random(axis)  # other rows than the middle one, too
    at = [tuple(luck.randrange(n) for n in probe.outputs) for _ in places]
    at = [(*p[:axis], y, *p[axis + 1 :]) for p, y in zip(at, places, strict=True)]
    masks = seen(probe, *at).view(len(at), *used.shape)
    boxes = [(y, *box_of(m)[axis]) for y, m in zip(places, masks, strict=True) if m.any()]
    low, high = box_of(used)[axis]
    inner = [
        (last - first, y, first, last) for y, first, last in boxes if low < first <= last < high
    ]
    _, y, start, end = max(inner, default=(0, 0, 0, 0))
    start, end = start - y * stride, end - y * stride
    if not inner:
        start = min((first - y * stride for y, first, _ in boxes), default=0)
        end = max((last - y * stride for y, _, last in boxes), default=0)
    if padding is not None:
        start = -padding
    for y, first, last in sorted(boxes, key=lambda box: abs(box[0] - probe.middle[axis])):
        wanted = y * stride + start, y * stride + end
        starts = first == wanted[0] or first > wanted[0] <= low
        ends = last == wanted[1] or last < wanted[1] >= high
        if not (stride > 0 and starts and ends):
            near = [box for box in boxes if abs(box[0] - y) <= 1]
            said = ", ".join(f"{y} sees {first} to {last}" for y, first, last in near)
            return f"no one stride holds on axis {axis}: of its outputs, {said}"
    return ""


def _line(side: int, middle: int) -> list[int]:
    """All positions of a side, or of a long one a run in the middle and some on the way there."""
    if side <= CHECKED:
        return [*range(side)]
    half = CHECKED // 2
    run = range(middle - half // 2, middle + half // 2)
    return sorted({*run, *(round(i * (side - 1) / (half - 1)) for i in range(half))})


def box_of(seen: Tensor) -> list[tuple[int, int]]:
    """The first and the last position seen, one pair an axis; those of the map if there is none."""
    places = seen.nonzero() if seen.any() else torch.ones_like(seen).nonzero()  # (positions, axes)
    return list(zip(places.amin(0).tolist(), places.amax(0).tolist(), strict=True))


def inwards(p: int, middle: int) -> int:
    """The neighbor of p towards the middle (of the middle: the one before it, if there is one)."""
    return p + 1 if p < middle else max(p - 1, 0)


def moves(
    here: int, there: int, box: Ends, other: Ends, used: Ends
) -> tuple[int | None, int | None]:
    """(stride, padding) along one axis, from the fields of two neighbors.

    used: the first and last input position that any output sees. An edge that lies on it may be
    clipped; one inside it is the field's own.
    """
    inside_first = box[0] > used[0] and other[0] > used[0]
    inside_last = box[1] < used[1] and other[1] < used[1]
    if here == there or not (inside_first or inside_last):
        return None, None
    edge = 0 if inside_first else 1
    stride = (box[edge] - other[edge]) // (here - there)
    place, first = max((here, box[0]), (there, other[0]))  # of the two, the less clipped start
    padding = place * stride - first if first > used[0] else None
    return stride, padding
