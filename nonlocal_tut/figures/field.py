"""The receptive field over a photograph, layer by layer, and the block's one step (chapter 1)."""

from nonlocal_tut import records
from nonlocal_tut.figures.player import Figure


def field() -> Figure:
    """65×65 positions, of which a stack of convolutions sees more with each layer, and a block all.

    The outline is what an output can depend on; the light, by how many paths. See chapter 1.
    """
    says = "what one output of a stack of convolutions can see of a photograph, layer by layer."
    return Figure("field", says, PICTURE=records.read("pictures")["pictures"]["camera"]["bmp"])
