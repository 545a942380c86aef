"""All positions condensed into one vector, or a few numbers, that they share."""

import torch.nn.functional as F
from torch import Tensor, nn

from nonlocal_tut.arguments import whole
from nonlocal_tut.cousins.shell import Cousin, rows


class GlobalContext(Cousin):
    """One row of attention for all queries, so one context vector, added everywhere.

    z_i = x_i + w_z ReLU(LN(w_v Σ_j softmax_j(m(x_j)) x_j)), the sum being the same for every i.
    Cao et al., "GCNet: Non-local Networks Meet Squeeze-Excitation Networks and Beyond", 2019.
    Multiply-adds: 2N·C + 2C·C', with N weights. C' is C/16 or C/4 in the paper.
    """

    maps = ("m", "values")

    def __init__(self, channels: int, inner_channels: int | None = None) -> None:
        super().__init__(channels, inner_channels)
        self.m = nn.Conv2d(channels, 1, 1)
        self.values = nn.Identity()  # the values are x itself; w_v comes after the mean
        self.w_v = nn.Conv2d(channels, self.inner_channels, 1)
        self.norm = nn.LayerNorm(self.inner_channels)

    def mix(self, m: Tensor, values: Tensor) -> Tensor:
        context = values.flatten(2) @ rows(m).softmax(dim=1)  # (B, C, 1)
        y = self.w_v(context[..., None])  # (B, C', 1, 1)
        return F.relu(self.norm(y.flatten(1)))[..., None, None]


class CompactGeneralized(Cousin):
    """Each position scales its own theta by a number that all positions share, one per group.

    vec(y) = (vec(theta) vec(phi)ᵀ) vec(g) / √L within each of the groups of channels, vec taking
    channels and positions together, L = N·C'/groups entries. The affinity of every entry with
    every other has L² entries and rank one: phi · g is a single number s, and y = s·theta.
    Yue et al., "Compact Generalized Non-local Network", NeurIPS 2018. Multiply-adds: 2N·C'.

    This is the version with the dot-product kernel, as in the authors' code with `use_scale`;
    their other kernel, an RBF, has one such number for each power of a Taylor series. Their w_z is
    grouped too and a group norm follows it; ours is the shell's.

    - `groups`: 8 in their code; must divide `inner_channels`, else ValueError.
    """

    def __init__(
        self, channels: int, inner_channels: int | None = None, *, groups: int = 8
    ) -> None:
        super().__init__(channels, inner_channels)
        groups = whole("groups", groups)
        if groups < 1 or self.inner_channels % groups:
            raise ValueError(
                f"groups must divide inner_channels, not {groups=}, {self.inner_channels=}"
            )
        self.groups = groups

    def mix(self, theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
        t, p, v = (m.flatten(1).unflatten(1, (self.groups, 1, -1)) for m in (theta, phi, g))
        s = p @ v.mT * p.shape[-1] ** -0.5  # (B, groups, 1, 1)
        y: Tensor = (s @ t).view_as(theta)  # (B, groups, 1, L) -> (B, C', H, W)
        return y
