"""In a notebook a figure is SVG: the same bytes each time, words as words, a map's own pixels."""

import base64
import re
import subprocess
import sys
from io import BytesIO

import matplotlib

matplotlib.use("Agg")

import IPython.display
import pytest
import torch
from PIL import Image

from nonlocal_tut import draw
from nonlocal_tut.draw.look import plt
from nonlocal_tut.draw.show import svg

DRAWN = """\
import matplotlib; matplotlib.use("Agg")
import torch
from nonlocal_tut import draw
from nonlocal_tut.draw.look import plt
from nonlocal_tut.draw.show import svg
draw.lines({"a": ([1, 2], [1, 3]), "b": ([1, 2], [2, 2])}, x="x", y="y")
curves = svg(plt.gcf())
draw.maps({"a": torch.eye(3)}, grid=True)
print(curves + svg(plt.gcf()))"""


@pytest.fixture
def displayed(monkeypatch):
    """What goes into a notebook whose backend is `inline`."""
    bundles = []
    monkeypatch.setattr(plt, "get_backend", lambda: "inline")
    monkeypatch.setattr(IPython.display, "display", lambda data, raw: bundles.append(data))
    yield bundles
    plt.close("all")


@pytest.mark.parametrize(
    "drawn",
    [
        lambda: draw.lines({"a": ([1, 2], [1, 3])}, x="x", y="y"),
        lambda: draw.maps({"a": torch.eye(3)}),
    ],
)
def test_a_notebook_gets_one_svg_and_the_figure_is_closed(drawn, displayed):
    assert drawn() is None
    (data,) = displayed
    assert data["image/svg+xml"].rstrip().endswith("</svg>")
    assert re.fullmatch(r"<Figure size [\d.]+x[\d.]+ with 1 Axes>", data["text/plain"])
    assert plt.get_fignums() == []


def test_elsewhere_pyplot_shows_it(shown, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython.display", None)  # nobody asks for it
    draw.maps({"a": torch.eye(3)})
    assert len(shown) == 1


def test_the_same_figure_has_the_same_bytes():
    runs = [subprocess.check_output([sys.executable, "-c", DRAWN], text=True) for _ in range(2)]
    assert runs[0] == runs[1] and runs[0].count("<svg") == 2
    assert "dc:date" not in runs[0] and "Matplotlib" not in runs[0]


def test_words_are_words(shown):
    draw.lines({"one curve": ([1, 2], [1, 10**6])}, x="layers", y="width", log="y")
    words = re.findall(r"<text[^>]*>([^<]*)</text>", svg(shown[0]))
    assert {"one curve", "layers", "width (log scale)", "10⁶"} <= set(words)
    assert all("Verdana" in style for style in re.findall(r"<text style=\"([^\"]*)", svg(shown[0])))


def test_a_map_keeps_its_own_pixels(shown):
    draw.maps({"a": torch.rand(7, 9)})
    (picture,) = re.findall(r"base64,\s*([^\"]*)", svg(shown[0]))
    with Image.open(BytesIO(base64.b64decode(picture))) as image:
        assert image.size == (9, 7)
