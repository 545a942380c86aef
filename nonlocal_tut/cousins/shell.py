"""What all cousins share: 1×1 convolutions in front, `w_z` behind, and the residual sum.

No cousin has batch norm here. Where its authors put some, its docstring says so.
"""

from typing import Any

import torch.nn as nn
from torch import Tensor

from nonlocal_tut.arguments import instance, whole


class Cousin(nn.Module):
    """x + w_z(mix(theta(x), phi(x), g(x))), with w_z zero at first: x (B, C, H, W) -> same.

    - `channels`: C. `inner_channels`: C', the width of the 1×1 convolutions; half of C if None.

    A subclass names its convolutions in `maps` and says in `mix` what becomes of their outputs.
    A new block is the identity. See chapter 7, "What did the follow-ups give up?".
    Raises ValueError for fewer than one inner channel.
    """

    maps: tuple[str, ...] = ("theta", "phi", "g")

    def __init__(self, channels: int, inner_channels: int | None = None) -> None:
        super().__init__()
        channels = whole("channels", channels, 1)
        inner_channels = channels // 2 if inner_channels is None else inner_channels
        inner_channels = whole("inner_channels", inner_channels)
        if inner_channels < 1:
            raise ValueError(f"inner_channels must be 1 or more, not {inner_channels}; {channels=}")
        self.channels, self.inner_channels = channels, inner_channels
        for name in self.maps:
            self.add_module(name, nn.Conv2d(channels, inner_channels, 1))
        self.w_z = nn.Conv2d(inner_channels, channels, 1)
        for p in self.w_z.parameters():
            nn.init.zeros_(p)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C, H, W) -> (B, C, H, W).

        Raises ValueError for another number of dimensions or channels.
        """
        instance("x", x, Tensor, "a tensor")
        if x.ndim != 4 or x.shape[1] != self.channels:
            raise ValueError(f"x must be (B, {self.channels}, H, W), not {tuple(x.shape)}")
        if not x.is_floating_point():
            raise ValueError(f"x must be floating point, not {x.dtype}")
        y: Tensor = x + self.w_z(self.mix(*(getattr(self, name)(x) for name in self.maps)))
        return y

    def mix(self, *maps: Any, **_: Any) -> Tensor:  # each cousin has maps of its own
        """The outputs of `maps`, (B, C', H, W) each -> (B, C', H, W); (B, C', 1, 1) broadcasts."""
        raise NotImplementedError


def rows(maps: Tensor) -> Tensor:
    """One row per position: (B, d, H, W) -> (B, N, d)."""
    return maps.flatten(2).mT


def as_maps(rows: Tensor, like: Tensor) -> Tensor:
    """Rows back to the positions of `like`: (B, N, d) -> (B, d, H, W)."""
    maps: Tensor = rows.mT.unflatten(2, like.shape[2:])
    return maps
