"""Softmax attention in which each query asks fewer keys: M of them, not N."""

import torch
import torch.nn.functional as F
from torch import Tensor

from nonlocal_tut.arguments import whole
from nonlocal_tut.cousins.shell import Cousin, as_maps, rows


class PooledKeys(Cousin):
    """The paper's own saving: a quarter of the keys, by a 2×2 max pool after phi and g.

    y_i = Σ_j softmax_j(theta_i · pool(phi)_j) pool(g)_j, j over ⌊H/2⌋·⌊W/2⌋ windows.
    Wang et al., "Non-local Neural Networks", section 3.3. Multiply-adds: N·(N/4)·2C', with an
    N × N/4 matrix. Same numbers as `NonLocalBlock(subsample="after", norm=False)`.
    """

    def mix(self, theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
        phi, g = F.max_pool2d(phi, 2), F.max_pool2d(g, 2)  # (B, C', H/2, W/2)
        attention = (rows(theta) @ phi.flatten(2)).softmax(dim=-1)  # (B, N, N/4)
        return as_maps(attention @ rows(g), theta)


class Pyramid(Cousin):
    """Keys and values are means over grids of 1, 9, 36 and 64 cells: 110 anchors for any size.

    y_i = Σ_s softmax_s(theta_i · P(theta)_s / √C') P(g)_s, s over the 110 cells, P their means.
    Zhu et al., "Asymmetric Non-local Neural Networks" (APNB), ICCV 2019; key and query share their
    weights. The authors also put batch norm and ReLU on the shared convolution. Multiply-adds:
    N·110·2C', with an N × 110 matrix. Below 11×11 positions it has more keys than the full block.
    """

    maps = ("theta", "g")
    sides = (1, 3, 6, 8)

    def mix(self, theta: Tensor, g: Tensor) -> Tensor:
        phi, g_means = self.anchors(theta), self.anchors(g)  # (B, C', 110)
        scores = rows(theta) @ phi * self.inner_channels**-0.5  # (B, N, 110)
        return as_maps(scores.softmax(dim=-1) @ g_means.mT, theta)

    def anchors(self, maps: Tensor) -> Tensor:
        """Means over grids of `sides` cells a side: (B, d, H, W) -> (B, d, 110)."""
        return torch.cat([F.adaptive_avg_pool2d(maps, s).flatten(2) for s in self.sides], dim=2)


class CrissCross(Cousin):
    """Each position attends to its row and column, H + W - 1 positions, twice over.

    y_i = Σ_j softmax_j(theta_i · phi_j) g_j, j over the row and the column of i, i counted once;
    then the whole block again with the same weights, so that i hears of every position through
    two corners. Huang et al., "CCNet: Criss-Cross Attention for Semantic Segmentation", ICCV 2019.
    Multiply-adds: a pass takes N·(H + W)·2C', with an N × (H + W) table.

    - `passes`: how often; 2 in the paper, 1 to see what is missing.
    """

    def __init__(
        self, channels: int, inner_channels: int | None = None, *, passes: int = 2
    ) -> None:
        super().__init__(channels, inner_channels)
        self.passes = whole("passes", passes, 1)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.passes):
            x = super().forward(x)
        return x

    def mix(self, theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
        height, width = theta.shape[2:]
        column = torch.einsum("bchw,bckw->bhwk", theta, phi)  # (B, H, W, H): k runs down
        row = torch.einsum("bchw,bchk->bhwk", theta, phi)  # (B, H, W, W): k runs across
        own = torch.eye(height, dtype=torch.bool, device=theta.device)[:, None]  # (H, 1, H)
        column = column.masked_fill(own, -torch.inf)  # i is in its row already
        attention = torch.cat([column, row], dim=-1).softmax(dim=-1)  # (B, H, W, H + W)
        column, row = attention.split([height, width], dim=-1)
        down = torch.einsum("bhwk,bckw->bchw", column, g)
        return down + torch.einsum("bhwk,bchk->bchw", row, g)
