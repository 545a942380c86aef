"""Chapter 1's trained nets, asked in the page: drag the dot, drag the question mark."""

from nonlocal_tut import records
from nonlocal_tut.figures.player import Figure


def live() -> Figure:
    """The remote-copy task and three trained nets, whose answers the reader's browser computes.

    The weights are those of book/data/nets.json, in half precision. See chapter 1.
    """
    says = "a 12×12 feature map with a dot and a marker that one moves, and three nets that answer."
    return Figure("live", says, packed=True, NETS=records.read("nets")["nets"])
