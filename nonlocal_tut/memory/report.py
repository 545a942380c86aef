"""What a run needs in bytes: every allocation with its line, the peak, and what is alive at it."""

import itertools
import textwrap
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

MIB = 2**20
WIDE = 76  # characters of a line: what a page shows without cutting


@dataclass
class Allocation:
    """One piece of memory, from the step at which it is born to the step at which it dies.

    `line`: the source line that caused it, for the backward pass the forward line whose gradient
    it serves; "" where it is not known. `operation`: torch's own name of what allocated it, or
    what the copy is where `hidden`: allocated inside an operation that does not return it.
    `where`: function and line number. `bytes` as requested; `died` is None while it is alive.
    """

    line: str
    operation: str
    shape: tuple[int, ...] | None
    dtype: torch.dtype | None
    bytes: int
    born: int
    died: int | None = None
    hidden: bool = False
    backward: bool = False
    where: str = ""

    def alive(self, step: int) -> bool:
        """Whether it exists once step number `step` is done."""
        return self.born <= step and (self.died is None or step < self.died)


@dataclass(frozen=True)
class Report:
    """The bytes of one forward pass, a backward pass where the run is training, and maybe a step.

    All of them count what is added to what was there before: parameters, buffers, the input and,
    in training, the gradient that comes in from above. The output counts.

    - `peak_bytes`: the most at any one moment; `forward_peak_bytes`, `backward_peak_bytes` (0
      without a backward pass) likewise. On CUDA in the allocator's blocks, as
      `torch.cuda.max_memory_allocated` counts them; `requested_bytes` is the peak without them.
    - `saved_bytes`: what is alive between the passes, the output aside: autograd keeps it.
    - `at_peak`: the allocations alive at the peak, the largest first; `saved`: those that
      autograd keeps; `timeline`: all, in order of birth. Empty where the device does not tell.
    - `step_peak_bytes`, `state_bytes`: the most during an optimizer's step, and what it keeps from
      one step to the next; 0 where no step was asked for.
    - `workspace_bytes`: on CUDA, what libraries took for themselves; in no other figure.
    - `not_modeled`: what the figures leave out, in words.
    - `readings`: on CUDA, what the allocator said, from which the figures come (`on_cuda`).

    See chapter 4, "Where do the bytes go?".
    """

    kind: str  # "predicted", "measured" or "closed form"
    device: str
    peak_bytes: int
    forward_peak_bytes: int
    backward_peak_bytes: int
    saved_bytes: int
    requested_bytes: int
    at_peak: tuple[Allocation, ...] = ()
    saved: tuple[Allocation, ...] = ()
    timeline: tuple[Allocation, ...] = field(default=(), repr=False)
    step_peak_bytes: int = 0
    state_bytes: int = 0
    workspace_bytes: int = 0
    not_modeled: tuple[str, ...] = ()
    readings: Mapping[str, int] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        turn = "backward pass" if self.backward_peak_bytes == self.peak_bytes else "forward pass"
        if self.step_peak_bytes == self.peak_bytes:
            turn = "optimizer's step"
        rows = [f"{self.kind} for {self.device}: peak {amount(self.peak_bytes)}, in the {turn}"]
        if self.saved_bytes:
            rows.append(f"kept for the backward pass: {amount(self.saved_bytes)}")
        if self.state_bytes:
            rows.append(f"kept by the optimizer: {amount(self.state_bytes)}")
        if self.workspace_bytes:
            rows.append(f"beside it, libraries' workspace: {amount(self.workspace_bytes)}")
        rows += table(self.at_peak)
        rows += [f"not modeled: {what}" for what in self.not_modeled]
        return "\n".join(rows)


def amount(count: int) -> str:
    """Bytes as a reader wants them: 64.00 MiB (67,108,864 bytes)."""
    return f"{count / MIB:,.2f} MiB ({count:,d} bytes)"


def table(allocations: Sequence[Allocation]) -> list[str]:
    """For each MiB, shape and what it is; those under 1 % of the whole in one line.

    What is long goes on below, so that no line is wider than a page.
    """
    if not allocations:
        return []
    total = sum(a.bytes for a in allocations)
    large = [a for a in allocations if a.bytes >= total / 100]
    shapes = ["×".join(map(str, a.shape or ())) for a in large]
    wide = max(map(len, [*shapes, "shape"]))
    rows = [f"{'MiB':>9s}  {'shape':{wide}s}  what"]
    for a, shape in zip(large, shapes, strict=True):
        start = f"{a.bytes / MIB:9,.2f}  {shape:{wide}s}  "
        told, below = describe(a), " " * len(start)
        if len(start) + len(told) > WIDE:
            told = told.replace(" of: ", " of:\n", 1)
        for part in told.split("\n"):
            rows += textwrap.wrap(part, WIDE, initial_indent=start, subsequent_indent=below)
            start = below
    if rest := len(allocations) - len(large):
        small = total - sum(a.bytes for a in large)
        rows.append(f"{small / MIB:9,.2f}  {'':{wide}s}  {rest} smaller")
    return rows


def describe(a: Allocation) -> str:
    """What an allocation is, in a few words: its line, or the operation where no line is known."""
    if a.hidden:
        return f"hidden: {a.operation}" + (f" of: {a.line}" if a.line else "")
    if a.backward:
        return f"gradient ({a.operation}) of: {a.line}" if a.line else f"gradient ({a.operation})"
    return a.line or a.operation


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
