"""Every figure of the book, in one look. One file a kind of picture; needs matplotlib.

Each function draws with pyplot and shows, returning nothing, so that a cell ends without a repr;
in a notebook as SVG.
Colors mean things everywhere: theta/query, phi/key, g/value, output, input; never by color alone.
"""

from nonlocal_tut.draw.attention import attention_on
from nonlocal_tut.draw.boxes import product
from nonlocal_tut.draw.brackets import brackets
from nonlocal_tut.draw.by_hand import by_hand
from nonlocal_tut.draw.clips import clip
from nonlocal_tut.draw.curves import lines
from nonlocal_tut.draw.look import DOTS, INPUT, OUTPUT, PHI, THETA, WIDTH, G
from nonlocal_tut.draw.memory import areas, at_peak, timeline
from nonlocal_tut.draw.online import online
from nonlocal_tut.draw.positions import cone, maps, task
from nonlocal_tut.draw.twins import one_context
from nonlocal_tut.draw.two_blocks import two_blocks
from nonlocal_tut.draw.who import who_sees_whom

__all__ = [
    "DOTS",
    "INPUT",
    "OUTPUT",
    "PHI",
    "THETA",
    "WIDTH",
    "G",
    "areas",
    "at_peak",
    "attention_on",
    "brackets",
    "by_hand",
    "clip",
    "cone",
    "lines",
    "maps",
    "one_context",
    "online",
    "product",
    "task",
    "timeline",
    "two_blocks",
    "who_sees_whom",
]
