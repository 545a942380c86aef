"""The stereo task: two views side by side in one feature map, and a known match for each place.

A scene is seen twice. In the right view its bands are shifted, each by its own number of cells, and
each cell of the right view carries a random color. Asked at a cell of the left view, a net must
name the color of the cell in the right view that shows the same piece of the scene. To find it, it
can only compare the pictures. Nobody tells it where to look, but we know.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nonlocal_tut.tasks.denoise import random_window
from nonlocal_tut.tasks.training import COLORS, Examples, fit

CELL = 4  # pixels along a side of a cell
CHANNELS = CELL**2 + COLORS  # a cell's pixels, then its color


class Pairs(NamedTuple):
    """A batch of stereo pairs: the task, where the right answers are to be found, the pictures."""

    examples: Examples  # maps (B, CHANNELS, side, 2·side + shifts), asked at all left cells
    match: Tensor  # (B, side²) index of each left cell's match, among the positions of the map
    views: Tensor  # (B, CELL·side, CELL·(2·side + shifts)) left and right, values 0 to 1 and noise


def stereo(
    pictures: Sequence[Tensor],
    batch: int,
    side: int = 8,
    *,
    shifts: int = 4,
    bands: int = 2,
    noise: float = 0.03,
    generator: torch.Generator,
) -> Pairs:
    """Draw stereo pairs from pictures.

    pictures: (H, W) each, values 0 to 1; side: of the left view, in cells of CELL×CELL pixels. The
    right view is `shifts` cells wider, so that no match falls outside; shifts: the largest shift,
    in cells; bands: of side / bands rows each, with a shift of their own; noise: standard
    deviation, drawn anew for each view; generator: every random choice comes from it.

    A cell's pixels lose their mean and contrast: what is left is the pattern.
    Raises ValueError for bands that do not divide the side, or pictures smaller than a scene.
    See chapter 6, "Can attention be checked against the truth?".
    """
    if side % bands:
        raise ValueError(f"bands must divide the side, {side}, not {bands}")
    wide = side + shifts
    shift = torch.randint(shifts + 1, (batch, bands), generator=generator)
    shift = shift.repeat_interleave(side // bands, dim=1)  # (B, side), one a row of cells
    views = torch.stack([_views(pictures, side, wide, row, generator) for row in shift])
    views = views + noise * torch.randn(views.shape, generator=generator)
    cells = F.pixel_unshuffle(views[:, None], CELL)  # (B, CELL², side, side + wide)
    cells = cells - cells.mean(1, keepdim=True)
    cells = cells / cells.std(1, keepdim=True).clamp(min=1e-6)

    color = torch.randint(COLORS, (batch, side, wide), generator=generator)
    planes = F.one_hot(color, COLORS).movedim(3, 1).to(cells.dtype)  # (B, COLORS, side, wide)
    planes = F.pad(planes, (side, 0))  # the left view has no colors
    row, column = torch.meshgrid(*[torch.arange(side)] * 2, indexing="ij")
    found = column + shift[:, :, None]  # (B, side, side): the match's column in the right view
    answer = color.flatten(1).gather(1, (row * wide + found).flatten(1))
    asked = (row * (side + wide) + column).flatten().expand(batch, -1)
    match = (row * (side + wide) + side + found).flatten(1)
    return Pairs(Examples(torch.cat([cells, planes], 1), asked, answer), match, views)


def _views(
    pictures: Sequence[Tensor], side: int, wide: int, shift: Tensor, generator: torch.Generator
) -> Tensor:
    """One scene, left and right: cell j of the left is cell j + shift of the right."""
    shifts = wide - side
    scene = random_window(pictures, CELL * side, CELL * (wide + shifts), generator)
    left = scene[:, CELL * shifts : CELL * wide]
    starts = (CELL * (shifts - shift.repeat_interleave(CELL))).tolist()  # one a row of pixels
    right = [row[at : at + CELL * wide] for row, at in zip(scene, starts, strict=True)]
    return torch.cat([left, torch.stack(right)], dim=1)


def train(
    build: Callable[[], nn.Module],
    pictures: Sequence[Tensor],
    *,
    steps: int = 400,
    batch: int = 16,
    learning_rate: float = 1e-2,
    seed: int = 0,
    label: str = "",
) -> nn.Module:
    """Build a net and train it to name the matching cell's color. -> the net, in eval mode.

    build: () -> module that maps (B, CHANNELS, H, W) -> (B, COLORS, H, W) logits; the rest as in
    `remote.train`. Raises ValueError if the logits have another shape. See chapter 6.
    """

    def draw(generator: torch.Generator) -> Examples:
        return stereo(pictures, batch, generator=generator).examples

    return fit(build, draw, steps=steps, rate=learning_rate, seed=seed, label=label)[0]
