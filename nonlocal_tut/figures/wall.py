"""Attention on the brick wall: point at a position, and see what it gives weight to (chapter 6)."""

from nonlocal_tut import records
from nonlocal_tut.figures.player import Figure


def wall() -> Figure:
    """A wall of 24×24 cells, and the row of whichever asks: by likeness, of a new block, a trained.

    The reader's browser computes the rows from the picture in book/data/pictures.json and from the
    weights in book/data/wall.json; keys can be pooled. See chapter 6.
    """
    says = "a brick wall of 24×24 cells; the one pointed at gives weights to all others."
    picture = records.read("pictures")["pictures"]["brick"]["bmp"]
    blocks = records.read("wall")["blocks"]
    return Figure("wall", says, packed=True, PICTURE=picture, BLOCKS=blocks)
