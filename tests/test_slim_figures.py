"""A kept figure is drawn as before, in fewer bytes, and nothing that is asked for is lost."""

import base64
import re
from io import BytesIO

import matplotlib

matplotlib.use("Agg")

import pytest
import torch
from nbformat import v4
from PIL import Image
from slim_figures import PICTURE, few_colors, references, short, slim, slim_all

from nonlocal_tut import draw
from nonlocal_tut.draw.show import svg

pytestmark = pytest.mark.usefixtures("shown")
WORD = re.compile(r"<text[^>]*>([^<]*)</text>")


@pytest.fixture
def figures(shown):
    draw.lines({"a": ([1, 2], [1, 3]), "b": ([1, 2], [2, 2])}, x="x", y="y", log="y")
    draw.maps({"a": torch.rand(9, 9)}, grid=True)
    draw.one_context({"round": 1, "square": -2}, {"feature map": 1, "its twin": -3})
    return [svg(figure) for figure in shown]


def test_it_has_the_same_words_and_shapes_in_half_the_bytes(figures):
    for figure in figures:
        slimmed = slim(figure)
        assert WORD.findall(slimmed) == WORD.findall(figure)
        for shape in ("<path ", "<use ", "<image ", "<clipPath "):
            assert slimmed.count(shape) == figure.count(shape)
        assert len(slimmed) < 0.7 * len(figure)
        assert slimmed.startswith("<?xml") and slim(slimmed) == slimmed


def test_what_is_asked_for_is_there(figures):
    for figure in figures:
        slimmed = slim(figure)
        assert references(slimmed) == set(re.findall(r' id="([^"]*)"', slimmed)) != set()


def test_numbers_keep_a_hundredth_of_a_point():
    assert short("M 0.004 12.345678 \nL 10.1 -3.999 z\n") == "M 0 12.35 L 10.1 -4 z"
    assert short("100.00 2000 0.5") == "100 2000 0.5"


def png(colors, mode="RGBA"):
    picture = Image.new(mode, (64, 64))
    picture.putdata([colors[n % len(colors)] for n in range(64 * 64)])
    data = BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


def test_the_colors_of_a_picture_stay():
    colors = [(0, 114, 178, 255), (213, 94, 0, 255), (255, 255, 255, 255)]
    before = png(colors)
    with Image.open(BytesIO(few_colors(before))) as image:
        assert [image.convert("RGBA").getpixel((n, 0)) for n in range(3)] == colors
    assert len(few_colors(before)) <= len(before)
    assert few_colors(few_colors(before)) == few_colors(before)


def test_a_maps_values_are_the_same_colors_as_before(figures):
    pictures = []
    for text in (figures[1], slim(figures[1])):
        (data,) = re.findall(f'{PICTURE}\\s*([^"]*)', text)
        pictures.append(Image.open(BytesIO(base64.b64decode(data))).convert("RGBA"))
    assert pictures[0].tobytes() == pictures[1].tobytes()


def test_in_a_notebook_figures_are_slimmed_and_nothing_else(figures):
    text = v4.new_output("stream", text="1\n")
    moving = v4.new_output("display_data", {"text/html": "<svg>\n <g></g></svg>"})
    figure = v4.new_output("display_data", {"image/svg+xml": figures[0], "text/plain": "<Figure>"})
    nb = v4.new_notebook(cells=[v4.new_code_cell("x", outputs=[text, moving, figure])])
    slim_all(nb)
    after = nb.cells[0].outputs
    assert after[0].text == "1\n" and after[1].data["text/html"] == "<svg>\n <g></g></svg>"
    assert after[2].data == {"image/svg+xml": slim(figures[0]), "text/plain": "<Figure>"}
