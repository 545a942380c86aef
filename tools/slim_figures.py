"""A figure as it is kept: the same to look at, in half the bytes and a third of the lines.

matplotlib puts each thing into a group with a name that nobody asks for, at a millionth of a point,
one point a line. A picture inside has a handful of colors: 256 of them look the same.
"""

import base64
import re
from io import BytesIO
from xml.etree import ElementTree

from PIL import Image

SVG, LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
GROUP, HREF = f"{{{SVG}}}g", f"{{{LINK}}}href"
PICTURE = "data:image/png;base64,"
PROLOG = '<?xml version="1.0"?>\n'  # tests/sanitize.cfg knows a figure by it
LENGTHS = ("d", "x", "y", "width", "height")
NUMBER = re.compile(r"-?\d+\.\d+")


def slim(svg):
    """An SVG's text -> one that is drawn alike; the second time nothing is left to do."""
    for prefix, name in (("", SVG), ("xlink", LINK)):
        ElementTree.register_namespace(prefix, name)
    root = ElementTree.fromstring(svg)
    used = references(svg)
    for part in root.iter():
        if part.get("id") not in used:
            part.attrib.pop("id", None)
        for key in LENGTHS:
            if key in part.attrib and part is not root:
                part.set(key, short(part.get(key)))
        if re.match(r"rotate\(-?0 ", part.get("transform", "")):
            del part.attrib["transform"]
        if part.get(HREF, "").startswith(PICTURE):
            png = base64.b64decode(part.get(HREF).removeprefix(PICTURE))
            part.set(HREF, PICTURE + base64.b64encode(few_colors(png)).decode("ascii"))
    ungroup(root)
    ElementTree.indent(root, "")
    return PROLOG + ElementTree.tostring(root, encoding="unicode") + "\n"


def references(svg):
    """The ids that something in the SVG asks for."""
    return set(re.findall(r'(?:url\(|href=")#([^")]+)', svg))


def short(numbers):
    """Numbers to a hundredth of a point, in one line."""
    one_line = " ".join(numbers.split())
    return NUMBER.sub(lambda n: f"{float(n[0]):.2f}".rstrip("0").rstrip("."), one_line)


def ungroup(parent):
    """The members of a group without a property of its own stand in its place."""
    members = []
    for child in parent:
        ungroup(child)
        members += list(child) if child.tag == GROUP and not child.attrib else [child]
    parent[:] = members


def few_colors(png):
    """A PNG's bytes -> the same picture with a palette, unless that has more bytes."""
    with Image.open(BytesIO(png)) as image:
        if image.mode in ("P", "1", "L"):
            return png
        few = image.convert("RGBA").quantize(256, method=Image.Quantize.FASTOCTREE)
    data = BytesIO()
    few.save(data, "PNG", optimize=True)
    return min(png, data.getvalue(), key=len)


def slim_all(nb):
    """All figures of a notebook, in place."""
    for cell in nb.cells:
        for output in cell.get("outputs", []):
            if "image/svg+xml" in (data := output.get("data", {})):
                data["image/svg+xml"] = slim(data["image/svg+xml"])
