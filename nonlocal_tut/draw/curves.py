"""Curves, each with its name beside it."""

from collections.abc import Mapping, Sequence

import numpy as np

from nonlocal_tut.draw.look import OUTPUT, plt

MARKERS = "osD^vP*X"


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
    if len(curves) > len(MARKERS):
        raise ValueError(
            f"curves must be {len(MARKERS)} at most to be told apart, not {len(curves)}"
        )
    _, ax = plt.subplots()
    greys = iter(plt.get_cmap("cividis")(np.linspace(0.0, 0.46, max(len(curves), 2))))
    styles = zip(MARKERS, ["-", "--", "-.", ":"] * 2, strict=True)
    edges = 0
    for (name, (xs, ys)), (marker, dash) in zip(curves.items(), styles, strict=False):
        color = OUTPUT if name == emphasis else next(greys)
        ax.plot(xs, ys, dash, marker=marker, color=color)
        edge = None if "y" in log else _cliff_edge(np.asarray(ys))
        last = (len(xs) - 1, (7, 0), "left")
        above = 11 * (1 + edges % 2)  # neighbors' names at two heights, side by side
        index, offset, side = last if edge is None else (edge, (6, above), "right")
        edges += edge is not None
        place = {"xy": (xs[index], ys[index]), "xytext": offset, "textcoords": "offset points"}
        ax.annotate(name, **place, ha=side, va="center", color=color, clip_on=False)
    for name, height in (levels or {}).items():
        ax.axhline(height, color="#888888", lw=1, ls=":")
        right = {"xy": (1, height), "xycoords": ax.get_yaxis_transform()}
        ax.annotate(name, **right, xytext=(7, 0), textcoords="offset points", va="center")
    drawn = {"x": [x for xs, _ in curves.values() for x in xs], "y": list((levels or {}).values())}
    drawn["y"] += [y for _, ys in curves.values() for y in ys]
    for axis in log:
        _log_axis(ax, axis, drawn[axis])
    scale = {axis: " (log scale)" if axis in log else "" for axis in "xy"}
    ax.set(xlabel=x + scale["x"], ylabel=y + scale["y"])
    plt.show()


def _cliff_edge(ys: np.ndarray) -> int | None:
    """The index before a single step down by more than half of the curve's height, if any."""
    falls = -np.diff(ys)
    return int(falls.argmax()) if len(falls) and falls.max() > 0.5 * ys.max() else None


def _log_axis(ax, axis: str, drawn: Sequence[float]) -> None:
    """Ticks at powers of 2 in plain numbers on short axes, at powers of 10 on long ones."""
    if min(drawn) <= 0:
        raise ValueError(f"a log axis has no place for {min(drawn):g}, which is on {axis}")
    short = max(drawn) / min(drawn) < 300
    getattr(ax, f"set_{axis}scale")("log", base=2 if short else 10)
    if short:
        getattr(ax, f"{axis}axis").set_major_formatter(lambda value, _: f"{value:g}")
