"""Who sees whom: one scene, and what each of many blocks takes from it for one position."""

from collections.abc import Mapping

import numpy as np
from matplotlib.patheffects import withStroke
from torch import Tensor

from nonlocal_tut.arguments import mapping, tensor
from nonlocal_tut.cousins.alike import ASKS, SIDE, SIZE, THINGS
from nonlocal_tut.draw.look import INK, INPUT, PAPER, THETA, plt
from nonlocal_tut.draw.show import show

COLUMNS, PANEL = 3, 1.4  # inches: a phone holds three


def who_sees_whom(masks: Mapping[str, Tensor]) -> None:
    """The scene of `cousins.alike`, and under each block's name what its cross sees, three a row.

    masks: (12, 12) each, from 0 (dark: does not count) to 1, as `cousins.alike.seen` gives them.
    The cross marks the position that asks.

    Raises ValueError for a mask of another shape. See chapter 7, "Who sees whom?".
    """
    mapping("masks", masks, "masks (12, 12)")
    for name, mask in masks.items():
        tensor("masks", mask, "(12, 12)")
        if mask.shape != (SIDE, SIDE):
            raise ValueError(f"{name!r} must be a mask (12, 12), not {tuple(mask.shape)}")
    rows = -(-(len(masks) + 1) // COLUMNS)
    size = {"figsize": (COLUMNS * PANEL, rows * (PANEL + 0.17)), "squeeze": False}
    _, axes = plt.subplots(rows, COLUMNS, **size)
    for ax in axes.flat:
        ax.axis("off")
    _things(axes.flat[0])
    halo = [withStroke(linewidth=3.5, foreground=PAPER)]
    for ax, (name, mask) in zip(axes.flat[1:], masks.items(), strict=False):
        ax.imshow(np.asarray(mask), vmin=0, vmax=1)
        ax.set_title(name)
    for ax in axes.flat[: len(masks) + 1]:
        ax.plot(ASKS[1], ASKS[0], "x", color=THETA, ms=6, mew=1.8, path_effects=halo)
    show()


def _things(ax) -> None:
    """The scene: A's and B's on empty ground."""
    ax.set(xlim=(-0.5, SIDE - 0.5), ylim=(SIDE - 0.5, -0.5), aspect="equal", title="the scene")
    frame = {"fill": False, "ec": INPUT, "lw": 1}
    ax.add_patch(plt.Rectangle((-0.5, -0.5), SIDE, SIDE, **frame))
    for name, corners in THINGS.items():
        for h, w in corners:
            ax.add_patch(plt.Rectangle((w - 0.5, h - 0.5), SIZE, SIZE, **frame))
            text = {"ha": "center", "va": "center", "color": INK}
            asks = (h + 1, w + 1) == ASKS  # the cross stands there, and the letter beside it
            ax.text(w + 0.5 + 2 * asks, h + 0.5, name, **text)
