"""Every figure shows what it is told, without a warning, and can be read in grey."""

import inspect
import os
import subprocess
import sys
import warnings
from itertools import combinations
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb

from nonlocal_tut import draw
from nonlocal_tut import receptive_field as rf
from nonlocal_tut.tasks import remote_copy

FAR = list(range(1, 12))
CLIFFS = {f"{n}-layer net": (FAR, [1.0] * n + [0.25] * (11 - n)) for n in (1, 2, 4)}
CLIFFS["1 layer + block"] = (FAR, [1.0] * 11)
MAPS = {"mask": torch.eye(7) > 0, "field": torch.rand(7, 7), "empty": torch.zeros(5, 9)}
DOT = remote_copy(1, side=6, generator=torch.Generator().manual_seed(3))
SCALE = {"N": 3, "C/8": 0.8}
EXAMPLES = {
    "cone": lambda: draw.cone(3, 3),
    "maps": lambda: draw.maps(MAPS, outline=[3, None, 1], grid=True),
    "lines": lambda: draw.lines(
        CLIFFS, x="distance, positions", y="accuracy", level=(0.25, "guessing")
    ),
    "product": lambda: draw.product("query N C/8", "key C/8 N", "map N N", SCALE),
    "task": lambda: draw.task(DOT.maps[0]),
}


@pytest.fixture(autouse=True)
def shown(monkeypatch):
    """The figures that were shown, in order."""
    matplotlib.use("Agg")
    plt.close("all")
    figures = []
    monkeypatch.setattr(plt, "show", lambda: figures.append(plt.gcf()))
    yield figures
    plt.close("all")


@pytest.fixture
def figure(shown):
    """Draw with warnings as errors -> the one figure, rendered."""

    def draw_one(function, *given, **options):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert function(*given, **options) is None, "a returned value would be a stray repr"
            plt.gcf().canvas.draw()
        assert [plt.figure(number) for number in plt.get_fignums()] == shown and len(shown) == 1
        return shown.pop()

    return draw_one


def luminance(color):
    """WCAG 2's relative luminance, 0 … 1: what is left of a color in grey."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return np.dot(linear, [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def words(ax):
    """What is written on an axes, tick labels aside."""
    texts = [*ax.texts, ax.title, ax.xaxis.label, ax.yaxis.label]
    return [text for text in texts if text.get_text() and text.get_visible()]


def names(ax):
    return {text.get_text(): text for text in ax.texts}


def test_every_public_function_has_an_example_here():
    functions = inspect.getmembers(draw, inspect.isfunction)
    public = {n for n, f in functions if f.__module__ == draw.__name__ and n[0] != "_"}
    assert public == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_figure_is_shown_once_within_the_page_and_nothing_is_cut_off(name, figure):
    drawn = figure(EXAMPLES[name])
    assert drawn.get_figwidth() <= draw.WIDE
    for text in (t for ax in drawn.axes for t in words(ax)):
        (left, bottom), (right, top) = text.get_window_extent().get_points()
        assert left >= -1 and bottom >= -1, text
        assert right <= drawn.bbox.width + 1 and top <= drawn.bbox.height + 1, text


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_two_words_lie_on_each_other(name, figure):
    texts = [t for ax in figure(EXAMPLES[name]).axes for t in words(ax)]
    assert texts
    for one, other in combinations(texts, 2):
        boxes = one.get_window_extent(), other.get_window_extent()
        assert not boxes[0].overlaps(boxes[1]), f"{one.get_text()} on {other.get_text()}"


# lines


def test_lines_draw_the_curves_they_are_given_and_name_them_at_their_ends(figure):
    curves = {"up": (range(3), [1.0, 2.0, 4.0]), "flat": ([0.0, 5.0], torch.ones(2))}
    (ax,) = figure(draw.lines, curves, x="depth, layers", y="size, positions").axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("depth, layers", "size, positions")
    for line, (name, (xs, ys)) in zip(ax.lines, curves.items(), strict=True):
        assert list(line.get_xdata()) == list(xs) and list(line.get_ydata()) == list(ys)
        assert names(ax)[name].xy == (xs[-1], ys[-1])


def test_a_curve_that_falls_off_a_cliff_is_named_on_the_edge(figure):
    (ax,) = figure(EXAMPLES["lines"]).axes
    places = {name: text.xy for name, text in names(ax).items() if "net" in name}
    assert places == {f"{n}-layer net": (n, 1.0) for n in (1, 2, 4)}
    assert names(ax)["1 layer + block"].xy == (11, 1.0)


def test_a_level_is_drawn_across_and_named(figure):
    (ax,) = figure(EXAMPLES["lines"]).axes
    assert list(ax.lines[-1].get_ydata()) == [0.25, 0.25]
    assert names(ax)["guessing"].xy[1] == 0.25


@pytest.mark.parametrize("log", ["", "x", "y", "xy"])
@pytest.mark.parametrize("level", [None, (4.0, "four")])
def test_a_log_axis_says_so(log, level, figure):
    curves = {"doubling": ([1, 2, 4], [2.0, 4.0, 8.0])}
    (ax,) = figure(draw.lines, curves, x="n", y="width", log=log, level=level).axes
    assert ax.get_xlabel() == ("n (log scale)" if "x" in log else "n")
    assert ax.get_ylabel() == ("width (log scale)" if "y" in log else "width")
    for axis in (ax.xaxis, ax.yaxis):
        assert axis.get_scale() == ("log" if axis.axis_name in log else "linear")
        if axis.axis_name in log:  # a short axis, whatever else is drawn: powers of 2
            assert {"2", "4"} <= {label.get_text() for label in axis.get_ticklabels()}


def test_a_long_log_axis_counts_in_powers_of_ten(figure):
    curves = {"norm": (range(1, 8), [10.0**-n for n in range(7)])}
    (ax,) = figure(draw.lines, curves, x="layer", y="norm", log="y").axes
    ticks = ax.yaxis.get_majorticklocs()
    assert np.allclose(np.log10(ticks), np.round(np.log10(ticks)))


@pytest.mark.parametrize("norms", [[0.0, 0.0, 1.0, 2.0], [0.0, 0.0, 0.0, 0.0]])
def test_a_log_axis_takes_a_gradient_that_vanished(norms, figure):
    (ax,) = figure(draw.lines, {"norm": (range(1, 5), norms)}, x="n", y="norm", log="y").axes
    assert ax.get_ylabel() == "norm (log scale)"


@pytest.mark.parametrize("count", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("emphasis", ["", "curve 0"])
def test_curves_can_be_told_apart_and_read_in_grey(count, emphasis, figure):
    curves = {f"curve {n}": ([0, 1, 2], [n, n + 1, n + 2]) for n in range(count)}
    (ax,) = figure(draw.lines, curves, x="n", y="size", emphasis=emphasis).axes
    looks = {(line.get_marker(), line.get_linestyle()) for line in ax.lines}
    assert len(looks) == count and not {"", "None", None} & {c for look in looks for c in look}
    for line, name in zip(ax.lines, curves, strict=True):
        color = to_rgb(line.get_color())
        assert to_rgb(names(ax)[name].get_color()) == color
        assert contrast(color, "white") >= 4.5, "WCAG AA for text: the color is its name's too"
        assert (color == to_rgb(draw.OUTPUT)) is (name == emphasis)


def test_more_curves_than_looks_are_an_error_not_left_out():
    curves = {f"curve {n}": ([0, 1], [n, n + 1]) for n in range(9)}
    with pytest.raises(ValueError, match=r"curves .*9"):
        draw.lines(curves, x="n", y="size")


# maps


def test_maps_show_each_map_under_its_title(figure):
    drawn = figure(EXAMPLES["maps"])
    assert [ax.get_title() for ax in drawn.axes] == list(MAPS)
    for ax, value in zip(drawn.axes, MAPS.values(), strict=True):
        (image,) = ax.images
        assert np.array_equal(image.get_array(), value.double().numpy())
        assert image.get_clim()[0] == 0.0
        shades = [luminance(image.cmap(level)[:3]) for level in np.linspace(0, 1, 9)]
        assert shades == sorted(shades), "more is lighter, in grey too"


def test_an_outline_is_a_square_of_so_many_positions_in_the_middle(figure):
    boxes = [[p.get_bbox() for p in ax.patches] for ax in figure(EXAMPLES["maps"]).axes]
    assert [[(b.x0, b.y0, b.x1, b.y1) for b in row] for row in boxes] == [
        [(1.5, 1.5, 4.5, 4.5)],  # positions 2, 3, 4 of 0 … 6
        [],
        [(3.5, 1.5, 4.5, 2.5)],  # the middle of 5 rows and 9 columns
    ]


def test_a_map_may_need_a_gradient(figure):
    assert len(figure(draw.maps, {"a": torch.rand(3, 3, requires_grad=True)}).axes) == 1


# cone, task, product


@pytest.mark.parametrize(("kernel", "layers"), [(3, 1), (3, 3), (5, 2), (3, 8)])
def test_a_cone_shows_the_theoretical_field_of_every_layer(kernel, layers, figure):
    (ax,) = figure(draw.cone, kernel, layers).axes
    sizes = [rf.theoretical([(kernel, 1, 0)] * n).size for n in range(1, layers + 1)]
    named = [f"layer {layers - n}: {size}" for n, size in enumerate(sizes, start=1)]
    assert {f"layer {layers}: 1", f"input: {sizes[-1]}", *named[:-1]} == set(names(ax))
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    filled = [line for line in dots if line.get_markerfacecolor() != "white"]
    heights = [line.get_ydata()[0] for line in filled]
    assert [heights.count(layer) for layer in range(layers, -1, -1)] == [1, *sizes]
    taps = [line for line in ax.lines if line.get_marker() != "o"]
    assert len(taps) == kernel * sum([1, *sizes[:-1]])


def test_a_task_shows_the_dots_number_and_the_question_where_they_are(figure):
    (ax,) = figure(EXAMPLES["task"]).axes
    (color, row, column), (_, asked_row, asked_column) = DOT.maps[0].nonzero().tolist()
    places = {text.get_text(): text.get_position() for text in ax.texts}
    assert places == {str(color): (column, row), "?": (asked_column, asked_row)}


def test_the_dots_differ_in_grey_and_their_numbers_can_be_read(figure):
    shades = sorted(luminance(color) for color in draw.DOTS)
    assert min(np.diff(shades)) > 0.05
    for color in range(4):
        maps = torch.zeros(5, 3, 3)
        maps[color, 0, 0] = maps[4, 2, 2] = 1.0
        (ax,) = figure(draw.task, maps).axes
        plt.close("all")
        (dot,) = ax.lines
        assert dot.get_color() == draw.DOTS[color]
        assert contrast(names(ax)[str(color)].get_color(), dot.get_color()) >= 4.5


def test_a_product_meets_at_the_side_that_is_shared_and_is_drawn_to_scale(figure):
    (ax,) = figure(EXAMPLES["product"]).axes
    left, right, result = (patch.get_bbox() for patch in ax.patches)
    assert [(b.width, b.height) for b in (left, right, result)] == [
        pytest.approx(size) for size in [(0.8, 3), (3, 0.8), (3, 3)]
    ]
    assert (left.y0, left.y1) == (result.y0, result.y1) and left.x1 < result.x0
    assert (right.x0, right.x1) == (result.x0, result.x1) and right.y0 > result.y1
    written = sorted(text.get_text() for text in ax.texts)
    assert written == sorted(["query", "key", "map", "N", "N", "N", "N", "C/8", "C/8"])
    edges = [patch.get_edgecolor()[:3] for patch in ax.patches[:2]]
    assert edges == [to_rgb(draw.THETA), to_rgb(draw.PHI)]


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        (("query N C/8", "key N C/8", "map N N"), "sides that meet must agree"),
        (("query N C/8", "key C/8 N", "map N C/8"), "sides that meet must agree"),
        (("thing N C/8", "key C/8 N", "map N N"), "thing"),
    ],
)
def test_a_product_that_is_none_is_an_error(boxes, message):
    with pytest.raises(ValueError, match=message):
        draw.product(*boxes, SCALE)


# Imports


def python(code):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=os.environ, capture_output=True, text=True)


def test_without_matplotlib_the_message_says_what_to_install():
    ran = python("import sys; sys.modules['matplotlib'] = None; import nonlocal_tut.draw")
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: nonlocal_tut.draw needs matplotlib: pip install 'nonlocal_tut[draw]'"
    )


def test_the_rest_of_the_module_imports_neither_matplotlib_nor_draw_nor_check():
    folder = Path(draw.__file__).parent
    files = [path.relative_to(folder.parent).with_suffix("") for path in folder.rglob("*.py")]
    rest = [".".join(f.parts) for f in files if f.parts[1] not in ("draw", "check")]
    assert {"nonlocal_tut.blocks", "nonlocal_tut.tasks"} <= set(rest)
    ran = python(f"""if True:
        import importlib, sys
        for name in {rest}:
            importlib.import_module(name)
        unwanted = ("matplotlib", "nonlocal_tut.draw", "nonlocal_tut.check")
        print([name for name in sys.modules if name.startswith(unwanted)])""")
    assert ran.stdout == "[]\n", ran.stderr
