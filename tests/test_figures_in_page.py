"""An SVG inside a page: named apart, in the page's colors, read aloud, never too small to read."""

import re
from pathlib import Path
from xml.etree import ElementTree

import figures_in_page
import pytest
from matplotlib.colors import to_rgb

from nonlocal_tut.draw.look import COLORS, LINES, WHITE

ROOT = Path(__file__).resolve().parent.parent
STYLE = (ROOT / "book" / "_static" / "book.css").read_text(encoding="utf-8")
(BLOCK,) = re.findall(r'html\[data-theme="dark"\] svg\.drawn \{([^}]*)\}', STYLE)
DARK = dict(re.findall(r"--([\w-]+): (#[0-9A-Fa-f]{6});", BLOCK))
SVG = """<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
 width="360pt" height="72pt" viewBox="0 0 360 72">
<metadata>who</metadata><defs><style>*{fill: red}</style><path id="m1" d="M0 0"/></defs>
<g id="axes_1" clip-path="url(#p1)"><use xlink:href="#m1" style="fill: #0072b2"/></g>
<defs><clipPath id="p1"><rect width="9" height="9" fill="#123456"/></clipPath></defs>
<text style="font-size: 10px">words</text><text style="font-size: 12px">more</text>
</svg>"""


def parsed(svg=SVG, name="n", alt="what it shows"):
    return ElementTree.fromstring(figures_in_page.inline(svg, name, alt))


def test_it_is_a_picture_with_a_name():
    root = parsed(alt='a "b" & c')
    assert (root.get("role"), root.get("aria-label")) == ("img", 'a "b" & c')
    assert [part for part in root.iter() if part.tag.endswith(("style", "metadata"))] == []


def test_its_ids_are_its_own_and_lead_where_they_did():
    one, other = (figures_in_page.inline(SVG, name, "") for name in ("a", "b"))
    ids = [set(re.findall(r'id="([^"]*)"', text)) for text in (one, other)]
    assert ids == [{"a-m1", "a-p1"}, {"b-m1", "b-p1"}]  # and no group's, which nobody asks for
    assert 'href="#a-m1"' in one and "url(#a-p1)" in one and "xlink" not in one


def test_the_books_colors_are_the_pages_and_others_stay():
    text = figures_in_page.inline(SVG, "n", "")
    assert "fill: var(--theta, #0072b2)" in text and 'fill="#123456"' in text


def test_its_smallest_text_has_eleven_pixels_at_least():
    root = parsed()
    assert (root.get("width"), root.get("height")) == ("500", "100")  # 5 inches, 100 pixels each
    assert root.get("style") == "min-width: 396px"  # 360 units wide, 10 of them are 11 pixels
    assert parsed(f'<svg xmlns="{figures_in_page.SVG}" viewBox="0 0 9 9"/>').get("style") is None


def test_a_file_of_ones_own_is_in_pixels():
    root = parsed((ROOT / "book/_static/cousins.svg").read_text(encoding="utf-8"))
    assert root.get("width") == "376" and root.get("style") == "min-width: 295px"
    assert not root.findall(".//{*}title") and root.get("aria-labelledby") is None


def luminance(color):
    parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_every_color_has_one_for_the_dark_and_no_two_are_one():
    assert set(DARK) == set(COLORS)
    assert len({color.lower() for color in COLORS.values()}) == len(COLORS)


@pytest.mark.parametrize("colors", [COLORS, DARK], ids=["light", "dark"])
def test_what_is_written_can_be_read(colors):
    written = ["ink", "input", "theta", "phi", "g", "out", *(f"line-{n}" for n in range(8))]
    least = 3 if colors is COLORS else 4.5  # the paper's own colors on white: as large as lines
    assert all(contrast(colors[name], colors["paper"]) >= least for name in written)
    fills = [name for name in colors if name.endswith("-fill")]
    assert all(contrast(colors["ink"], colors[name]) >= 4.5 for name in fills)
    assert all(contrast(WHITE, colors[f"affinity{n}"]) >= 4.5 for n in ("", "-2"))


def test_curves_grow_paler_in_both_themes():
    for colors, sign in ((LINES, 1), ([DARK[f"line-{n}"] for n in range(8)], -1)):
        steps = [luminance(color) for color in colors]
        assert steps == sorted(steps, reverse=sign < 0)
