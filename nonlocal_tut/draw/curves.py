"""Curves, each with its name beside it."""

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nonlocal_tut.arguments import instance, mapping, numbers, one_of, said
from nonlocal_tut.draw.look import INPUT, LINES, OUTPUT, plt, y_label
from nonlocal_tut.draw.show import show

MARKERS = "osD^vP*X"
LONG = 15  # letters of a name's line: the rest goes below, so that a phone has room for the curves


def lines(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    x: str,
    y: str,
    log: str = "",
    levels: Mapping[str, float] | None = None,
    emphasis: str = "",
) -> None:
    """Curves (xs, ys), each labeled beside itself; marker and dash differ from curve to curve.

    x, y: what the axes show, with the unit; log: "x", "y" or "xy"; levels: horizontal references,
    name and height; emphasis: the curve drawn in the output's color, the others in greys. A curve
    that falls off a cliff carries its name on the edge, any other at its end.
    Raises ValueError for more than eight curves, and for a log axis with a number not above 0.
    """
    _checked(curves, {} if levels is None else levels)
    for name, text in ("x", x), ("y", y), ("emphasis", emphasis):
        instance(name, text, str, "a text")
    one_of("log", log, ("", "x", "y", "xy"))
    if len(curves) > len(MARKERS):
        raise ValueError(
            f"curves must be {len(MARKERS)} at most to be told apart, not {len(curves)}"
        )
    _, ax = plt.subplots()
    grey = len(curves) - (emphasis in curves)  # the same greys, with or without one in color
    apart = np.linspace(0, len(LINES) - 1, max(grey, 2)).round().astype(int)
    greys = iter([LINES[n] for n in apart])
    styles = zip(MARKERS, ["-", "--", "-.", ":"] * 2, strict=True)
    edges, ends = 0, []
    for (name, (xs, ys)), (marker, dash) in zip(curves.items(), styles, strict=False):
        color = OUTPUT if name == emphasis else next(greys)
        some = -(-len(xs) // 20)  # so that markers do not make one thick line
        ax.plot(xs, ys, dash, marker=marker, markevery=some, color=color)
        edge = None if "y" in log else _cliff_edge(np.asarray(ys))
        last = (len(xs) - 1, (7, 0), "left")
        above = 11 * (1 + edges % 2)  # neighbors' names at two heights, side by side
        index, offset, side = last if edge is None else (edge, (0, above), "center")
        edges += edge is not None
        place = {"xy": (xs[index], ys[index]), "xytext": offset, "textcoords": "offset points"}
        words = _in_lines(name)
        text = ax.annotate(words, **place, ha=side, va="center", color=color, clip_on=False)
        ends += [text] * (edge is None)
    for name, height in (levels or {}).items():
        ax.axhline(height, color=INPUT, lw=1, ls=":")
        left = "y" in log  # where curves end is crowded, and growing ones leave the left free
        place = {"xy": (1 - left, height), "xycoords": ax.get_yaxis_transform()}
        offset, va = ((5, 3), "bottom") if left else ((7, 0), "center")
        text = ax.annotate(name, **place, xytext=offset, textcoords="offset points", va=va)
        ends += [text] * (not left)
    drawn = {"x": [x for xs, _ in curves.values() for x in xs], "y": list((levels or {}).values())}
    drawn["y"] += [y for _, ys in curves.values() for y in ys]
    for axis in log:
        _log_axis(ax, axis, drawn[axis])
    scale = {axis: " (log scale)" if axis in log else "" for axis in "xy"}
    ax.set_xlabel(x + scale["x"])
    y_label(ax, y + scale["y"])
    if edges:
        ax.margins(x=0.1)  # room for a name around the first point, and above
        low, high = ax.get_ylim()
        ax.set_ylim(low, high + 0.13 * (high - low))
    if ends:
        _keep_apart(ends)
    show()


def _checked(curves: Mapping[str, Any], levels: Mapping[str, float]) -> None:
    mapping("curves", curves, "pairs (xs, ys)")
    for pair in curves.values():
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not _as_many(*pair):
            raise ValueError(f"curves must be pairs (xs, ys) of one length, not {said(pair)}")
    if not curves:
        raise ValueError(f"curves must hold one at least, not {said(curves)}")
    mapping("levels", levels, "heights")
    numbers("levels", levels)


def _as_many(xs: Any, ys: Any) -> bool:
    return hasattr(xs, "__len__") and hasattr(ys, "__len__") and 0 < len(xs) == len(ys)


def _in_lines(name: str) -> str:
    return "\n".join(textwrap.wrap(name, LONG, break_long_words=False, break_on_hyphens=False))


def _keep_apart(names: list[Any], row: float = 12) -> None:
    """Move names that would lie on each other up and down; each line of one is `row` points."""
    names[0].figure.draw_without_rendering()  # until then nobody knows where they are
    boxes = [name.get_window_extent() for name in names]
    points = 72 / names[0].figure.dpi
    heights = [points * (box.y0 + box.y1) / 2 for box in boxes]
    start, rows = list(heights), [name.get_text().count("\n") + 1 for name in names]
    for _ in range(100):
        order = sorted(range(len(names)), key=heights.__getitem__)
        for low, high in itertools.combinations(order, 2):
            beside = boxes[low].x1 < boxes[high].x0 or boxes[high].x1 < boxes[low].x0
            missing = row * (rows[low] + rows[high]) / 2 - (heights[high] - heights[low])
            if missing > 0 and not beside:
                heights[low] -= missing / 2
                heights[high] += missing / 2
    for name, height, before in zip(names, heights, start, strict=True):
        name.xyann = (7, height - before)


def _cliff_edge(ys: np.ndarray) -> int | None:
    """The index before a single step down by more than half of the curve's height, if any."""
    falls = -np.diff(ys)
    return int(falls.argmax()) if len(falls) and falls.max() > 0.5 * ys.max() else None


def _log_axis(ax, axis: str, drawn: Sequence[float]) -> None:
    """Ticks at powers of 2 in plain numbers up to a span of 2,000, else at powers of 10."""
    if min(drawn) <= 0:
        raise ValueError(f"a log axis has no place for {min(drawn):g}, which is on {axis}")
    short = max(drawn) / min(drawn) <= 2000
    getattr(ax, f"set_{axis}scale")("log", base=2 if short else 10)
    plain = (lambda value, _: f"{value:,g}") if short else _power_of_ten
    getattr(ax, f"{axis}axis").set_major_formatter(plain)


def _power_of_ten(value: float, _: int) -> str:
    """10⁶ in characters of one size; a smaller exponent could not be read on a phone."""
    return "10" + f"{np.log10(value):.0f}".translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
