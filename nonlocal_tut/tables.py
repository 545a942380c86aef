"""A small table that reads as HTML on a page and as aligned text in a terminal."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from nonlocal_tut import words
from nonlocal_tut.arguments import listed, said

KERNELS = {"math", "flash", "efficient", "cudnn"}  # as PyTorch calls them: code, in any language


class Cell(NamedTuple):
    """A cell that a page shows in another way than a terminal: its text, and its HTML."""

    text: str
    html: str

    def __str__(self) -> str:
        return self.text


class Table:
    """What `table` returns; a notebook shows it as HTML, `print` and a terminal as text."""

    def __init__(self, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        self.head = tuple(head)
        given = [listed("rows", row, object, "sequences of cells") for row in rows]
        for row in given:
            if len(row) != len(self.head):
                raise ValueError(
                    f"rows: a row has {len(row)} cells for {len(self.head)} columns: {row}"
                )
        self.rows = [tuple(map(_text, row)) for row in given]
        self._shown = [tuple(map(_html, row)) for row in given]
        columns = list(zip(*given, strict=True)) or [()] * len(self.head)
        self._numbers = [bool(cells) and all(map(_is_number, cells)) for cells in columns]
        self._kernels = [{*map(_text, cells)} <= {*KERNELS, "none"} for cells in columns]

    def __repr__(self) -> str:
        lines = [self.head, *self.rows]
        widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(map(_aligned, line, widths, self._numbers)).rstrip() for line in lines
        )

    def _repr_html_(self) -> str:
        head = self._line("th", map(escape, self.head))
        body = "\n".join(self._line("td", row) for row in self._shown)
        return words.markup(
            f'<table class="table">\n<thead>\n{head}\n</thead>\n<tbody>\n{body}\n</tbody>\n</table>'
        )

    def _line(self, tag: str, cells: Iterable[str]) -> str:
        line = ""
        for cell, number, kernels in zip(cells, self._numbers, self._kernels, strict=True):
            side = ' class="text-end"' if number else ""
            text = f"<code>{cell}</code>" if kernels and cell in KERNELS else cell
            line += f"<{tag}{side}>{text}</{tag}>"
        return f"<tr>{line}</tr>"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Rows under named columns; a cell's last expression, so that the page shows them.

    head: the columns' names; rows: one sequence per row, a cell per column. Integers get thousands
    separators, booleans become yes and no, None a dash, all else is shown as str() has it.
    A column of numbers stands on the right; one of names of GPU kernels is set as code.

    Raises ValueError for a row with another number of cells. See chapter 1, where it is met first.
    """
    head = listed("head", head, str, "the columns' names")
    if isinstance(rows, str) or not isinstance(rows, Iterable):
        raise TypeError(f"rows must be a sequence of rows, not {said(rows)}")
    return Table(head, rows)


def _text(cell: object) -> str:
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return f"{cell:,}".replace("-", "−")
    return "–" if cell is None else str(cell)


def _html(cell: object) -> str:
    return cell.html if isinstance(cell, Cell) else escape(_text(cell))


def _is_number(cell: object) -> bool:
    """Whether a cell counts or measures: 28, "0.5", "1,024", "97 %", "3.3 ×", or nothing."""
    if cell is None or (isinstance(cell, int) and not isinstance(cell, bool)):
        return True
    number = str(cell).rstrip(" %×").replace(",", "").replace("−", "-")
    try:
        float(number)
    except ValueError:
        return number in ("", "-", "–")
    return True


def _aligned(cell: str, width: int, number: bool) -> str:
    return cell.rjust(width) if number else cell.ljust(width)
