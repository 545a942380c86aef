"""The attention matrix in two terms: what two positions are to each other, what one is to all."""

from torch import Tensor, nn

from nonlocal_tut.cousins.shell import Cousin, as_maps, rows


class Disentangled(Cousin):
    """A pairwise softmax of centered queries and keys, plus a unary one that all queries share.

    y_i = Σ_j [softmax_j((theta_i - mean theta) · (phi_j - mean phi)) + softmax_j(m_j)] g_j, means
    over positions. Yin et al., "Disentangled Non-local Neural Networks", ECCV 2020. A cousin in
    quality, not in cost: multiply-adds N²·2C' as in the full block, with the N × N matrix. The
    authors' code also divides the pairwise scores by √C' and a temperature and has a learned
    factor on the first term.
    """

    maps = ("theta", "phi", "m", "g")

    def __init__(self, channels: int, inner_channels: int | None = None) -> None:
        super().__init__(channels, inner_channels)
        self.m = nn.Conv2d(channels, 1, 1)

    def mix(self, theta: Tensor, phi: Tensor, m: Tensor, g: Tensor) -> Tensor:
        theta, phi = rows(theta), rows(phi)  # (B, N, C')
        centered = theta - theta.mean(1, keepdim=True), phi - phi.mean(1, keepdim=True)
        pairwise = (centered[0] @ centered[1].mT).softmax(dim=-1)  # (B, N, N)
        unary = m.flatten(2).softmax(dim=-1)  # (B, 1, N), one row for all queries
        return as_maps(pairwise @ rows(g) + unary @ rows(g), g)
