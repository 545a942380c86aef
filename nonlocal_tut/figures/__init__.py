"""The figures that one can touch: a function from a state to SVG each, and one player for all.

A cell ends with one (`figures.tiles()`); it then lives on the page, offline, in JupyterLab and on
Colab. The scripts need no library and no network. Where scripts are off, a still frame and its
sentence stand there. Their numbers are those of the module: tests hold the two together.
"""

from nonlocal_tut.figures.field import field
from nonlocal_tut.figures.live import live
from nonlocal_tut.figures.player import Figure
from nonlocal_tut.figures.tiles import tiles
from nonlocal_tut.figures.timeline import timeline
from nonlocal_tut.figures.wall import wall

__all__ = ["Figure", "field", "live", "tiles", "timeline", "wall"]
