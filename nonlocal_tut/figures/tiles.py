"""Tile by tile: softmax over rows of which no row is ever whole (chapter 5)."""

from nonlocal_tut.figures.player import Figure

# Six queries and six keys; small whole scores, so that a reader can follow by hand.
SCORES = [
    [1, 3, 2, 0, 1, 2],
    [0, 1, 4, 1, 0, 2],
    [2, 2, 1, 3, 0, 1],
    [1, 0, 0, 2, 5, 1],
    [3, 1, 2, 1, 1, 0],
    [0, 2, 1, 1, 2, 3],
]
VALUES = [4, 0, 2, 6, 1, 3]


def tiles() -> Figure:
    """A 6×6 table of scores, of which four exist at a time, and what each row keeps meanwhile.

    See chapter 5. The reader chooses the order of the keys; the outputs are the same.
    """
    says = "36 scores, four at a time; each row keeps its largest score, a sum and an output."
    return Figure("tiles", says, SCORES=SCORES, VALUES=VALUES)
