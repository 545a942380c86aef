"""Noisy crops of real pictures, and how close a net's answer is: the oldest use of similar patches.

The pictures are passed in, as tensors; chapter 6 takes brick, grass and gravel from scikit-image.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def noisy_crops(
    pictures: Sequence[Tensor], batch: int, side: int, *, noise: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw square crops, and the same crops under Gaussian noise.

    pictures: (H, W) each, of any sizes, values 0 to 1; batch: how many crops, each from a picture
    drawn at random; side: of a crop, in pixels; noise: its standard deviation, in the pictures'
    units; generator: every random choice comes from it.
    -> noisy, clean: (B, 1, side, side) each

    Raises ValueError for no pictures, and for one that is not (H, W) or smaller than a crop.
    See chapter 6, "Does it help to denoise a picture?".
    """
    if not pictures:
        raise ValueError("pictures must hold one picture or more")
    crops = [random_window(pictures, side, side, generator) for _ in range(batch)]
    clean = torch.stack(crops)[:, None]  # (B, 1, side, side)
    return clean + noise * torch.randn(clean.shape, generator=generator), clean


def random_window(
    pictures: Sequence[Tensor], height: int, width: int, generator: torch.Generator
) -> Tensor:
    """A window (height, width) somewhere in one of the pictures."""
    picture = pictures[int(torch.randint(len(pictures), (), generator=generator))]
    if picture.ndim != 2 or picture.shape[0] < height or picture.shape[1] < width:
        raise ValueError(
            f"pictures must be (H, W) of {height}×{width} or more, one is {tuple(picture.shape)}"
        )
    corner = [
        int(torch.randint(have - need + 1, (), generator=generator))
        for have, need in zip(picture.shape, (height, width), strict=True)
    ]
    return picture[corner[0] : corner[0] + height, corner[1] : corner[1] + width]


def psnr(image: Tensor, truth: Tensor) -> float:
    """Peak signal-to-noise ratio in dB for values 0 to 1: -10 log10 of the mean squared error.

    3 dB more is half the squared error. Infinite where the two are equal.
    """
    error = (image - truth).square().mean().item()
    return -10 * math.log10(error) if error else math.inf
