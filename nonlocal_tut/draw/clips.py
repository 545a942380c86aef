"""Pictures of clips: frames side by side, and what one position takes from all of them."""

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from nonlocal_tut.arguments import mapping, tensor
from nonlocal_tut.draw.look import BLACK, DOTS, INK, INPUT, PAPER, WHITE, WIDTH, plt
from nonlocal_tut.draw.positions import _grid
from nonlocal_tut.draw.show import show


def clip(planes: Tensor, values: Mapping[str, Tensor] | None = None) -> None:
    """A clip of the moving-copy task, a frame a column; below it, numbers for all its positions.

    planes: (COLORS + 3, T, side, side), the dot with its number, blank in the other frames, and
    the marker that asks; values: under a row's name, (T, side, side), as the weights that one
    position gives to all, from 0 (dark) to the row's largest (bright).
    """
    values = {} if values is None else values
    tensor("planes", planes, "(COLORS + 3, T, side, side)", 4)
    mapping("values", values, "tensors (T, side, side)")
    for value in values.values():
        tensor("values", value, "(T, side, side)", 3)
    planes = np.asarray(planes.detach().cpu())
    frames, rows = planes.shape[1], 1 + len(values)
    panel = WIDTH / frames
    size = {"figsize": (WIDTH, rows * (panel - 0.08) + 0.15), "squeeze": False}
    _, axes = plt.subplots(rows, frames, **size)
    for row, name in zip(axes, ["the clip", *values], strict=True):
        row[0].set_ylabel(name)
        shown = np.asarray(values[name].detach().cpu().double()) if name in values else None
        for t, ax in enumerate(row):
            _frame(ax, planes[:, t], None if shown is None else shown[t] / shown.max())
    for t, ax in enumerate(axes[0]):
        ax.set_title(f"frame {t}")
    show()


def _frame(ax, planes: np.ndarray, shown: np.ndarray | None) -> None:
    side, colors, blank = planes.shape[-1], len(DOTS), shown is None
    if not blank:
        ax.imshow(shown, vmin=0, vmax=1)
    _grid(ax, side, side)
    for row, column in np.argwhere(planes[colors + 2]) if blank else ():
        ax.plot(column, row, "o", ms=11, mfc=PAPER, mec=INPUT)
    for plane, row, column in np.argwhere(planes[: colors + 1]):
        asks = plane == colors
        fill = DOTS[plane] if blank and not asks else "none"  # else the number below would hide
        dark = plane < 2 if blank else shown[row, column] < 0.6
        ink = INK if blank and asks else WHITE if dark else BLACK
        if not (blank and asks):
            ax.plot(column, row, "o", ms=12, mfc=fill, mec=INK if blank else ink)
        text = {"ha": "center", "va": "center_baseline", "weight": "bold" if asks else "normal"}
        ax.text(column, row, "?" if asks else plane, color=ink, fontsize=10 + asks, **text)
