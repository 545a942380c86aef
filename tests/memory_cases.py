"""Random runs for the tests of nonlocal_tut.memory, and how far a prediction is from a run."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from nonlocal_tut import NonLocalBlock, SelfAttention2d, memory
from nonlocal_tut.memory.report import Report
from nonlocal_tut.memory.variants import VARIANTS
from nonlocal_tut.pairwise import PAIRWISE

QUANTITIES = ("peak_bytes", "forward_peak_bytes", "backward_peak_bytes", "saved_bytes")


def block(**switches) -> Callable[[int], nn.Module]:
    return lambda channels: NonLocalBlock(channels, **{"attention": "matmul"} | switches)


def article(attention: str) -> Callable[[int], nn.Module]:
    return lambda channels: SelfAttention2d(channels, attention=attention)


MAKERS = (
    dict(VARIANTS)
    | {f"matmul {pairwise}": block(pairwise=pairwise) for pairwise in PAIRWISE}
    | {
        f"chunked {pairwise}": block(pairwise=pairwise, attention="chunked")
        for pairwise in PAIRWISE
    }
    | {
        "pooled before": block(subsample="before"),
        "pooled before, dot product": block(subsample="before", pairwise="dot_product"),
        "pooled after, gaussian": block(subsample="after", pairwise="gaussian"),
        "pooled after, chunked": block(subsample="after", attention="chunked"),
        "no norm": block(norm=False),
        "no norm, pooled after": block(norm=False, subsample="after"),
        "scaled": block(scale="sqrt"),
        "module matmul": article("matmul"),
        "module chunked": article("chunked"),
    }
)


@dataclass(frozen=True)
class Case:
    """One run: a block, (B, C, H, W), and how it is run."""

    variant: str
    shape: tuple[int, int, int, int]
    dtype: torch.dtype
    training: bool

    def __str__(self) -> str:
        turn = "training" if self.training else "inference"
        return f"{self.variant} on {self.shape}, {self.dtype}, {turn}"

    def make(self) -> nn.Module:
        return MAKERS[self.variant](self.shape[1])

    def arguments(self) -> tuple:
        return self.make, self.shape, self.dtype

    def predict(self, **more) -> Report:
        return memory.predict(*self.arguments(), training=self.training, **more)

    def measure(self, **more) -> Report:
        return memory.measure(*self.arguments(), training=self.training, **more)


def cases(count: int, seed: int, variants: Sequence[str] = tuple(MAKERS)) -> list[Case]:
    """Each variant in turn, with sizes, dtype and mode drawn at random."""
    draw = random.Random(seed)
    return [
        Case(
            variants[i % len(variants)],
            (draw.randint(1, 4), draw.randint(8, 64), draw.randint(2, 21), draw.randint(2, 21)),
            draw.choice((torch.float32, torch.bfloat16)),
            draw.random() < 0.7,
        )
        for i in range(count)
    ]


@dataclass(frozen=True)
class Difference:
    """How far a prediction is from a run: the quantity that is worst, in bytes and as a share."""

    case: Case
    quantity: str
    predicted: int
    measured: int

    @property
    def bytes(self) -> int:
        return abs(self.predicted - self.measured)

    @property
    def share(self) -> float:
        return self.bytes / max(1, self.measured)

    def __str__(self) -> str:
        return (
            f"{self.case}: {self.quantity} predicted {self.predicted:,d}, "
            f"measured {self.measured:,d}, {self.share:.2%} off"
        )


def differences(case: Case, measured: Report | None = None) -> list[Difference]:
    """Prediction against a run, for each quantity."""
    predicted, measured = case.predict(), measured or case.measure()
    return [
        Difference(case, name, getattr(predicted, name), getattr(measured, name))
        for name in QUANTITIES
    ]


SHAPE = (2, 8, 10, 7)


def article() -> nn.Module:
    return VARIANTS["article"](8)


class Does(nn.Module):
    """A 1×1 convolution, and what is given of it and of its input."""

    def __init__(self, forward: Callable) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 1)
        self.does = forward

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.does(self.conv, x)
