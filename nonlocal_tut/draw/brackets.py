"""Three matrices and two ways to set the brackets: which product is made first, and how large."""

from nonlocal_tut.draw.boxes import TENSORS, box
from nonlocal_tut.draw.look import INPUT, plt
from nonlocal_tut.draw.show import show

LONG, SHORT, GAP = 1.4, 0.68, 0.34  # inches: N, C', and between boxes
LOWER = -SHORT - GAP - LONG - 0.65  # where the second half stands
ROLES = {"theta": "query", "phiᵀ": "key", "g": "value", "N×N": "matrix", "C'×C'": "matrix"}


def brackets() -> None:
    """(theta · phiᵀ) · g, and theta · (phiᵀ · g): what is inside the brackets is made first.

    theta, phi and g are (N, C'). In each half, one above the other, two boxes meet in the product
    that is made first, at the side that they share; the third factor stands beside it.

    See chapter 5, "Can it be exact without the N×N matrix?".
    """
    edges = (-0.25, 2 * (SHORT + GAP) + LONG + 0.05), (LOWER - 0.05, LONG + GAP + SHORT + 0.65)
    _, ax = plt.subplots(figsize=[high - low for low, high in edges])
    second, third, top = SHORT + GAP, SHORT + LONG + 2 * GAP, LONG + GAP  # columns; a row
    _title(ax, top + SHORT + 0.35, "(theta · phiᵀ) · g")
    _box(ax, "theta", 0, 0, SHORT, LONG, "N", "C'")
    _box(ax, "phiᵀ", second, top, LONG, SHORT, "C'", "N")
    _box(ax, "N×N", second, 0, LONG, LONG)
    _times(ax, third - GAP / 2, LONG / 2)
    _box(ax, "g", third, 0, SHORT, LONG)
    _title(ax, LOWER + LONG + 0.5, "theta · (phiᵀ · g)")
    _box(ax, "theta", 0, LOWER, SHORT, LONG, "N", "C'")
    _times(ax, second - GAP / 2, LOWER + SHORT / 2)
    _box(ax, "phiᵀ", second, LOWER, LONG, SHORT)
    _box(ax, "g", third, LOWER + SHORT + GAP, SHORT, LONG, "N", "C'")
    _box(ax, "C'×C'", third, LOWER, SHORT, SHORT)
    ax.set(xlim=edges[0], ylim=edges[1])
    ax.set_aspect("equal")
    ax.axis("off")
    show()


def _box(ax, name: str, x: float, y: float, width: float, height: float, *sides: str) -> None:
    """sides: the names of its height and its width, where they are written."""
    box(ax, ROLES[name], x, y, width, height, name)
    if sides:
        edge = TENSORS[ROLES[name]][1]
        ax.text(x - 0.06, y + height / 2, sides[0], ha="right", va="center", color=edge)
        ax.text(x + width / 2, y + height + 0.05, sides[1], ha="center", va="bottom", color=edge)


def _title(ax, y: float, text: str) -> None:
    ax.text(0, y, text, size=11)


def _times(ax, x: float, y: float) -> None:
    ax.plot(x, y, "o", color=INPUT, ms=3)
