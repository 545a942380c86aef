"""The forms of a block that compute the same: ours, and what somebody would write instead."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nonlocal_tut import NonLocalBlock, SelfAttention2d
from nonlocal_tut.memory.variants import AsWritten

CHANNELS = 64
Make = Callable[[], nn.Module]


def by_sdpa(theta: Tensor, phi: Tensor, g: Tensor, *_: object, **__: object) -> Tensor:
    """torch's own function on contiguous operands of one head: (B, N, d) … -> (B, N, dv).

    It decides for itself: keys and values of different widths go past the CPU's kernel.
    """
    q, k, v = (t.contiguous().unsqueeze(1) for t in (theta, phi, g))
    return F.scaled_dot_product_attention(q, k, v, scale=1.0).squeeze(1)


class SelfAttentionBySdpa(SelfAttention2d):
    """The article's block around `by_sdpa`."""

    attend = staticmethod(by_sdpa)


class NonLocalBySdpa(NonLocalBlock):
    """The paper's block around `by_sdpa`."""

    attend = staticmethod(by_sdpa)


BLOCKS: dict[str, dict[str, Make]] = {
    "SelfAttention2d": {
        "ours": lambda: SelfAttention2d(CHANNELS),
        "article": lambda: AsWritten(CHANNELS),
        "plain": lambda: SelfAttention2d(CHANNELS, attention="matmul"),
        "sdpa": lambda: SelfAttentionBySdpa(CHANNELS),
    },
    "NonLocalBlock": {
        "ours": lambda: NonLocalBlock(CHANNELS),
        "plain": lambda: NonLocalBlock(CHANNELS, attention="matmul"),
        "sdpa": lambda: NonLocalBySdpa(CHANNELS),
    },
}


def forms(block: str) -> dict[str, tuple[Make, Make]]:
    """Each form, and what its bytes are predicted by: a compiled one's, as if it were not."""
    eager = BLOCKS[block]

    def compiled() -> nn.Module:
        return torch.compile(eager["plain"](), dynamic=False)  # type: ignore[return-value]

    return {name: (make, make) for name, make in eager.items()} | {
        "compiled": (compiled, eager["plain"])
    }
