"""Rows of attention over the picture that they are about."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.patheffects import withStroke
from torch import Tensor

from nonlocal_tut.arguments import instance, tensor
from nonlocal_tut.attention_maps import AttentionMap, checked
from nonlocal_tut.draw.look import PAPER, PHI, THETA, WIDTH, plt
from nonlocal_tut.draw.panels import panels
from nonlocal_tut.draw.show import show

STRONGEST = 5  # keys that get an outline
AROUND = 18  # points: a box that shows around the cross


def attention_on(
    image: Tensor, attention_map: AttentionMap, positions: Sequence[tuple[int, int]], b: int = 0
) -> None:
    """A row of attention for each position, two side by side, laid over the picture.

    image: (H', W') or (C, H', W') with 1 or 3 channels, in any range. attention_map: of a model
    that ran on it, of any 2-D feature map. positions: (h, w) on that feature map. b: which image of
    the batch. The picture is in gray, a wide one as wide as the figure; a row is enlarged to the
    part of it that its keys cover. A cross marks the query, boxes the five largest weights; one
    that the cross would hide is larger. Below stand the least weight, the largest and the sum,
    which is one for a softmax. Colors go from 0 up; where weights are negative, from minus to plus
    the largest of either sign, with 0 in white.

    Raises ValueError for an image whose sides no stride would bring to the feature map's, a feature
    map that is not 2-D, no positions, and an image of the batch or a position that is not there.
    See chapter 6, "Where does it go, and what does it attend to?".
    """
    tensor("image", image, "(H, W), (1, H, W) or (3, H, W)")
    instance("attention_map", attention_map, AttentionMap, "an AttentionMap")
    picture = _grey(image)
    _check_sides(picture.shape, attention_map.queries)
    positions = checked(positions, attention_map.queries, "position")
    rows = [attention_map.row(b, *p).detach().cpu().double().numpy() for p in positions]
    if not rows:
        raise ValueError(f"positions must name one position or more, not {positions}")
    wide = picture.shape[1] > 1.5 * picture.shape[0]
    columns = 1 if wide else min(len(rows), 2)
    panel = WIDTH if wide else min(WIDTH / columns, 3.2)
    axes = panels(len(rows), columns, panel, panel * picture.shape[0] / picture.shape[1] + 1.05)
    for ax, position, row in zip(axes, positions, rows, strict=True):
        _panel(ax, picture, row, position, attention_map, AROUND / 72 * picture.shape[1] / panel)
    show()


def _panel(ax, picture: np.ndarray, row: np.ndarray, position, attention_map, around) -> None:
    """around: the least side, in pixels, of a box in which the cross is."""
    (height, width), (down, across) = picture.shape, attention_map.queries
    cell = height / down, width / across  # of a query, in pixels
    pool = [q // k for q, k in zip(attention_map.queries, row.shape, strict=True)]
    key = cell[0] * pool[0], cell[1] * pool[1]  # of a key
    bottom, right = key[0] * row.shape[0] - 0.5, key[1] * row.shape[1] - 0.5
    ax.imshow(picture, cmap="gray")
    size = max(np.abs(row).max(), np.finfo(np.float32).tiny)
    signed = row.min() < 0
    drawn = ax.imshow(
        row,
        cmap="PuOr_r" if signed else "cividis",
        norm=TwoSlopeNorm(0, -size, size) if signed else Normalize(0, size),
        alpha=0.25 + 0.6 * np.abs(row) / size,  # the picture stays where little is taken
        interpolation="nearest",
        extent=(-0.5, right, bottom, -0.5),
    )
    for place in np.argsort(row, axis=None)[::-1][:STRONGEST]:
        h, w = np.unravel_index(place, row.shape)
        own = all(p // q == k for p, q, k in zip(position, pool, (h, w), strict=True))
        tall, wide = (max(side, around) if own else side for side in key)
        corner = (w + 0.5) * key[1] - wide / 2 - 0.5, (h + 0.5) * key[0] - tall / 2 - 0.5
        for color, thick in (PAPER, 2.6), (PHI, 1.4):
            ax.add_patch(plt.Rectangle(corner, wide, tall, fill=False, ec=color, lw=thick))
    h, w = ((p + 0.5) * side - 0.5 for p, side in zip(position, cell, strict=True))
    halo = [withStroke(linewidth=4.5, foreground=PAPER)]
    ax.plot(w, h, "x", color=THETA, ms=9, mew=2.4, path_effects=halo)
    ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.set_title(f"query {position[0]}, {position[1]}")
    ax.set_xlabel(f"{_short(row.min())} to {_short(row.max())}\nsum {_short(row.sum())}")
    bar = ax.figure.colorbar(drawn, ax=ax, location="bottom", fraction=0.06, pad=0.02, shrink=0.9)
    bar.solids.set_alpha(1)
    bar.set_ticks([-size, 0, size] if signed else [0, size])
    ends = bar.ax.set_xticklabels([_short(t) for t in bar.get_ticks()])
    ends[0].set_ha("left")
    ends[-1].set_ha("right")


def _short(weight: float) -> str:
    """Two digits; 0 for what no picture shows."""
    return "0" if abs(weight) < 1e-4 else f"{weight:.2g}".replace("-", "−")


def _grey(image: Tensor) -> np.ndarray:
    """(H', W'), the mean over channels."""
    shape = tuple(image.shape)
    if image.ndim not in (2, 3) or (image.ndim == 3 and shape[0] not in (1, 3)):
        raise ValueError(f"image must be (H, W), (1, H, W) or (3, H, W), not {shape}")
    picture = image.detach().cpu().double()
    return (picture.mean(dim=0) if image.ndim == 3 else picture).numpy()


def _check_sides(image: tuple[int, ...], queries: tuple[int, ...]) -> None:
    """Both sides must come from one stride, with the border rounded either way."""
    if len(queries) != 2:
        raise ValueError(f"attention_map must be of a feature map (H, W), not {queries}")
    for stride in range(1, max(image) + 1):
        if all(abs(i / stride - q) < 1 for i, q in zip(image, queries, strict=True)):
            return
    raise ValueError(f"image of {tuple(image)} does not fit a feature map of {queries}")
