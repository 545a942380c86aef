"""Figures are kept with a palette, and look as they did."""

import base64
from io import BytesIO

import palette
from nbformat import v4
from PIL import Image


def png(colors, mode="RGBA"):
    picture = Image.new(mode, (64, 64))
    picture.putdata([colors[n % len(colors)] for n in range(64 * 64)])
    data = BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


def test_the_colors_of_the_book_stay():
    colors = [(0, 114, 178, 255), (213, 94, 0, 255), (255, 255, 255, 255)]
    before = png(colors)
    with Image.open(BytesIO(palette.few_colors(before))) as image:
        assert [image.convert("RGBA").getpixel((n, 0)) for n in range(3)] == colors
    assert len(palette.few_colors(before)) <= len(before)
    assert palette.few_colors(palette.few_colors(before)) == palette.few_colors(before)


def test_a_notebooks_figures_are_lightened_and_nothing_else():
    colors = [(n, 255 - n, n // 2, 255) for n in range(250)]
    text = v4.new_output("stream", text="1\n")
    kept = base64.b64encode(png(colors)).decode("ascii")
    figure = v4.new_output("display_data", {"image/png": kept, "text/plain": "<Figure>"})
    nb = v4.new_notebook(cells=[v4.new_code_cell("x", outputs=[text, figure])])
    palette.lighten(nb)
    after = nb.cells[0].outputs
    assert after[0].text == "1\n" and after[1].data["text/plain"] == "<Figure>"
    assert len(after[1].data["image/png"]) <= len(kept)
