"""Three matrices and two ways to set the brackets: which product is made first, and how large."""

from nonlocal_tut.draw.boxes import TENSORS, box
from nonlocal_tut.draw.look import INPUT, WIDTH, plt
from nonlocal_tut.draw.show import show

LONG, SHORT, GAP = 1.6, 0.62, 0.34  # inches: N, C', and between boxes
ROLES = {"theta": "query", "phiᵀ": "key", "g": "value", "N×N": "matrix", "C'×C'": "matrix"}


def brackets() -> None:
    """(theta · phiᵀ) · g, and theta · (phiᵀ · g): what is inside the brackets is made first.

    theta, phi and g are (N, C'). In each half two boxes meet in the product that is made first,
    at the side that they share; the third factor stands beside it.

    See chapter 5, "Can it be exact without the N×N matrix?".
    """
    _, ax = plt.subplots(figsize=(WIDTH, WIDTH * 0.47))
    x, above = SHORT + GAP, LONG + GAP
    _box(ax, "theta", 0, 0, SHORT, LONG, "N", "C'")
    _box(ax, "phiᵀ", x, above, LONG, SHORT, "C'", "N")
    _box(ax, "N×N", x, 0, LONG, LONG)
    _times(ax, x + LONG + GAP / 2, LONG / 2)
    _box(ax, "g", x + LONG + GAP, 0, SHORT, LONG)
    ax.text((x + LONG + GAP + SHORT) / 2, -0.3, "(theta · phiᵀ) · g", ha="center", size=13)
    start = x + LONG + 2 * GAP + SHORT + 0.5
    x, above = start + SHORT + GAP, SHORT + GAP
    _box(ax, "theta", start, 0, SHORT, LONG, "N", "C'")
    _times(ax, x - GAP / 2, SHORT / 2)
    _box(ax, "phiᵀ", x, 0, LONG, SHORT)
    x += LONG + GAP
    _box(ax, "g", x, above, SHORT, LONG, "N", "C'")
    _box(ax, "C'×C'", x, 0, SHORT, SHORT)
    ax.text((start + x + SHORT) / 2, -0.3, "theta · (phiᵀ · g)", ha="center", size=13)
    ax.set(xlim=(-0.25, x + SHORT + 0.1), ylim=(-0.45, LONG + GAP + SHORT + 0.25))
    ax.set_aspect("equal")
    ax.axis("off")
    show()


def _box(ax, name: str, x: float, y: float, width: float, height: float, *sides: str) -> None:
    """sides: the names of its height and its width, where they are written."""
    box(ax, ROLES[name], x, y, width, height, name, size=11)
    if sides:
        edge = TENSORS[ROLES[name]][1]
        ax.text(x - 0.06, y + height / 2, sides[0], ha="right", va="center", color=edge)
        ax.text(x + width / 2, y + height + 0.05, sides[1], ha="center", va="bottom", color=edge)


def _times(ax, x: float, y: float) -> None:
    ax.text(x, y, "·", ha="center", va="center", size=24, color=INPUT)
