"""The remote-copy task: a question that only a net with enough reach can answer.

One colored dot and one marker lie `distance` positions apart on an empty map. Asked at the marker,
a net must name the dot's color. A net that cannot see that far can only guess: 1 in 4.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from nonlocal_tut.arguments import instance, whole
from nonlocal_tut.tasks.training import COLORS, Examples, answers, fit, to


@cache
def _pairs(side: int) -> tuple[Tensor, Tensor]:
    """All ordered pairs of positions by Chebyshev distance 1 … side - 1, and how many of each."""
    place = torch.stack(torch.meshgrid(*[torch.arange(side)] * 2, indexing="ij")).flatten(1)
    distance = (place[:, :, None] - place[:, None, :]).abs().amax(0)  # (N, N)
    pairs = [(distance == d).nonzero() for d in range(1, side)]
    return torch.cat(pairs), torch.tensor([len(p) for p in pairs])  # (pairs, 2), (side - 1,)


def remote_copy(
    batch: int, side: int = 12, *, distance: int | None = None, generator: torch.Generator
) -> Examples:
    """Draw examples of the remote-copy task.

    batch: how many; side: of the square map, in positions; distance: between dot and marker, in
    positions (the larger of rows and columns apart), None: drawn evenly from 1 … side - 1;
    generator: every random choice comes from it.
    -> Examples with maps (B, COLORS + 1, side, side), marker (B,), color (B,)

    Raises ValueError for a side below 2 or a distance that the map has no room for.
    See chapter 1, "Where does each net fall off?".
    """
    batch, side = whole("batch", batch, 0), whole("side", side)
    instance("generator", generator, torch.Generator, "a torch.Generator")
    if side < 2:
        raise ValueError(f"side must be at least 2 to hold a dot and a marker, got {side}")
    if distance is not None and not 1 <= whole("distance", distance) < side:
        raise ValueError(
            f"distance must lie in 1 … {side - 1} on a map of side {side}, got {distance}"
        )
    drawn = torch.randint(side - 1, (batch,), generator=generator)
    if distance is not None:
        drawn.fill_(distance - 1)
    pairs, count = _pairs(side)
    first = count.cumsum(0) - count
    luck = torch.rand(batch, generator=generator, dtype=torch.float64)
    dot, marker = pairs[first[drawn] + (luck * count[drawn]).long()].unbind(1)
    color = torch.randint(COLORS, (batch,), generator=generator)
    maps = torch.zeros(batch, COLORS + 1, side * side)
    row = torch.arange(batch)
    maps[row, color, dot] = 1.0
    maps[row, COLORS, marker] = 1.0
    return Examples(maps.view(batch, COLORS + 1, side, side), marker, color)


@dataclass
class Trained:
    """A trained net and what became of it."""

    label: str
    model: nn.Module
    losses: list[float]  # one a step, in nats; guessing costs ln(COLORS) = 1.39
    accuracy: dict[int, float]  # by distance, 0 … 1; guessing earns 1 / COLORS

    @property
    def parameters(self) -> int:
        """How many numbers the net learned."""
        return sum(p.numel() for p in self.model.parameters())

    @property
    def reach(self) -> int:
        """The largest distance up to which it is right nine times in ten, at every step."""
        good = [d for d in self.accuracy if self.accuracy[d] > 0.9]
        return next((d - 1 for d in self.accuracy if d not in good), max(self.accuracy))


def train(
    build: Callable[[], nn.Module],
    *,
    side: int = 12,
    steps: int = 300,
    batch: int = 64,
    learning_rate: float = 3e-3,
    seed: int = 0,
    label: str = "",
) -> Trained:
    """Build a net and train it on the remote-copy task, then test it at every distance.

    build: () -> module that maps (B, COLORS + 1, side, side) -> (B, COLORS, side, side) logits;
    steps: of AdamW, each on a fresh batch; label: the net's name, which starts a line of dots that
    shows progress, one a tenth of the way. The net is left in eval mode, and the global random
    state as it was. A GPU is used if there is one.

    Raises ValueError if the logits have another shape. See chapter 1, "Where does each net fall
    off?".
    """

    def draw(generator: torch.Generator) -> Examples:
        return remote_copy(batch, side, generator=generator)

    model, losses = fit(build, draw, steps=steps, rate=learning_rate, seed=seed, label=label)
    return Trained(label, model, losses, _test(model, side))


@torch.no_grad()
def _test(model: nn.Module, side: int, count: int = 256) -> dict[int, float]:
    """Accuracy at each distance on `count` examples that no training seed draws."""
    device = next(model.parameters()).device
    held_out = torch.Generator().manual_seed(2**31)
    accuracy = {}
    for distance in range(1, side):
        examples = to(remote_copy(count, side, distance=distance, generator=held_out), device)
        right = answers(model, examples).argmax(1) == examples.color  # (count,)
        accuracy[distance] = right.float().mean().item()
    return accuracy
