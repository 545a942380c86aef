"""What our blocks should reach, and whether the rows of a run say that they do."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.rows import MIB, OK, Row, shape_name

SMALL, LARGE = (2, 64, 32, 32), (1, 64, 96, 96)
PAPER = "NonLocalBlock embedded_gaussian"
ARTICLE = "SelfAttention2d"


@dataclass(frozen=True)
class Target:
    """A figure to be read off the rows, and the limits it should keep."""

    what: str
    unit: str
    reached: Callable[[Sequence[Row]], float | None]
    least: float = -math.inf
    most: float = math.inf

    def result(self, rows: Sequence[Row]) -> dict[str, Any]:
        """As a row of the data file; `met` is None where the run has no such figure."""
        figure = self.reached(rows)
        return {
            "what": self.what,
            "asked": self.asked(),
            "reached": None if figure is None else round(figure, 4),
            "met": None if figure is None else self.least <= figure <= self.most,
        }

    def asked(self) -> str:
        if math.isinf(self.least):
            return f"at most {self.most:g} {self.unit}".rstrip()
        if math.isinf(self.most):
            return f"at least {self.least:g} {self.unit}".rstrip()
        return f"{self.least:g} to {self.most:g} {self.unit}".rstrip()


def _found(rows: Sequence[Row], name: str, shape: Sequence[int], training: bool) -> Row | None:
    """A contestant's float32 row, if it ran."""
    asked = (name, list(shape), "float32", training, OK)
    keys = ("contestant", "shape", "dtype", "training", "status")
    return next((row for row in rows if tuple(row[key] for key in keys) == asked), None)


def peak(name: str, shape: Sequence[int], training: bool, most: float) -> Target:
    def reached(rows: Sequence[Row]) -> float | None:
        row = _found(rows, name, shape, training)
        return row and row["peak_bytes"] / MIB

    mode = "training" if training else "inference"
    what = f"peak bytes, {mode}, {name}, {shape_name(shape)}"
    return Target(what, "MiB", reached, most=most)


def speed(plain: str, ours: str, shape: Sequence[int], least: float) -> Target:
    """How many times as long the plain form takes to train."""

    def reached(rows: Sequence[Row]) -> float | None:
        row = _found(rows, plain, shape, training=True)
        same = row is not None and row["same_function_as"] == ours
        return row["time_ratio"] if same else None

    what = f"time of {plain} over that of {ours}, training, {shape_name(shape)}"
    return Target(what, "times", reached, least=least)


def slope(name: str, sides: Sequence[int] = (32, 64, 96, 128, 192)) -> Target:
    """The exponent of N = H·W in the peak bytes, by least squares on log axes."""

    def reached(rows: Sequence[Row]) -> float | None:
        found = [_found(rows, name, (1, 64, side, side), training=True) for side in sides]
        if None in found:
            return None
        x = [math.log(side**2) for side in sides]
        y = [math.log(row["peak_bytes"]) for row in found]
        x_mean, y_mean = sum(x) / len(x), sum(y) / len(y)
        together = sum((a - x_mean) * (b - y_mean) for a, b in zip(x, y, strict=True))
        return together / sum((a - x_mean) ** 2 for a in x)

    what = f"slope of {name}'s peak bytes in N, training, {sides[0]}×{sides[0]} to {sides[-1]}×"
    return Target(f"{what}{sides[-1]}", "", reached, least=0.95, most=1.05)


TARGETS = (
    peak(PAPER, SMALL, True, 5.6),
    peak(PAPER, SMALL, False, 2.1),
    peak(PAPER, LARGE, True, 19),
    peak(ARTICLE, LARGE, True, 20),
    peak("NonLocalBlock dot_product", LARGE, True, 14),
    peak("NonLocalBlock concatenation", LARGE, True, 64),
    speed("the article's two bmm", ARTICLE, LARGE, 2.5),
    speed(f"{PAPER} matmul", PAPER, LARGE, 2),
    speed("the article's two bmm", ARTICLE, SMALL, 1),
    speed(f"{PAPER} matmul", PAPER, SMALL, 1),
    slope("NonLocalBlock gaussian"),
    slope("NonLocalBlock embedded_gaussian"),
    slope("NonLocalBlock dot_product"),
    slope("NonLocalBlock concatenation"),
)
