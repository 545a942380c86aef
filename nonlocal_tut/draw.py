"""Every figure of the book, in one look. Importing this module sets matplotlib's style.

Each function draws, shows and returns nothing, so that a page's cell ends without a stray repr.
Colors mean things everywhere: theta/query, phi/key, g/value, output, input; never by color alone.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

try:
    import matplotlib.pyplot as plt
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "nonlocal_tut.draw needs matplotlib: pip install 'nonlocal_tut[draw]'"
    ) from missing

THETA, PHI, G, OUTPUT, INPUT = "#0072B2", "#D55E00", "#009E73", "#AA4499", "#555555"
# The remote-copy task's four dot colors, apart in grey too; each is also drawn with its number.
DOTS = ["#332288", "#117733", "#CC6677", "#DDCC77"]
WIDTH, WIDE = 6.4, 8.5  # inches: 640 px of text width, and the one wide format

plt.rcParams.update(
    {
        "figure.figsize": (WIDTH, 3.2),
        "figure.dpi": 110,
        "figure.constrained_layout.use": True,
        "font.size": 10,
        "axes.titlesize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#DDDDDD",
        "grid.linewidth": 0.6,
        "lines.linewidth": 1.8,
        "lines.markersize": 5,
        "image.cmap": "cividis",
    }
)


def _grid(ax, height: int, width: int) -> None:
    """The square cells of a map, without ticks."""
    ax.set_xticks(np.arange(width + 1) - 0.5, labels=[])
    ax.set_yticks(np.arange(height + 1) - 0.5, labels=[])
    ax.tick_params(length=0)
    ax.grid(color="#BBBBBB", linewidth=0.5)
    ax.spines[:].set_visible(True)
    ax.spines[:].set_color("#BBBBBB")


def cone(kernel: int, layers: int) -> None:
    """One output's view of its input through 1-D convolutions of stride 1, layer by layer."""
    reach = layers * (kernel // 2)
    _, ax = plt.subplots(figsize=(WIDTH, 0.62 * (layers + 1) + 0.5))
    for layer in range(layers + 1):
        seen = (layers - layer) * (kernel // 2)  # to either side
        for x in range(-reach - 2, reach + 3):
            inside = abs(x) <= seen
            ax.plot(x, layer, "o", ms=11, mfc=OUTPUT if inside else "white", mec=INPUT, zorder=2)
            if inside and layer:
                for tap in range(-(kernel // 2), kernel // 2 + 1):
                    ax.plot([x, x + tap], [layer, layer - 1], color="#999999", lw=0.8, zorder=1)
        name = "input" if layer == 0 else f"layer {layer}"
        ax.text(reach + 2.8, layer, f"{name}: {2 * seen + 1}", va="center")
    ax.set(xlim=(-reach - 2.6, reach + 5.5), ylim=(-0.5, layers + 0.5))
    ax.axis("off")
    plt.show()


def maps(
    values: Mapping[str, Tensor], *, outline: Sequence[int | None] = (), grid: bool = False
) -> None:
    """Maps (H, W) side by side under their titles: masks, effective fields, attention.

    outline: the side of a centered square to draw on each, in positions (None: no square);
    grid: draw the positions' borders, for small maps.
    """
    columns = len(values)
    panel = min(WIDTH / columns, 2.4)
    _, axes = plt.subplots(1, columns, figsize=(columns * panel, panel + 0.35), squeeze=False)
    outline = list(outline) or [None] * columns
    for ax, (title, value), side in zip(axes[0], values.items(), outline, strict=True):
        value = np.asarray(value.detach().cpu().double())
        height, width = value.shape
        ax.imshow(value, vmin=0, interpolation="nearest")
        ax.set_title(title)
        ax.grid(False)
        ax.set(xticks=[], yticks=[])
        if grid:
            _grid(ax, height, width)
        if side is not None:
            corner = (width - 1) / 2 - side / 2, (height - 1) / 2 - side / 2
            ax.add_patch(plt.Rectangle(corner, side, side, fill=False, ec="white", ls="--", lw=1.5))
    plt.show()


def lines(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    x: str,
    y: str,
    log: str = "",
    level: tuple[float, str] | None = None,
    emphasis: str = "",
) -> None:
    """Curves (xs, ys), each labeled beside itself; marker and dash differ from curve to curve.

    x, y: what the axes show, with the unit; log: "x", "y" or "xy"; level: a horizontal reference
    (height, name); emphasis: the curve drawn in the output's color, the others in greys. A curve
    that falls off a cliff carries its name on the edge, any other at its end.
    """
    _, ax = plt.subplots()
    greys = iter(plt.get_cmap("cividis")(np.linspace(0.1, 0.65, max(len(curves), 2))))
    styles = zip("osD^vP*X", ["-", "--", "-.", ":"] * 2, strict=True)
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
    if level:
        ax.axhline(level[0], color="#888888", lw=1, ls=":")
        right = {"xy": (1, level[0]), "xycoords": ax.get_yaxis_transform()}
        ax.annotate(level[1], **right, xytext=(7, 0), textcoords="offset points", va="center")
    for axis in log:
        _log_axis(ax, axis)
    scale = {axis: " (log scale)" if axis in log else "" for axis in "xy"}
    ax.set(xlabel=x + scale["x"], ylabel=y + scale["y"])
    plt.show()


def _cliff_edge(ys: np.ndarray) -> int | None:
    """The index before a single step down by more than half of the curve's height, if any."""
    falls = -np.diff(ys)
    return int(falls.argmax()) if len(falls) and falls.max() > 0.5 * ys.max() else None


def _log_axis(ax, axis: str) -> None:
    """Ticks at powers of 2 in plain numbers on short axes, at powers of 10 on long ones."""
    data = [getattr(line, f"get_{axis}data")() for line in ax.lines]
    low = min(np.min(d) for d in data)
    high = max(np.max(d) for d in data)
    short = high / low < 300
    getattr(ax, f"set_{axis}scale")("log", base=2 if short else 10)
    if short:
        getattr(ax, f"{axis}axis").set_major_formatter(lambda value, _: f"{value:g}")


TENSORS = {  # fill and edge by the tensor's role
    "query": ("#d6e6f2", THETA),
    "key": ("#f8e0d1", PHI),
    "value": ("#d3ede4", G),
    "output": ("#efdcec", OUTPUT),
    "map": ("#f3eecb", "#7c7b3a"),
}


def product(left: str, right: str, result: str, scale: Mapping[str, float]) -> None:
    """A matrix product as three boxes: the left and the right one meet in the result's corner.

    left, right, result: "name rows columns", as "query N C/8"; the name's first word of `TENSORS`
    that fits gives the color; scale: how long each side is drawn, {"N": 3, "C/8": 0.8}, in inches.

    Raises ValueError if the sides that meet differ. See chapter 2, "What does each bmm multiply?".
    """
    boxes = [text.rsplit(" ", 2) for text in (left, right, result)]
    (_, rows, inner), (_, inner2, columns), (_, rows2, columns2) = boxes
    if (inner, rows, columns) != (inner2, rows2, columns2):
        raise ValueError(f"{left} times {right} is not {result}: sides that meet must agree")
    gap = 0.45
    height, shared, width = scale[rows], scale[inner], scale[columns]
    corners = [(-gap - shared, 0, shared, height), (0, height + gap, width, shared)]
    corners.append((0, 0, width, height))
    size = shared + width + 2 * gap + 0.7, shared + height + 2 * gap + 0.2
    _, ax = plt.subplots(figsize=size)
    for (name, down, across), (x, y, w, h) in zip(boxes, corners, strict=True):
        fill, edge = next(c for role, c in TENSORS.items() if role in name)
        ax.add_patch(plt.Rectangle((x, y), w, h, fc=fill, ec=edge, lw=1.6))
        upright = 90 if w < 1 else 0
        ax.text(x + w / 2, y + h / 2, name, ha="center", va="center", rotation=upright)
        ax.text(x + w / 2, y + h + 0.06, across, ha="center", va="bottom", color=edge)
        ax.text(x - 0.06, y + h / 2, down, ha="right", va="center", color=edge)
    ax.set(xlim=(-gap - shared - 0.55, width + 0.1), ylim=(-0.1, height + shared + gap + 0.35))
    ax.set_aspect("equal")
    ax.axis("off")
    plt.show()


def task(*maps: Tensor) -> None:
    """Maps of a copy task, side by side: the numbered dots, and the markers that ask.

    maps: (COLORS + 1 [+ tags], side, side) each; with tags, the two kinds are round and square.
    """
    _, axes = plt.subplots(1, len(maps), figsize=(3.2 * len(maps), 3.2), squeeze=False)
    for ax, planes in zip(axes[0], maps, strict=True):
        planes = np.asarray(planes)
        side, colors = planes.shape[-1], len(DOTS)
        ax.imshow(np.ones((side, side)), cmap="gray", vmin=0, vmax=1)
        _grid(ax, side, side)
        for plane, row, column in np.argwhere(planes[: colors + 1]):
            asks, tags = plane == colors, planes[colors + 1 :, row, column]
            shape = "os^D"[int(tags.argmax())] if len(tags) else "o"
            if len(tags) or not asks:
                fill = "white" if asks else DOTS[plane]
                ax.plot(column, row, shape, ms=15, color=fill, mec="black")
            text = {"ha": "center", "va": "center", "weight": "bold" if asks else "normal"}
            ink = "white" if plane < 2 else "black"
            size = 9 if not asks else 11 if len(tags) else 14
            ax.text(column, row, "?" if asks else plane, color=ink, fontsize=size, **text)
    plt.show()
