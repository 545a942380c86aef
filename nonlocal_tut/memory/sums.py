"""The report of a run that is known allocation by allocation: its peak, and what is kept."""

import itertools
from collections.abc import Container, Iterable, Sequence

from nonlocal_tut.memory.report import Allocation, Report


def summed(
    kind: str,
    device: str,
    allocations: Sequence[Allocation],
    *,
    forward_ends: int,
    backward_ends: int | None = None,
    outputs: Container[int] = (),
    sizes: Sequence[int] | None = None,
    state: int = 0,
    not_modeled: Sequence[str] = (),
) -> Report:
    """The report of a run that is known allocation by allocation.

    forward_ends, backward_ends: the last steps of the passes; outputs: the indices of the
    allocations that the module returned; sizes: what each counts for, where that is not the bytes
    requested; state: what an optimizer keeps.
    """
    requested = [a.bytes for a in allocations]
    curve = running(allocations, sizes or requested)
    backward_ends = len(curve) if backward_ends is None else backward_ends
    before, after = curve[: forward_ends + 1], curve[forward_ends + 1 : backward_ends + 1]
    stepping = curve[backward_ends + 1 :]
    top = max(range(len(curve)), key=curve.__getitem__, default=-1)
    saved = [a for i, a in enumerate(allocations) if a.alive(forward_ends) and i not in outputs]
    return Report(
        kind,
        device,
        peak_bytes=max(curve, default=0),
        forward_peak_bytes=max(before, default=0),
        backward_peak_bytes=max(after, default=0),
        saved_bytes=sum(a.bytes for a in saved),
        requested_bytes=max(running(allocations, requested), default=0),
        at_peak=_largest_first(a for a in allocations if a.alive(top)),
        saved=_largest_first(saved),
        timeline=tuple(allocations),
        step_peak_bytes=max(stepping, default=0),
        state_bytes=state,
        not_modeled=tuple(not_modeled),
    )


def _largest_first(allocations: Iterable[Allocation]) -> tuple[Allocation, ...]:
    return tuple(sorted(allocations, key=lambda a: -a.bytes))


def running(allocations: Sequence[Allocation], sizes: Sequence[int]) -> list[int]:
    """The bytes alive after each step."""
    steps = max((max(a.born, a.died or 0) for a in allocations), default=-1) + 1
    change = [0] * steps
    for a, size in zip(allocations, sizes, strict=True):
        change[a.born] += size
        if a.died is not None:
            change[a.died] -= size
    return list(itertools.accumulate(change))
