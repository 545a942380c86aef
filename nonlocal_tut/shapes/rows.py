"""What the reader gets: a row for each operation, and the rows together as a table."""

import re
from html import escape
from typing import NamedTuple

from nonlocal_tut.shapes.names import Shape, legend
from nonlocal_tut.tables import table


class _Names(NamedTuple):
    operation: str
    inputs: tuple[str, ...]
    output: str


class Row(_Names):
    """One operation: its name, the named shapes that meet in it, the named shape that leaves it.

    `input_shapes` and `output_shapes` are those shapes in numbers. `multiply_adds` is an integer
    where two tensors are multiplied and the products summed up, and None where none are, or where
    `not_counted` names a part, by torch's own name, that has no formula. See chapter 2.
    """

    input_shapes: tuple[Shape, ...]
    output_shapes: tuple[Shape, ...]
    multiply_adds: int | None
    not_counted: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.operation} {' · '.join(self.inputs)} → {self.output}".replace("  ", " ")


class Ledger(tuple[Row, ...]):
    """The rows in the order in which they ran; `sizes` has the base names.

    A notebook shows them as an HTML table, `print` and a terminal as aligned text.
    See chapter 2, "What does each bmm multiply?".
    """

    sizes: dict[str, int]

    @property
    def ambiguous(self) -> tuple[str, ...]:
        """Each name in the rows that is several, such as "H|W" on a square map; empty if none."""
        text = " ".join(f"{' '.join(row.inputs)} {row.output}" for row in self)
        return tuple(dict.fromkeys(re.findall(r"[^×, ]+\|[^×, ]+", text)))

    @property
    def not_counted(self) -> tuple[str, ...]:
        """Operations whose multiply-adds are not known, with torch's names for what they run."""
        told = (
            f"{row.operation} ({', '.join(row.not_counted)})" for row in self if row.not_counted
        )
        return tuple(dict.fromkeys(told))

    @property
    def multiply_adds(self) -> int:
        """The sum of the rows' multiply-adds, half of what torch's FlopCounterMode calls flops.

        Raises ValueError where the sum would leave out an operation that is not counted.
        """
        if self.not_counted:
            raise ValueError(
                f"a total would leave out {', '.join(self.not_counted)}: torch has no formula for "
                "its multiply-adds. Give it one, torch.utils.flop_counter.register_flop_formula, "
                "or add up the rows"
            )
        return sum(row.multiply_adds or 0 for row in self)

    def __str__(self) -> str:
        inputs = [" · ".join(row.inputs) for row in self]
        first = max((len(row.operation) for row in self), default=0)
        second = max(map(len, inputs), default=0)
        lines = [legend(self.sizes)]
        for row, given in zip(self, inputs, strict=True):
            lines.append(f"{row.operation:{first}}  {given:{second}} → {row.output}")
        return "\n".join([*lines, *self._reservations()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [(row.operation, " · ".join(row.inputs), row.output) for row in self]
        head, *below = (
            f"<p>{escape(line)}</p>" for line in (legend(self.sizes), *self._reservations())
        )
        shown = table(["operation", "in", "out"], rows)._repr_html_()
        return "\n".join([head, shown, *below])

    def _reservations(self) -> list[str]:
        """What the names and the counts leave open, a line each."""
        lines = []
        if self.ambiguous:
            lines.append(f"ambiguous, because sizes are equal: {', '.join(self.ambiguous)}")
        if self.not_counted:
            lines.append(f"multiply-adds not counted: {', '.join(self.not_counted)}")
        return lines
