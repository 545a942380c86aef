"""The moving-copy task: a dot crosses a clip, and the question comes elsewhere in space or time.

The dot moves one position per frame along a straight line. In one frame it shows its color; in the
others it is blank. Asked at a marker, a net must name the color. Where the marker stands decides
who can know (`ASKED`): in the frame of the color, at its place in a later frame, or on the dot
itself one frame later, or two and more.

A clip and its `twin`, in which the dot has another color and nothing else differs, prove what a
net cannot know: if its logits at the marker are equal for both, it is right in one of them at most.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nonlocal_tut.tasks.training import COLORS, Examples, answers, fit, to

ASKED = ("same frame", "same place", "next frame", "later")
APART = 2  # frames or positions, at least, that "same frame", "same place" and "later" lie apart
PLANES = COLORS + 3  # colors, marker, the dot with its color, the dot without


def moving_copy(
    batch: int,
    frames: int = 4,
    side: int = 5,
    *,
    asked: str | None = None,
    generator: torch.Generator,
) -> Examples:
    """Draw clips of the moving-copy task.

    batch: how many; frames: T; side: of the square frames, in positions; asked: one of `ASKED`,
    None: drawn evenly from them; generator: every random choice comes from it.
    -> Examples with maps (B, COLORS + 3, T, side, side), marker (B,) an index among the
    T·side·side positions, color (B,). Plane COLORS has the marker, COLORS + 1 the dot where it
    shows its color, and COLORS + 2 the dot where it is blank.

    Raises ValueError for another word in `asked`, fewer than 3 frames, or a side below 4 or
    `frames`.
    See chapter 8, "Space, time or spacetime?".
    """
    if asked not in (None, *ASKED):
        raise ValueError(f"asked must be None or one of {', '.join(ASKED)}, got {asked!r}")
    if frames < 1 + APART:
        raise ValueError(f"frames must be {1 + APART} or more to ask later, got {frames}")
    if side < max(frames, 2 * APART):
        need = max(frames, 2 * APART)
        raise ValueError(f"side must be {need} or more for {frames} frames, got {side}")
    kind = torch.randint(len(ASKED), (batch,), generator=generator)
    if asked is not None:
        kind.fill_(ASKED.index(asked))
    path = _paths(batch, frames, side, generator)  # (B, T, 2)
    shown, ask = _frames(kind, frames, generator)  # (B,), (B,)
    clip, every = torch.arange(batch), torch.arange(frames)
    dot = path[clip, shown]  # (B, 2)
    places = torch.stack([_far_from(dot, side, generator), dot, path[clip, ask], path[clip, ask]])
    marker = places[kind, clip]  # (B, 2)
    color = torch.randint(COLORS, (batch,), generator=generator)
    maps = torch.zeros(batch, PLANES, frames, side, side)
    maps[clip, color, shown, dot[:, 0], dot[:, 1]] = 1.0
    maps[clip, COLORS, ask, marker[:, 0], marker[:, 1]] = 1.0
    maps[clip[:, None], COLORS + 2, every, path[..., 0], path[..., 1]] = 1.0
    maps[clip, COLORS + 2, shown, dot[:, 0], dot[:, 1]] = 0.0
    maps[clip, COLORS + 1, shown, dot[:, 0], dot[:, 1]] = 1.0
    return Examples(maps, (ask * side + marker[:, 0]) * side + marker[:, 1], color)


def _paths(batch: int, frames: int, side: int, generator: torch.Generator) -> Tensor:
    """Straight lines, one step per frame in one of eight directions: (B, T, 2), row and column."""
    way = torch.randint(8, (batch,), generator=generator)
    way = way + (way >= 4)  # of the nine steps, all but (0, 0)
    step = torch.stack([way // 3, way % 3], dim=1) - 1  # (B, 2)
    room = side - (frames - 1) * step.abs()
    luck = torch.rand(batch, 2, generator=generator, dtype=torch.float64)
    start = (luck * room).long() + (frames - 1) * (step < 0)
    return start[:, None] + step[:, None] * torch.arange(frames)[:, None]


def _frames(kind: Tensor, frames: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """In which frame the color shows, and in which the marker asks; pairs drawn evenly."""
    pairs = torch.cartesian_prod(torch.arange(frames), torch.arange(frames))  # (T·T, 2)
    later = pairs[:, 1] - pairs[:, 0]
    fits = torch.stack([later == 0, later >= APART, later == 1, later >= APART])  # as in ASKED
    drawn = _one_of(fits[kind], generator)
    return pairs[drawn, 0], pairs[drawn, 1]


def _far_from(dot: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """A place APART or more from the dot, by rows or by columns: (B, 2) -> (B, 2)."""
    place = torch.cartesian_prod(torch.arange(side), torch.arange(side))  # (side·side, 2)
    far = (place - dot[:, None]).abs().amax(2) >= APART  # (B, side·side)
    return place[_one_of(far, generator)]


def _one_of(fits: Tensor, generator: torch.Generator) -> Tensor:
    """One of the columns that fit, drawn evenly: (B, n), True or False -> (B,).

    multinomial does so too, but draws others in torch 2.6 than in 2.13.
    """
    luck = torch.rand(len(fits), generator=generator, dtype=torch.float64)
    rank = (luck * fits.sum(1)).long()  # 0 for the first that fits
    return (fits.cumsum(1) > rank[:, None]).int().argmax(1)


def twin(examples: Examples) -> Examples:
    """The same clips with the next color: the dot's, and so the answer. Nothing else differs."""
    maps = examples.maps.clone()
    maps[:, :COLORS] = examples.maps[:, :COLORS].roll(1, dims=1)
    return Examples(maps, examples.marker, (examples.color + 1) % COLORS)


@dataclass
class Moved:
    """A net trained on the moving-copy task, and what became of it."""

    label: str
    model: nn.Module
    losses: list[float]  # one per step, in nats
    accuracy: dict[str, float]  # by where it is asked, 0 … 1; guessing earns 1 / COLORS


def train(
    build: Callable[[], nn.Module],
    *,
    frames: int = 4,
    side: int = 5,
    steps: int = 200,
    batch: int = 64,
    learning_rate: float = 5e-3,
    seed: int = 0,
    label: str = "",
) -> Moved:
    """Build a net, train it on the moving-copy task, all questions mixed, and test it on each.

    build: () -> module that maps (B, COLORS + 3, T, side, side) -> (B, COLORS, T, side, side)
    logits; the rest as in `remote.train`. Raises ValueError if the logits have another shape.
    See chapter 8, "Space, time or spacetime?".
    """

    def draw(generator: torch.Generator) -> Examples:
        return moving_copy(batch, frames, side, generator=generator)

    model, losses = fit(build, draw, steps=steps, rate=learning_rate, seed=seed, label=label)
    held_out = torch.Generator().manual_seed(2**31)
    accuracy = {}
    for asked in ASKED:
        test = moving_copy(256, frames, side, asked=asked, generator=held_out)
        accuracy[asked] = _right(model, test)
    return Moved(label, model, losses, accuracy)


@torch.no_grad()
def _right(model: nn.Module, test: Examples) -> float:
    test = to(test, next(model.parameters()).device)
    return (answers(model, test).argmax(1) == test.color).float().mean().item()
