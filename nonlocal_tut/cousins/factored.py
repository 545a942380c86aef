"""A few vectors gathered from all positions, and handed out to each in its own mixture.

The N×N attention matrix is then a product of an N×n and an n×N table, and is never multiplied out.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nonlocal_tut.arguments import whole
from nonlocal_tut.cousins.shell import Cousin, as_maps, rows


class EfficientAttention(Cousin):
    """Softmax the queries over channels and the keys over positions; keys times values come first.

    y = ρ_q(theta) (ρ_k(phi)ᵀ g), with ρ_q a softmax over the C' channels and ρ_k one over the N
    positions. Shen et al., "Efficient Attention: Attention with Linear Complexities", WACV 2021;
    one head. Multiply-adds: 2N·C'², no attention matrix, a C' × C' table.
    """

    def mix(self, theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
        context = rows(phi).softmax(dim=1).mT @ rows(g)  # (B, C', C')
        return as_maps(rows(theta).softmax(dim=2) @ context, theta)


class DoubleAttention(Cousin):
    """Gather n descriptors with n attention maps, hand them out with n weights per position.

    Z = [g softmax(phi)ᵀ] softmax(theta), columns being positions: the first softmax runs over the
    N positions, the second over the n descriptors. Chen et al., "A²-Nets: Double Attention
    Networks", NeurIPS 2018, where theta, rho and phi are our phi, theta and g. Multiply-adds:
    2N·n·C', with a C' × n table. With n = C' the formula is that of `EfficientAttention`.

    - `descriptors`: n; `inner_channels` if None.
    """

    def __init__(
        self, channels: int, inner_channels: int | None = None, *, descriptors: int | None = None
    ) -> None:
        super().__init__(channels, inner_channels)
        if descriptors is not None:
            descriptors = whole("descriptors", descriptors, 1)
            self.theta = nn.Conv2d(channels, descriptors, 1)
            self.phi = nn.Conv2d(channels, descriptors, 1)

    def mix(self, theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
        gathered = g.flatten(2) @ phi.flatten(2).softmax(dim=2).mT  # (B, C', n)
        handed_out = gathered @ theta.flatten(2).softmax(dim=1)  # (B, C', N)
        maps: Tensor = handed_out.unflatten(2, theta.shape[2:])
        return maps


class ExpectationMaximization(Cousin):
    """Cluster the positions around K bases, then describe each position by its bases.

    Three times: Z = softmax_K(X μᵀ), μ = ZᵀX with each row divided by its length. Then y = Z μ.
    Li et al., "Expectation-Maximization Attention Networks for Semantic Segmentation", ICCV 2019.
    Multiply-adds: 3·2N·K·C' + N·K·C', with an N × K table.

    The bases that the first step starts from are learned by gradient here, and gradients pass
    through all three steps. The authors' code cuts them off there, keeps a running mean of μ
    instead, and has a ReLU before w_z and batch norm after it.

    - `bases`: K, 64 in the paper.
    """

    maps = ("g",)
    steps = 3

    def __init__(
        self, channels: int, inner_channels: int | None = None, *, bases: int = 64
    ) -> None:
        super().__init__(channels, inner_channels)
        bases = whole("bases", bases, 1)
        self.mu = nn.Parameter(F.normalize(torch.randn(bases, self.inner_channels), dim=1))

    def mix(self, g: Tensor) -> Tensor:
        x = rows(g)  # (B, N, C')
        mu: Tensor = self.mu  # (K, C')
        for _ in range(self.steps):
            z = (x @ mu.mT).softmax(dim=-1)  # (B, N, K): who belongs to which base
            mu = F.normalize(z.mT @ x, dim=-1)  # (B, K, C'): where the bases are
        return as_maps(z @ mu, g)
