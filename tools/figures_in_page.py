"""A Sphinx extension: an SVG figure stands in the page itself, not behind an <img>.

So its text can be selected and read on a phone, and its colors are the page's, in the light and in
the dark: each of the book's colors becomes a CSS variable, which book.css sets anew in the dark.
"""

import re
from itertools import count
from pathlib import Path
from xml.etree import ElementTree

from docutils import nodes
from slim_figures import HREF, SVG, references
from sphinx.transforms import SphinxTransform

from nonlocal_tut.draw.look import COLORS

NAMES = {color.lower(): name for name, color in COLORS.items()}
COLOR = re.compile(r"#[0-9a-f]{6}\b", re.IGNORECASE)
FONT_SIZE = re.compile(r"\bfont(?:-size)?: *([\d.]+)px")
PIXELS = 100 / 72  # per point, where there is room: text of 10 points has 14 pixels
LEAST = 11  # pixels of text, on any screen
LEFT_OUT = [f"{{{SVG}}}{tag}" for tag in ("metadata", "style", "title")]


def inline(svg, name, alt):
    """The SVG as a part of a page: `name` keeps its ids from others', `alt` is what is read aloud.

    It takes its own width where there is room, less until its smallest text has 11 pixels, no less.
    """
    svg = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    ElementTree.register_namespace("", SVG)
    root = ElementTree.fromstring(COLOR.sub(variable, svg))
    used = references(svg)
    for part in list(root.iter()):
        part[:] = [child for child in part if child.tag not in LEFT_OUT]
        if part.get("id") not in used:
            part.attrib.pop("id", None)
        if HREF in part.attrib:
            part.set("href", part.attrib.pop(HREF))
    unit = PIXELS if root.get("width", "").endswith("pt") else 1
    width, height = (float(number) for number in root.get("viewBox").split()[2:])
    root.attrib |= {"width": f"{width * unit:.0f}", "height": f"{height * unit:.0f}"}
    root.attrib |= {"class": "drawn", "role": "img", "aria-label": alt, "stroke-linejoin": "round"}
    root.attrib.pop("aria-labelledby", None)
    if sizes := [float(size) for size in font_sizes(root)]:
        root.set("style", f"min-width: {LEAST / min(sizes) * width:.0f}px")
    return ElementTree.tostring(root, encoding="unicode")


def variable(color):
    """#0072b2 -> var(--theta, #0072b2), if it is one of the book's colors."""
    name = NAMES.get(color[0].lower())
    return f"var(--{name}, {color[0]})" if name else color[0]


def font_sizes(root):
    for part in root.iter():
        yield from FONT_SIZE.findall(part.get("style", ""))
        yield from filter(None, [part.get("font-size")])


class Inline(SphinxTransform):
    """Before Sphinx gathers the images, so that none is left behind as a file."""

    default_priority = 500

    def apply(self):
        numbers = count(1)
        for image in list(self.document.findall(nodes.image)):
            if image["uri"].endswith(".svg"):
                name, path = self.env.relfn2path(image["uri"])
                self.env.note_dependency(name)
                text = Path(path).read_text(encoding="utf-8")
                drawn = inline(text, f"drawn-{next(numbers)}", image.get("alt", ""))
                box = f'<div class="drawing">{drawn}</div>'  # what is moved, without its caption
                image.replace_self(nodes.raw("", box, format="html"))


def setup(app):
    app.add_transform(Inline)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
