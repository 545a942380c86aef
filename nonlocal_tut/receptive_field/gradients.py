"""The receptive field without a formula: which input positions an output's gradient reaches."""

import math
from functools import cache, partial

import torch
from torch import Tensor

from nonlocal_tut.arguments import one_of, tensor, whole
from nonlocal_tut.receptive_field.probe import Net, Position, Probe
from nonlocal_tut.receptive_field.strides import box_of, fails, inwards, moves
from nonlocal_tut.receptive_field.theory import ReceptiveField, of_axes

QUIET_DRAWS = 16


@torch.random.fork_rng(devices=[])
@torch.enable_grad()
def measured(
    module: Net, input_shape: tuple[int, ...], position: Position | int | None = None
) -> ReceptiveField:
    """The receptive field of one output position, read from gradients alone, border included.

    module: (B, C, H, W) -> (B, C', H', W'), also in 1-D or 3-D. It stays as it is: a float64 copy
    in eval mode does the work. A plain callable is called as it is, in the default dtype.
    input_shape: (C, H, W) or (B, C, H, W); three numbers mean (B, C, L) to a module of 1-D layers,
    four (C, T, H, W) to one of 3-D layers. position: one int an axis of the output map; None: its
    middle, size // 2.
    -> ReceptiveField: mask (H, W) marks the input positions that were seen, size is that of their
    bounding box. At the border it is what is left of the field inside the map.

    No single input shows the whole field: a dead ReLU has no gradient, nor has a position that
    loses in a max pool. So random inputs, every other one scaled by 1 to 10^8 to outweigh biases,
    and random mixes of the output's channels are drawn, the same in every call, and the positions
    whose gradient is not zero collected, until half of all draws, and at least 16, have brought
    nothing new. What is marked is certain; a position that hardly ever wins can be missed.

    Stride and padding are the module's, not the position's. They are taken where the map clips
    least, from the middle of the output map and its neighbor, by an edge of the field that lies
    inside the map; failing that, from `position` and its neighbor. They are None where no edge
    does, as when the field covers the map, and where they do not hold for every position along
    the axis (of a side over 24: for the 12 in the middle and 12 others): then `note` says where
    they fail. So it is after upsampling, a transposed convolution or attention in windows.
    An output that no input changes, as when all weights are 0, has size 0. A non-local block has
    size 1 at initialisation, for it is the identity.

    Raises ValueError for an input_shape that is none or that the module does not take (too small,
    other channels), a position outside the output map, and a result that is not one tensor or
    not differentiable. See chapter 1, "How far can a convolution see?".
    """
    probe = Probe(module, input_shape)
    position = probe.middle if position is None else probe.checked(position)
    seen = cache(lambda at: _seen(probe, at))
    mask = seen(position)  # (H, W)
    if not mask.any():
        return ReceptiveField(size=0, stride=None, padding=None, mask=mask)
    axes, notes = [], []
    for axis, (first, last) in enumerate(box_of(mask)):
        stride = padding = None
        for here in (probe.middle, position) if len(probe.outputs) == mask.dim() else ():
            if stride is None or padding is None:
                there = tuple(map(inwards, here, probe.middle))
                boxes = [box_of(seen(at))[axis] for at in (here, there, None)]
                stride, padding = moves(here[axis], there[axis], *boxes)
        if stride is not None and (note := fails(probe, axis, stride, padding, seen(None), _seen)):
            stride = padding = None
            notes.append(note)
        axes.append((last - first + 1, stride, padding))
    note = "; ".join(dict.fromkeys(notes))
    return of_axes(axes, mask=mask, note=note, seen_from=partial(_alone, probe))


@torch.random.fork_rng(devices=[])
@torch.enable_grad()
def _alone(probe: Probe, position: Position) -> Tensor:
    """The mask of one position, of a field that has been measured before."""
    return _seen(probe, probe.checked(position))


@torch.random.fork_rng(devices=[])
@torch.enable_grad()
def effective(
    module: Net,
    input_shape: tuple[int, ...],
    *,
    draws: int = 32,
    seed: int = 0,
    redraw: bool = True,
) -> Tensor:
    """How much each input position counts for the middle output position (Luo et al. 2016).

    module, input_shape: as in `measured`. draws: how many random inputs, each with a random mix of
    the output's channels and, if redraw, with fresh weights: every submodule's reset_parameters,
    the inner ones first, spectral and weight norm included (a plain callable keeps its own).
    seed: of all of it; the global random state and the module stay as they are.
    -> (H, W) float64 map that sums to 1: the squared gradient, summed over draws and channels.

    Squares, because their mean can be known beforehand. With independent weights of mean 0 all
    cross terms vanish, and E[gradient²] of n convolutions in a row is, up to a factor, the n-fold
    convolution of a box of k positions: close to a Gaussian, of standard deviation
    sqrt(n·(k² - 1) / 12), in a field of n·(k - 1) + 1 positions that the map must hold. Nets of
    few channels scatter around it; with 16, 32 draws come within some 3 percent.

    Raises ValueError as `measured` does, for draws below 1, for weights that cannot be drawn anew,
    and if no draw had any gradient.
    See chapter 1, "How far can a convolution see?".
    """
    draws, seed = whole("draws", draws), whole("seed", seed)
    one_of("redraw", redraw, (True, False))
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}")
    probe = Probe(module, input_shape)
    chance = torch.default_generator.manual_seed(seed)  # reset_parameters draws from no other
    total = torch.zeros(probe.shape[2:], dtype=torch.float64)  # (H, W)
    for _ in range(draws):
        if redraw:
            probe.redraw()
        total += probe.gradients([probe.middle], chance).square().sum((0, 1, 2))
    if not total.sum() > 0:
        raise ValueError(f"no gradient reached the input of shape {probe.shape} in {draws} draws")
    return total / total.sum()


def width(map: Tensor) -> float:
    """The standard deviation of a map about its centroid: it grows as √n where the field does as n.

    map: (H, W) weights, or any number of axes -> the root of the mean over axes of the variance,
    in positions.

    Raises ValueError for a map with weights that are negative or not finite, or with none above 0.
    See chapter 1, "How far can a convolution see?".
    """
    tensor("map", map, "of weights")
    if map.dim() < 1 or not (map >= 0).all() or not 0 < map.sum() < math.inf:
        ends = f" from {map.min():.3g} to {map.max():.3g}" if map.numel() else ""
        raise ValueError(
            f"map must hold weights of 0 or more, and one above 0; got {tuple(map.shape)}{ends}"
        )
    places = map.nonzero().double()  # (positions, axes)
    weights = map[map > 0].double()[:, None]  # (positions, 1)
    weights = weights / weights.sum()
    centroid = (weights * places).sum(0)  # (axes,)
    return (weights * (places - centroid) ** 2).sum(0).mean().sqrt().item()


def _seen(probe: Probe, *positions: Position | None) -> Tensor:
    """Where the gradients of some positions (None: of all together) are not zero: (H, W) bool.

    Of several positions: one mask each, (positions, H, W).
    """
    chance = torch.default_generator.manual_seed(0)  # so that a net's own dice repeat, too
    seen = torch.zeros(len(positions), *probe.shape[2:], dtype=torch.bool)
    draws = grown = 0
    while draws < max(QUIET_DRAWS, 2 * grown):
        draws += 1
        scale = 1.0 if draws % 2 else 10 ** (8 * torch.rand((), generator=chance).item())
        found = probe.gradients(positions, chance, scale)  # (positions, B, C, H, W)
        new = (found.nan_to_num(0, 0, 0) != 0).flatten(1, 2).any(1) & ~seen
        if new.any():
            seen, grown = seen | new, draws
    return seen if len(positions) > 1 else seen[0]
