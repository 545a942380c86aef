"""The blocks whose bytes have a closed form, each as a module that can be run.

"article" is the article's code, operation by operation; "swapped" differs in one line, the order
of the second product's operands; "dot_product" has a division in place of the softmax. "paper"
and "paper_pooled" are `NonLocalBlock` with its attention matrix, without and with pooled keys.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nonlocal_tut.blocks import NonLocalBlock, SelfAttention2d


class AsWritten(SelfAttention2d):
    """The article's block with the article's two products: (B, N, C/8) · (B, C/8, N), then

    (B, C, N) · (B, N, N), the matrix transposed. Equal to `SelfAttention2d` in its numbers.
    """

    swapped = False

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """x: (B, C, H, W) -> (B, C, H, W)."""
        query = self.query_conv(x).flatten(2)  # (B, C/8, N)
        key = self.key_conv(x).flatten(2)  # (B, C/8, N)
        energy = torch.bmm(query.transpose(1, 2), key)  # (B, N, N)
        attention = self.weights(energy)  # (B, N, N)
        value = self.value_conv(x).flatten(2)  # (B, C, N)
        if self.swapped:
            out = torch.bmm(attention, value.transpose(1, 2)).transpose(1, 2)  # (B, C, N)
        else:
            out = torch.bmm(value, attention.transpose(1, 2))  # (B, C, N)
        return self.gamma * out.unflatten(2, x.shape[2:]) + x  # type: ignore[no-any-return] # (B, C, H, W)

    def weights(self, energy: Tensor) -> Tensor:
        """Scores to weights, over keys: (B, N, N) -> (B, N, N)."""
        return energy.softmax(dim=-1)


class Swapped(AsWritten):
    """The same numbers from the operands in the other order."""

    swapped = True


class DotProduct(AsWritten):
    """Eq. 4's weights: the scores divided by the number of positions."""

    def weights(self, energy: Tensor) -> Tensor:
        return energy / energy.shape[-1]


VARIANTS: dict[str, Callable[[int], nn.Module]] = {
    "article": AsWritten,
    "swapped": Swapped,
    "dot_product": DotProduct,
    "paper": lambda channels: NonLocalBlock(channels, attention="matmul"),
    "paper_pooled": lambda channels: NonLocalBlock(channels, subsample="after", attention="matmul"),
}
