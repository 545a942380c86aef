"""What a run needs in bytes: every allocation with its line, the peak, and what is alive at it."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import torch

from nonlocal_tut import tables, words

MIB = 2**20
WIDE = 76  # characters of a line in a terminal


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


@dataclass(frozen=True, repr=False)
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

    A notebook shows an HTML table, `print` and a terminal aligned text.
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
    timeline: tuple[Allocation, ...] = ()
    step_peak_bytes: int = 0
    state_bytes: int = 0
    workspace_bytes: int = 0
    not_modeled: tuple[str, ...] = ()
    readings: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return "\n".join([*self._sums(), *table(self.at_peak), *self._left_out()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        above, below = (
            words.markup("".join(f"<p>{escape(line)}</p>\n" for line in lines))
            for lines in (self._sums(), self._left_out())
        )
        if not self.at_peak:
            return above + below
        large, rest = _split(self.at_peak)
        rows: list[tuple[object, ...]] = [
            (mib, shape, tables.Cell(describe(a), _described(a))) for mib, shape, a in large
        ]
        rows += [(mib, None, told) for mib, told in rest]
        return f"{above}{tables.table(('MiB', 'shape', 'what'), rows)._repr_html_()}\n{below}"

    def _sums(self) -> list[str]:
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
        return rows

    def _left_out(self) -> list[str]:
        return [f"not modeled: {what}" for what in self.not_modeled]


def amount(count: int) -> str:
    """Bytes as a reader wants them: 64.00 MiB (67,108,864 bytes)."""
    return f"{count / MIB:,.2f} MiB ({count:,d} bytes)"


def table(allocations: Sequence[Allocation]) -> list[str]:
    """The lines of a table in a terminal: for each MiB, shape and what it is.

    What is long goes on below.
    """
    if not allocations:
        return []
    large, rest = _split(allocations)
    wide = max(len(shape) for _, shape, _ in [("", "shape", ""), *large])
    rows = [f"{'MiB':>9s}  {'shape':{wide}s}  what"]
    for mib, shape, a in large:
        start = f"{mib:>9s}  {shape:{wide}s}  "
        told, below = describe(a), " " * len(start)
        if len(start) + len(told) > WIDE:
            told = told.replace(" of: ", " of:\n", 1)
        for part in told.split("\n"):
            rows += textwrap.wrap(part, WIDE, initial_indent=start, subsequent_indent=below)
            start = below
    return rows + [f"{mib:>9s}  {'':{wide}s}  {told}" for mib, told in rest]


def _split(
    allocations: Sequence[Allocation],
) -> tuple[list[tuple[str, str, Allocation]], list[tuple[str, str]]]:
    """[(MiB, shape, allocation)], and [(MiB, how many)] of those under 1 % of the whole."""
    total = sum(a.bytes for a in allocations)
    large = [a for a in allocations if a.bytes >= total / 100]
    small = len(allocations) - len(large)
    rest = total - sum(a.bytes for a in large)
    return (
        [(f"{a.bytes / MIB:,.2f}", "×".join(map(str, a.shape or ())), a) for a in large],
        [(f"{rest / MIB:,.2f}", f"{small} smaller")] if small else [],
    )


def describe(a: Allocation) -> str:
    """What an allocation is, in a few words: its line, or the operation where no line is known."""
    what = _what(a)
    return f"{what} of: {a.line}" if what and a.line else what or a.line


def _described(a: Allocation) -> str:
    """`describe`, with code as code, which a phone may break behind a dot or an underscore."""
    line, operation = (
        "<code>" + re.sub(r"(?<=\w)[._]", r"\g<0><wbr>", escape(code)) + "</code>"
        for code in (a.line, a.operation)
    )
    what = escape(_what(a))
    if a.backward and not a.hidden:
        what = f"gradient ({operation})"
    return f"{what} of:<br>{line}" if what and a.line else what or line


def _what(a: Allocation) -> str:
    """What it is, unless it is what its line makes: then nothing."""
    if a.hidden:
        return f"hidden: {a.operation}"
    if a.backward:
        return f"gradient ({a.operation})"
    return "" if a.line else a.operation
