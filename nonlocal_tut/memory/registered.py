"""Predictions written down before anybody measured: a grid of blocks, shapes, dtypes and GPUs.

book/data/registered.json keeps them, entry after entry: an entry has the module's commit, a date,
a reason, and those rows that are new or moved; what is written stays. `current` is what holds now.
`tools/register.py` writes it. See chapter 4, "What does a GPU say?".
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from nonlocal_tut.blocks import NonLocalBlock
from nonlocal_tut.memory.compare import BLOCKS
from nonlocal_tut.memory.predict import predict
from nonlocal_tut.memory.report import Report
from nonlocal_tut.pairwise.backends import Gpu, assuming

GPUS = {"T4": Gpu((7, 5)), "L4": Gpu((8, 9)), "A100": Gpu((8, 0)), "H100": Gpu((9, 0))}
IMAGES = (
    (1, 64, 64, 64),
    (2, 64, 48, 48),
    (1, 64, 75, 61),
    (1, 32, 96, 96),
    (8, 256, 32, 32),
    (2, 512, 16, 16),
)
CLIPS = ((1, 64, 4, 28, 28), (2, 32, 3, 15, 13), (1, 512, 4, 7, 7))  # (B, C, T, H, W)
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
CLIP_BLOCKS: dict[str, Callable[[int], nn.Module]] = {
    "paper": lambda channels: NonLocalBlock(channels, dims=3, attention="matmul"),
    "paper_pooled": lambda channels: NonLocalBlock(
        channels, dims=3, subsample="after", attention="matmul"
    ),
    "NonLocalBlock": lambda channels: NonLocalBlock(channels, dims=3),
}
FIGURES = ("requested_bytes", "peak_bytes", "saved_bytes")


@dataclass(frozen=True)
class Case:
    """One block on one shape, in training or at inference."""

    variant: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    training: bool

    def make(self) -> nn.Module:
        """The block."""
        blocks = BLOCKS if len(self.shape) == 4 else CLIP_BLOCKS
        return blocks[self.variant](self.shape[1])

    def as_json(self) -> dict[str, Any]:
        """What names it in a file."""
        dtype = str(self.dtype).removeprefix("torch.")
        shape = list(self.shape)
        return {
            "variant": self.variant,
            "shape": shape,
            "dtype": dtype,
            "training": self.training,
        }


def case_of(row: Mapping[str, Any]) -> Case:
    """The case that a file's row names."""
    dtype = getattr(torch, row["dtype"])
    return Case(row["variant"], tuple(row["shape"]), dtype, row["training"])


def grid(shapes: Iterable[tuple[int, ...]] = (*IMAGES, *CLIPS)) -> Iterator[Case]:
    """All cases: each block of its kind, dtype, training and inference, shape by shape."""
    for shape in shapes:
        for variant in BLOCKS if len(shape) == 4 else CLIP_BLOCKS:
            for dtype in DTYPES:
                for training in (True, False):
                    yield Case(variant, shape, dtype, training)


def few() -> list[Case]:
    """What a reader's GPU measures in a minute, and an issue has room for."""
    shapes = (*IMAGES[:2], CLIPS[0])
    return [c for c in grid(shapes) if c.training and c.dtype != torch.float16]


def prediction(case: Case, gpu: Gpu) -> Report:
    """What this GPU is expected to need."""
    with assuming(gpu):
        return predict(case.make, case.shape, case.dtype, training=case.training, device="cuda")


def kernel(report: Report) -> str | None:
    """A predicted run's fused kernel: "flash", "efficient" or "cudnn"; None: products alone."""
    for a in report.timeline:
        if a.operation.startswith("_scaled_dot_product") and a.operation.endswith("_attention"):
            return a.operation.split("_")[-2]
    return None


def rows(cases: Iterable[Case] | None = None) -> list[dict[str, Any]]:
    """Each case's figures; GPUs for which they are the same share a row."""
    found = []
    for case in grid() if cases is None else cases:
        of_figures: dict[tuple[Any, ...], list[str]] = {}
        for name, gpu in GPUS.items():
            report = prediction(case, gpu)
            figures = *(getattr(report, figure) for figure in FIGURES), kernel(report)
            of_figures.setdefault(figures, []).append(name)
        for figures, gpus in of_figures.items():
            named = dict(zip((*FIGURES, "kernel"), figures, strict=True))
            found.append({"gpus": gpus} | case.as_json() | named)
    return found


def by_case(listed: Iterable[Mapping[str, Any]]) -> dict[tuple[str, Case], dict[str, Any]]:
    """Rows as {(GPU, case): its figures and kernel}."""
    return {
        (gpu, case_of(row)): {name: row[name] for name in (*FIGURES, "kernel")}
        for row in listed
        for gpu in row["gpus"]
    }


def current(registered: Mapping[str, Any]) -> dict[tuple[str, Case], dict[str, Any]]:
    """What the file predicts: each entry replaces what it moves."""
    found: dict[tuple[str, Case], dict[str, Any]] = {}
    for entry in registered["entries"]:
        found |= by_case(entry["rows"])
    return found
