"""What each figure shows, and that it can be told apart in grey."""

import collections
import dataclasses
import itertools
import math
import subprocess
import sys

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest
import torch

from nonlocal_tut import draw, memory
from nonlocal_tut.tasks.moving import moving_copy

pytestmark = pytest.mark.usefixtures("shown")


def texts(figure):
    """All that is written in a figure, titles and axis labels included."""
    return {t.get_text() for t in figure.findobj(matplotlib.text.Text) if t.get_text()}


CURVES = {"one": ([1, 2, 4], [1.0, 0.9, 0.8]), "two": ([1, 2, 4], [2.0, 2.5, 3.0])}


def test_lines_say_what_they_are(shown):
    assert draw.lines(CURVES, x="layers", y="width, positions", levels={"guessing": 1.5}) is None
    assert {"one", "two", "guessing", "layers", "width, positions"} <= texts(shown[0])


def test_curves_differ_in_marker_dash_and_grey(shown):
    curves = {str(n): ([1, 2], [n, n]) for n in range(6)}
    draw.lines(curves, x="x", y="y", emphasis="5")
    drawn = shown[0].axes[0].lines
    assert len({line.get_marker() for line in drawn}) == 6
    assert len({(line.get_linestyle(), line.get_marker()) for line in drawn}) == 6
    assert drawn[5].get_color() == draw.OUTPUT
    greys = [matplotlib.colors.to_rgb(line.get_color()) for line in drawn[:5]]
    luminance = [0.3 * r + 0.6 * g + 0.1 * b for r, g, b in greys]
    assert all(b - a > 0.03 for a, b in itertools.pairwise(luminance))


def test_one_more_curve_in_color_leaves_the_others_their_greys(shown):
    curves = {str(n): ([1, 2], [n, n]) for n in range(3)}
    draw.lines(curves, x="x", y="y")
    draw.lines(curves | {"new": ([1, 2], [4, 4])}, x="x", y="y", emphasis="new")
    before, now = ([line.get_color() for line in figure.axes[0].lines] for figure in shown)
    assert now == [*before, draw.OUTPUT]


def test_a_long_name_goes_on_below_and_pushes_others_away(shown):
    names = "512 rows, recomputed", "module", "NVIDIA H100 80GB HBM3, bfloat16"
    draw.lines({name: ([1, 2], [1, 2]) for name in names}, x="x", y="y")
    written = shown[0].axes[0].texts
    assert [t.get_text().replace("\n", " ") for t in written] == list(names)
    assert [t.get_text().count("\n") for t in written] == [1, 0, 2]
    for one, other in itertools.combinations(written, 2):
        assert not one.get_window_extent().overlaps(other.get_window_extent())


def test_a_name_stands_at_the_end_or_on_the_edge_of_a_cliff(shown):
    cliff = {"falls": ([1, 2, 3, 4], [1.0, 1.0, 0.2, 0.2]), "stays": ([1, 2, 3, 4], [1.0] * 4)}
    draw.lines(cliff, x="distance", y="accuracy")
    names = {t.get_text(): t.xy for t in shown[0].axes[0].texts}
    assert names == {"falls": (2, 1.0), "stays": (4, 1.0)}


@pytest.mark.parametrize(("log", "scales"), [("", "ll"), ("x", "gl"), ("y", "lg"), ("xy", "gg")])
def test_log_axes_say_so(log, scales, shown):
    draw.lines(CURVES, x="a", y="b", log=log)
    (ax,) = shown[0].axes
    for axis, scale in zip("xy", scales, strict=True):
        assert getattr(ax, f"get_{axis}scale")() == {"l": "linear", "g": "log"}[scale]
        assert getattr(ax, f"get_{axis}label")().endswith("(log scale)") == (scale == "g")


@pytest.mark.parametrize(("top", "ticks"), [(64, "64"), (1024, "1,024"), (10**6, "10⁶")])
def test_log_ticks_are_plain_numbers_on_short_axes(top, ticks, shown):
    draw.lines({"up": ([1, 2], [1, top])}, x="a", y="b", log="y")
    assert ticks in {t.get_text() for t in shown[0].axes[0].get_yticklabels()}


def test_maps_stand_side_by_side_under_their_titles(shown):
    values = {"left": torch.eye(4), "right": torch.ones(3, 5)}
    assert draw.maps(values, outline=(None, 3), grid=True) is None
    left, right = shown[0].axes
    assert (left.get_title(), right.get_title()) == ("left", "right")
    assert torch.equal(torch.tensor(left.images[0].get_array()), torch.eye(4, dtype=torch.float64))
    assert not left.patches
    (square,) = right.patches  # centered on a map of 3 rows and 5 columns
    assert (square.get_xy(), square.get_width()) == ((0.5, -0.5), 3)


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2)])
def test_maps_that_a_phone_has_no_room_for_go_on_below(count, rows, shown):
    draw.maps({str(n): torch.eye(4) for n in range(count)})
    assert [ax.get_title() for ax in shown[0].axes] == [str(n) for n in range(count)]
    assert len({round(ax.get_position().y0, 3) for ax in shown[0].axes}) == rows


@pytest.mark.parametrize(
    ("values", "outline", "said"),
    [
        ({"row": torch.ones(49)}, (), r"'row' must be a map \(H, W\), not \(49,\); a row of"),
        ({"a": torch.eye(3), "b": torch.ones(1, 3, 3)}, (), r"'b' must .* not \(1, 3, 3\)"),
        ({"none": torch.ones(0, 3)}, (), r"'none' must be a map \(H, W\), not \(0, 3\)"),
        ({"one": torch.tensor(1.0)}, (), r"'one' must be a map \(H, W\), not \(\)"),
        ({}, (), "maps needs an outline each, or none: 0 for 0"),
        ({"a": torch.eye(3)}, (1, None), "maps needs an outline each, or none: 2 for 1"),
    ],
)
def test_what_is_no_map_is_refused_by_name(values, outline, said):
    with pytest.raises(ValueError, match=said):
        draw.maps(values, outline=outline)


def test_a_row_and_a_sequence_become_maps_as_the_error_says(shown):
    draw.maps({"row": torch.ones(49).view(7, 7), "sequence": torch.ones(9)[None]})
    assert [ax.images[0].get_array().shape for ax in shown[0].axes] == [(7, 7), (1, 9)]


def test_the_cone_fills_what_is_seen(shown):
    assert draw.cone(kernel=3, layers=2) is None
    dots = [line for line in shown[0].axes[0].lines if line.get_marker() == "o"]
    filled = [line for line in dots if line.get_markerfacecolor() == draw.OUTPUT]
    assert len(filled) == 1 + 3 + 5
    assert {"input: 5", "layer 1: 3", "layer 2: 1"} <= texts(shown[0])


def test_a_task_shows_its_dot_by_number_and_its_marker(shown):
    dots = torch.zeros(5, 6, 6)
    dots[2, 1, 4] = dots[4, 3, 0] = 1
    assert draw.task(dots) is None
    where = {t.get_text(): t.get_position() for t in shown[0].axes[0].texts}
    assert where == {"2": (4, 1), "?": (0, 3)}  # (column, row)


def test_maps_with_tags_stand_side_by_side_and_shapes_tell_tags(shown):
    planes = torch.zeros(7, 6, 6)
    planes[0, 1, 4] = planes[5, 1, 4] = 1  # dot 0, tag 0
    planes[3, 2, 2] = planes[6, 2, 2] = 1  # dot 3, tag 1
    planes[4, 5, 0] = planes[6, 5, 0] = 1  # marker, tag 1
    draw.task(planes, planes.flip(2))
    left, right = shown[0].axes
    assert {t.get_text(): t.get_position() for t in left.texts} == {
        "0": (4, 1),
        "3": (2, 2),
        "?": (0, 5),
    }
    shapes = {(*line.get_xdata(), *line.get_ydata()): line.get_marker() for line in left.lines}
    assert shapes == {(4, 1): "o", (2, 2): "s", (0, 5): "s"}
    assert {t.get_position() for t in right.texts} == {(1, 1), (3, 2), (5, 5)}


def test_a_product_takes_its_sides_from_its_factors(shown):
    assert draw.product("query N C/8", "key C/8 N", "the matrix N N", {"N": 2, "C/8": 0.5}) is None
    left, right, result = shown[0].axes[0].patches
    assert (left.get_height(), left.get_width()) == (2, 0.5)
    assert left.get_y() == result.get_y() and right.get_x() == result.get_x()
    assert (result.get_height(), result.get_width()) == (left.get_height(), right.get_width())
    assert {"query", "key", "the matrix", "N", "C/8"} == texts(shown[0])


@pytest.mark.parametrize("right", ["key N C/8", "key C/8 M", "key C N"])
def test_a_product_whose_sides_do_not_meet_is_an_error(right):
    scale = dict.fromkeys(("N", "M", "C", "C/8"), 1)
    with pytest.raises(ValueError, match=f"query N C/8 times {right} is not the matrix N N"):
        draw.product("query N C/8", right, "the matrix N N", scale)


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_without_matplotlib_the_error_names_what_to_install():
    told = python("import sys; sys.modules['matplotlib.pyplot'] = None; import nonlocal_tut.draw")
    assert told.returncode == 1
    assert "needs matplotlib: pip install 'nonlocal_tut[draw]'" in told.stderr


def test_the_rest_of_the_module_draws_and_checks_nothing():
    parts = (
        "attention_maps, blocks, convert, cousins, insert, pairwise, receptive_field, shapes, tasks"
    )
    told = python(f"from nonlocal_tut import {parts}, tasks; import sys; print(*sys.modules)")
    assert told.returncode == 0, told.stderr
    loaded = set(told.stdout.split())
    assert "nonlocal_tut.tasks" in loaded
    assert not {"matplotlib", "nonlocal_tut.draw", "nonlocal_tut.check"} & loaded


def test_more_curves_than_can_be_told_apart_are_refused():
    curves = {str(n): ([1, 2], [n, n]) for n in range(9)}
    with pytest.raises(ValueError, match="8 at most to be told apart, not 9"):
        draw.lines(curves, x="a", y="b")


class Block(torch.nn.Module):
    """Two large tensors, one of them at the peak."""

    def forward(self, x):
        first = x.repeat(1, 50)
        second = first + 1
        return second.sum(1)


@pytest.fixture
def report():
    return memory.predict(Block, (3, 40))


def test_areas_are_bytes_and_words_do_not_overlap(shown):
    sizes = {"x": 2**20, "query": 2**17, "key": 2**17, "attention matrix": 2**26}
    assert draw.areas(sizes) is None
    (ax,) = shown[0].axes
    areas = [p.get_width() * p.get_height() for p in ax.patches]
    assert areas == pytest.approx(sorted(sizes.values(), reverse=True))
    colors = [matplotlib.colors.to_hex(p.get_facecolor(), keep_alpha=False) for p in ax.patches]
    assert [c.upper() for c in colors[1:]] == [draw.INPUT, draw.THETA, draw.PHI]
    assert colors[0] == matplotlib.colors.to_hex(matplotlib.colormaps["cividis"](0))
    assert {"query", "0.125 MiB", "attention matrix", "64 MiB"} <= texts(shown[0])
    assert {t.get_ha() for t in ax.texts} == {"center"}
    assert not any("\n" in t.get_text() for t in ax.texts), "an SVG centers single lines alone"
    for one, other in itertools.combinations(ax.texts, 2):
        assert not one.get_window_extent().overlaps(other.get_window_extent())


@pytest.mark.parametrize("sizes", [{}, {"x": 0}])
def test_areas_of_nothing_are_refused(sizes):
    with pytest.raises(ValueError, match="sizes must hold bytes above 0"):
        draw.areas(sizes)


def test_attention_is_drawn_in_no_color_of_query_key_or_value(shown):
    article = memory.predict(lambda: memory.VARIANTS["article"](8), (1, 8, 30, 30))
    draw.timeline(article, ("scores", "attention", "its gradient", "scores'", "hidden"))
    draw.at_peak({"article": (article, ("attention", "its gradient", "scores'", "hidden"))})
    rest = [matplotlib.colors.to_rgb(color) for color in ("white", draw.INPUT)]
    allowed = np.concatenate([matplotlib.colormaps["cividis"](range(256))[:, :3], rest])
    for figure in shown:
        for patch in figure.axes[0].patches:
            if patch.get_fill():
                assert abs(allowed - patch.get_facecolor()[:3]).max(1).min() < 0.01


def test_a_timeline_names_each_large_allocation_and_sums_all(shown, report):
    assert draw.timeline(report, ("first", "second")) is None
    ax = shown[0].axes[0]
    texts = {t.get_text() for t in ax.texts}
    assert {"first", "second", "forward", "backward"} <= texts
    total = max(p.get_data().values.max() for p in ax.patches)
    assert total == pytest.approx(report.peak_bytes / 2**20)


def test_bars_at_the_peak_end_at_the_peak(shown, report):
    large = [a for a in report.at_peak if a.bytes >= report.peak_bytes / 10]
    assert draw.at_peak({"block": (report, [str(a.born) for a in large])}) is None
    ax = shown[0].axes[0]
    ends = max(p.get_y() + p.get_height() for p in ax.patches)
    assert ends == pytest.approx(report.peak_bytes / 2**20)
    assert ax.texts[-1].get_text() == f"{report.peak_bytes / 2**20:,.0f} MiB"


def test_hidden_copies_are_hatched(shown):
    article = memory.predict(lambda: memory.VARIANTS["article"](8), (1, 8, 30, 30))
    draw.timeline(article, ("energy", "attention", "its gradient", "energy's", "hidden"))
    hatched = [p for p in shown[0].axes[0].patches if p.get_hatch()]
    assert len(hatched) == 1


@pytest.mark.parametrize("names", [(), ("first",), ("a", "b", "c")])
def test_a_missing_name_is_an_error_that_lists_what_is_large(report, names):
    with pytest.raises(ValueError, match=r"names must be one for each of 2 \(first = x\.repeat"):
        draw.timeline(report, names)


@pytest.mark.parametrize("log", ["", "xy"])
def test_names_at_one_end_do_not_lie_on_each_other(shown, log):
    curves = {f"curve {n}": ([1, 2], [1, 100 + n]) for n in range(4)}
    draw.lines(curves, x="a", y="b", log=log, levels={"level": 101})
    ax = shown[0].axes[0]
    boxes = {t.get_text(): t.get_window_extent() for t in ax.texts}
    for one, other in itertools.combinations(boxes.values(), 2):
        assert not one.overlaps(other)
    line = ax.transData.transform((1, 101))[1]
    assert abs(boxes["level"].y0 - line) < 15  # beside its line, wherever the curves end


def test_the_name_of_a_cliff_at_the_first_point_lies_inside_the_axes(shown):
    draw.lines({"falls": ([1, 2, 3], [1, 0, 0])}, x="a", y="b")
    ax = shown[0].axes[0]
    assert ax.texts[0].get_window_extent().x0 >= ax.get_window_extent().x0


def test_a_closed_form_has_no_timeline_and_its_terms_are_bars(shown):
    formula = memory.closed_form("article", 2, 64, 14, 14, torch.float32)
    with pytest.raises(ValueError, match=r"needs a run .* a closed form report for cpu has none"):
        draw.timeline(formula, ())
    draw.at_peak({"article": (formula, ("map", "input"))})
    (ax,) = shown[0].axes
    ends = max(p.get_y() + p.get_height() for p in ax.patches)
    assert ends == pytest.approx(formula.peak_bytes / 2**20)
    assert len({p.get_facecolor() for p in ax.patches}) == 3  # two terms, and the rest


def test_a_report_that_does_not_say_what_is_at_its_peak_is_refused(report):
    silent = dataclasses.replace(report, kind="measured", at_peak=(), timeline=())
    with pytest.raises(ValueError, match="'gpu', a measured report, does not say what is at"):
        draw.at_peak({"gpu": (silent, ())})
    with pytest.raises(ValueError, match=r"needs a run .* a measured report for cpu has none"):
        draw.timeline(silent, ())
    with pytest.raises(ValueError, match="one at least, got none"):
        draw.at_peak({})


def test_a_clip_shows_each_frame_and_below_it_each_row_of_numbers(shown):
    clip = moving_copy(1, asked="later", generator=torch.Generator().manual_seed(194)).maps[0]
    weights = torch.arange(4.0 * 25).view(4, 5, 5)
    assert draw.clip(clip, {"weights": weights}) is None
    (figure,) = shown
    grid = np.array(figure.axes).reshape(2, 4)
    assert [ax.get_title() for ax in grid[0]] == [f"frame {t}" for t in range(4)]
    assert [row[0].get_ylabel() for row in grid] == ["the clip", "weights"]
    number = str(clip[:4].flatten(1).any(1).int().argmax().item())
    for row in grid:  # the number in frame 0, the question in frame 3
        assert [[t.get_text() for t in ax.texts] for ax in row] == [[number], [], [], ["?"]]
    seen = np.stack([ax.images[0].get_array() for ax in grid[1]])
    assert np.allclose(seen, weights.numpy() / 99)
    assert sum(len(ax.lines) for ax in grid[0]) == 4 and not clip[6].flatten(1).any(1)[0]


def test_a_row_by_hand_shows_each_number_of_the_softmax(shown):
    query, keys = torch.tensor([3.0, 1]), torch.tensor([[0.0, 0], [1, 0], [0, 1]])
    values = torch.tensor([[0.0, 1], [3, 0], [0, 1]])
    assert draw.by_hand(["empty", "dot", "marker"], query, keys, values) is None
    said = [t.get_text() for t in shown[0].axes[0].texts]
    exps = [math.exp(score) for score in (0, 3, 1)]
    weights = [e / sum(exps) for e in exps]
    expected = [*"031", *(f"{e:.1f}" for e in exps), *(f"{w:.2f}" for w in weights)]
    expected += [f"{3 * weights[1]:.2f}", f"{weights[0] + weights[2]:.2f}", "sum 23.8", "query"]
    assert not collections.Counter(expected) - collections.Counter(said)


def test_names_keys_and_values_must_be_as_many():
    with pytest.raises(ValueError, match="must be as many, got 3, 2, 3"):
        draw.by_hand("abc", torch.ones(2), torch.ones(2, 2), torch.ones(3, 2))
