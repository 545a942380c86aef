"""Pictures of positions: what an output sees, maps side by side, an example of the task."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from nonlocal_tut.arguments import is_number, mapping, one_of, said, tensor, whole
from nonlocal_tut.draw.look import (
    BLACK,
    COLORS,
    DOTS,
    FAINT,
    INK,
    INPUT,
    OUTPUT,
    PAPER,
    WHITE,
    WIDTH,
    plt,
)
from nonlocal_tut.draw.panels import panels
from nonlocal_tut.draw.show import show


def _grid(ax, height: int, width: int) -> None:
    """The square cells of a map, without ticks."""
    ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), aspect="equal")
    ax.set_xticks(np.arange(width + 1) - 0.5, labels=[])
    ax.set_yticks(np.arange(height + 1) - 0.5, labels=[])
    ax.tick_params(bottom=False, left=False)
    ax.grid(color=COLORS["cell"], linewidth=0.5)
    ax.spines[:].set_visible(True)
    ax.spines[:].set_color(COLORS["cell"])


def cone(kernel: int, layers: int) -> None:
    """One output's view of its input through 1-D convolutions of stride 1, layer by layer."""
    kernel, layers = whole("kernel", kernel, 1), whole("layers", layers, 1)
    reach = layers * (kernel // 2)
    dots = 2 * (reach + 2) + 1  # in a row, and a quarter of their width for its name
    _, ax = plt.subplots(figsize=(WIDTH, 0.62 * (layers + 1) + 0.1))
    for layer in range(layers + 1):
        seen = (layers - layer) * (kernel // 2)  # to either side
        for x in range(-reach - 2, reach + 3):
            inside = abs(x) <= seen
            ax.plot(x, layer, "o", ms=11, mfc=OUTPUT if inside else PAPER, mec=INPUT, zorder=2)
            if inside and layer:
                for tap in range(-(kernel // 2), kernel // 2 + 1):
                    ax.plot([x, x + tap], [layer, layer - 1], color=FAINT, lw=0.8, zorder=1)
        name = "input" if layer == 0 else f"layer {layer}"
        ax.text(reach + 2.7, layer, f"{name}: {2 * seen + 1}", va="center")
    ax.set(xlim=(-reach - 2.5, reach + 2.6 + dots / 4), ylim=(-0.3, layers + 0.3))
    ax.axis("off")
    show()


def maps(
    values: Mapping[str, Tensor], *, outline: Sequence[int | None] = (), grid: bool = False
) -> None:
    """Maps (H, W) under their titles, three a row, or two: masks, effective fields, attention.

    outline: the side of a centered square to draw on each, in positions (None: no square);
    grid: draw the positions' borders, for small maps.

    Raises ValueError for no map, one without two sides, and another number of outlines.
    """
    mapping("values", values, "maps (H, W)")
    one_of("grid", grid, (True, False))
    if not isinstance(outline, (list, tuple)) or not all(map(_is_side, outline)):
        raise TypeError(f"outline must be a side or None for each map, not {said(outline)}")
    for title, value in values.items():
        tensor("values", value, "(H, W)")
        if value.dim() != 2 or not value.numel():
            raise ValueError(
                f"values: {title!r} must be a map (H, W), not {tuple(value.shape)}; a row of an "
                "attention matrix becomes one by row.view(H, W), a sequence by sequence[None]"
            )
    if not values or len(outline) not in (0, len(values)):
        raise ValueError(
            f"values: maps needs an outline each, or none: {len(outline)} for {len(values)}"
        )
    columns = 2 if len(values) == 4 else min(len(values), 3)
    panel = WIDTH / max(columns, 2)
    outline = list(outline) or [None] * len(values)
    axes = panels(len(values), columns, panel, panel + 0.22)
    for ax, (title, value), side in zip(axes, values.items(), outline, strict=True):
        value = np.asarray(value.detach().cpu().double())
        height, width = value.shape
        ax.imshow(value, vmin=0)
        ax.set_title(title)
        ax.grid(False)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        if grid:
            _grid(ax, height, width)
        if side is not None:
            corner = (width - 1) / 2 - side / 2, (height - 1) / 2 - side / 2
            ax.add_patch(plt.Rectangle(corner, side, side, fill=False, ec=WHITE, ls="--", lw=1.5))
    show()


def _is_side(value: object) -> bool:
    return value is None or (is_number(value) and value > 0)


def task(*maps: Tensor) -> None:
    """Maps of a copy task, two a row: the numbered dots, and the markers that ask.

    maps: (COLORS + 1 [+ tags], side, side) each; with tags, the two kinds are round and square.
    """
    for planes in maps:
        tensor("maps", planes, "(COLORS + 1, side, side), or more planes", 3)
    columns = min(len(maps), 2)
    panel = min(3.2, WIDTH / columns)
    for ax, planes in zip(panels(len(maps), columns, panel, panel), maps, strict=True):
        planes = np.asarray(planes.detach().cpu())
        side, colors = planes.shape[-1], len(DOTS)
        _grid(ax, side, side)
        for plane, row, column in np.argwhere(planes[: colors + 1]):
            asks, tags = plane == colors, planes[colors + 1 :, row, column]
            shape = "os^D"[int(tags.argmax())] if len(tags) else "o"
            if len(tags) or not asks:
                fill = PAPER if asks else DOTS[plane]
                ax.plot(column, row, shape, ms=15, color=fill, mec=INK)
            text = {"ha": "center", "va": "center", "weight": "bold" if asks else "normal"}
            ink = INK if asks else WHITE if plane < 2 else BLACK
            ax.text(column, row, "?" if asks else plane, color=ink, fontsize=10 + asks, **text)
    show()
