"""The matched-copy task: a question whose answer depends on who asks.

Two dots and two markers lie on a map, and each carries a tag: tag 0 or tag 1. Asked at a marker, a
net must name the color of the dot with the same tag. The colors differ.

A map and its `twin`, in which the two dots have swapped their colors, prove what a block can do. If
it adds one and the same context to all positions, and a linear layer reads the sum, then the
logits at marker 0 minus those at marker 1 do not depend on the dots. So they are equal for map and
twin, where the right answers are swapped: at most three of the four answers can be right.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nonlocal_tut.tasks.training import COLORS, Examples, answers, fit, to

APART = 3  # positions between any two things, at least: no 3×3 neighborhoods overlap
CHANNELS = COLORS + 3  # colors, marker, tags


def matched_copy(
    batch: int, side: int = 12, *, tags: int = 2, generator: torch.Generator
) -> Examples:
    """Draw examples of the matched-copy task.

    batch: how many; side: of the square map, in positions; tags: how many dots, and markers;
    generator: every random choice comes from it.
    -> Examples with maps (B, COLORS + 1 + tags, side, side), marker and color (B, tags), column t
    belonging to tag t. A dot is 1 in its color's plane and its tag's, a marker in plane COLORS and
    its tag's.

    Raises ValueError for tags outside 2 … COLORS, or a side without room for 2·tags things.
    See chapter 7, "Which of them can answer both markers?".
    """
    if not 2 <= tags <= COLORS:
        raise ValueError(f"tags must lie in 2 … {COLORS}, got {tags}")
    cells = side // APART
    if cells**2 < 2 * tags:
        raise ValueError(f"a map of side {side} has no room for {2 * tags} things {APART} apart")
    place = _places(batch, side, 2 * tags, generator)  # (B, 2·tags)
    dot, marker = place.split(tags, dim=1)
    color = torch.rand(batch, COLORS, generator=generator).argsort(1)[:, :tags]  # all different
    maps = torch.zeros(batch, COLORS + 1 + tags, side * side)
    row, tag = torch.arange(batch)[:, None], COLORS + 1 + torch.arange(tags)
    maps[row, color, dot] = 1.0
    maps[row, COLORS, marker] = 1.0
    maps[row, tag, dot] = 1.0
    maps[row, tag, marker] = 1.0
    return Examples(maps.view(batch, -1, side, side), marker, color)


def _places(batch: int, side: int, count: int, generator: torch.Generator) -> Tensor:
    """`count` positions a map, APART or more apart: cells of a grid that is shifted at random."""
    cells = side // APART
    cell = torch.rand(batch, cells**2, generator=generator).argsort(1)[:, :count]  # (B, count)
    room = side - APART * (cells - 1)
    shift = torch.randint(room, (batch, 2, 1), generator=generator)
    row = APART * (cell // cells) + shift[:, 0]
    column = APART * (cell % cells) + shift[:, 1]
    return row * side + column


def twin(examples: Examples) -> Examples:
    """The same maps with the colors of the dots handed on by one tag; with two tags, swapped."""
    maps, color = examples.maps.clone(), examples.color.roll(1, dims=1)
    planes, tags = maps.flatten(2), maps[:, COLORS + 1 :].flatten(2)  # views: (B, …, N)
    is_dot = planes[:, :COLORS].sum(1, keepdim=True)  # (B, 1, N)
    whose = F.one_hot(color, COLORS).to(maps.dtype)  # (B, tags, COLORS)
    planes[:, :COLORS] = whose.mT @ (tags * is_dot)  # (B, COLORS, N)
    return Examples(maps, examples.marker, color)


@dataclass
class Matched:
    """A net trained on the matched-copy task, and what became of it."""

    label: str
    model: nn.Module
    losses: list[float]  # one a step, in nats
    accuracy: float  # of single answers, 0 … 1; naming one of the two colors earns 1/2
    solved: float  # share of (map, twin) in which every answer is right, 0 … 1


def train(
    build: Callable[[], nn.Module],
    *,
    side: int = 12,
    tags: int = 2,
    steps: int = 300,
    batch: int = 64,
    learning_rate: float = 3e-3,
    seed: int = 0,
    label: str = "",
) -> Matched:
    """Build a net, train it on the matched-copy task, and test it on maps and their twins.

    build: () -> module that maps (B, COLORS + 1 + tags, side, side) -> (B, COLORS, side, side)
    logits; the rest as in `remote.train`. Raises ValueError if the logits have another shape.
    See chapter 7, "Which of them can answer both markers?".
    """

    def draw(generator: torch.Generator) -> Examples:
        return matched_copy(batch, side, tags=tags, generator=generator)

    model, losses = fit(build, draw, steps=steps, rate=learning_rate, seed=seed, label=label)
    held_out = torch.Generator().manual_seed(2**31)
    test = matched_copy(512, side, tags=tags, generator=held_out)
    return Matched(label, model, losses, *_test(model, test))


@torch.no_grad()
def _test(model: nn.Module, test: Examples) -> tuple[float, float]:
    device = next(model.parameters()).device
    pair = [to(examples, device) for examples in (test, twin(test))]
    right = torch.stack([answers(model, e).argmax(1) == e.color for e in pair])  # (2, B, tags)
    return right.float().mean().item(), right.all(2).all(0).float().mean().item()
