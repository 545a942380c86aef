"""One row's softmax as its keys arrive, with the numbers in the boxes."""

import math
from collections.abc import Sequence

from nonlocal_tut.arguments import numbers
from nonlocal_tut.draw.boxes import box
from nonlocal_tut.draw.look import INPUT, plt
from nonlocal_tut.draw.show import show

ROWS = {  # what a row of boxes shows: whose color it has
    "score": "matrix",
    "value": "value",
    "largest score, m": "matrix",
    "weight": "matrix",
    "sum, s": "matrix",
    "weighted sum, y": "value",
    "output, y / s": "output",
}
CARRIED = ("sum, s", "weighted sum, y")  # what shrinks and goes on to the next key


def online(scores: Sequence[float], values: Sequence[float]) -> None:
    """One row of attention, key after key: each column is a key, with what is known after it.

    scores, values: one number per key. The arrows carry the running sums to the next key, times
    the factor by which they shrink. Each weight is a key's own when it arrives.
    Each key has a width of its own: a phone has room for three.

    Raises ValueError unless there is a value per score, and at most five of them.
    See chapter 5, "Can it be exact without the N×N matrix?".
    """
    numbers("scores", scores)
    numbers("values", values)
    if len(scores) != len(values) or not 0 < len(scores) <= 5:
        raise ValueError(
            f"one to five scores need a value each: {len(scores)}, {len(values)}; "
            f"{scores=}, {values=}"
        )
    columns = len(scores) + 0.73  # the words to their left are as wide as 1.2 of them
    _, ax = plt.subplots(figsize=(1.2 * columns, 4.1))
    m, s, y = -math.inf, 0.0, 0.0
    for column, (score, value) in enumerate(zip(scores, values, strict=True)):
        larger = max(m, score)
        shrink, weight = math.exp(m - larger), math.exp(score - larger)
        m, s, y = larger, s * shrink + weight, y * shrink + weight * value
        shown = f"{score:g}", f"{value:g}", f"{m:g}", f"{weight:.2f}", f"{s:.2f}", f"{y:.1f}"
        ax.text(column, -0.75, f"key {column + 1}", ha="center", va="center", size=11)
        for row, (name, text) in enumerate(zip(ROWS, (*shown, f"{y / s:.1f}"), strict=True)):
            place = column - 0.25, row - 0.36, 0.5, 0.72
            box(ax, ROWS[name], *place, text, lw=1, va="center_baseline", size=11.5)
            if name in CARRIED and column:
                _carried(ax, column, row, shrink)
    for row, name in enumerate(ROWS):
        ax.text(-0.33, row, name, ha="right", va="center_baseline", size=10)
    ax.set(xlim=(-1.45, len(scores) - 0.72), ylim=(len(ROWS) - 0.5, -1.1))
    ax.axis("off")
    show()


def _carried(ax, column: int, row: int, shrink: float) -> None:
    """An arrow from the key before, with the factor on it."""
    ends = {"xy": (column - 0.26, row), "xytext": (column - 0.74, row)}
    ax.annotate("", **ends, arrowprops={"arrowstyle": "->", "color": INPUT, "lw": 1.4})
    ax.text(column - 0.5, row - 0.24, f"× {shrink:.2f}", ha="center", va="center", size=10)
