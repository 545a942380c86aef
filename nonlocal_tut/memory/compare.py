"""Predicted bytes beside measured ones, on the device at hand."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from nonlocal_tut.arguments import is_whole, listed, one_of, said
from nonlocal_tut.blocks import NonLocalBlock, SelfAttention2d
from nonlocal_tut.memory.measure import measure
from nonlocal_tut.memory.predict import predict
from nonlocal_tut.memory.report import MIB, Report
from nonlocal_tut.memory.run import DEVICES, DTYPES
from nonlocal_tut.memory.variants import VARIANTS
from nonlocal_tut.pairwise.backends import ASSUMED, assuming, gpu_here
from nonlocal_tut.tables import Table, table

BMM = tuple(
    VARIANTS
)  # those that build the attention matrix: nothing of theirs is left out of a prediction
BLOCKS: dict[str, Callable[[int], nn.Module]] = VARIANTS | {
    "SelfAttention2d": SelfAttention2d,
    "NonLocalBlock": NonLocalBlock,
}
SIZES = ((1, 64, 64, 64), (2, 64, 48, 48))


@dataclass(frozen=True)
class Row:
    """One block, trained for one step on one shape: its prediction and its measurement."""

    variant: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    predicted: Report
    measured: Report

    @property
    def percent(self) -> float:
        """How far the predicted peak is above the measured one, in % of the latter."""
        return 100 * (self.predicted.peak_bytes / self.measured.peak_bytes - 1)

    def __str__(self) -> str:
        return "  ".join(self.cells()) + " %"

    def cells(self) -> tuple[str, str, str, str, str]:
        """The block, its input's shape, both peaks in MiB, and the difference in %."""
        predicted, measured = (r.peak_bytes / MIB for r in (self.predicted, self.measured))
        difference = round(self.percent, 2) + 0.0  # no minus before a zero
        return (
            self.variant,
            "×".join(map(str, self.shape)),
            f"{predicted:,.2f}",
            f"{measured:,.2f}",
            f"{difference:+.2f}".replace("-", "−"),
        )


HEAD = "block", "shape", "predicted", "measured", "off, %"


class Rows(list[Row]):
    """Rows that print, and that a notebook shows, as a table, peaks in MiB."""

    def __repr__(self) -> str:
        return repr(self._table())

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return self._table()._repr_html_()

    def _table(self) -> Table:
        return table(HEAD, [row.cells() for row in self])

    def worst(self, variants: Iterable[str] = BMM) -> Row:
        """The row of these variants that is furthest off, either way."""
        variants = tuple(variants)
        return max((r for r in self if r.variant in variants), key=lambda row: abs(row.percent))


def compare(
    device: str | None = None,
    sizes: Sequence[tuple[int, int, int, int]] = SIZES,
    dtype: torch.dtype = torch.float32,
) -> Rows:
    """`predict` against `measure` for each block of the chapter, in training.

    device: "cpu" or "cuda"; None is a GPU if there is one. sizes: (B, C, H, W), each for all of
    "article", "swapped", "dot_product", "paper", "paper_pooled" and the two fused blocks
    "SelfAttention2d" and "NonLocalBlock", whose kernels on a GPU need scratch that no prediction
    has.

    Raises what `measure` raises. See chapter 4, "Where do the bytes go?".
    """
    one_of("device", device, (None, *DEVICES))
    one_of("dtype", dtype, DTYPES)
    for shape in listed("sizes", sizes, (tuple, list), "shapes (B, C, H, W)"):
        if len(shape) != 4 or not all(is_whole(size) and size > 0 for size in shape):
            raise ValueError(f"sizes must be shapes (B, C, H, W), not {said(sizes)}")
    return Rows(row(variant, shape, dtype, device) for shape in sizes for variant in BLOCKS)


def row(variant: str, shape: tuple[int, ...], dtype: torch.dtype, device: str | None) -> Row:
    """One block on one shape."""

    def make() -> nn.Module:
        return BLOCKS[variant](shape[1])

    measured = measure(make, shape, dtype, device=device)
    with assuming(gpu_here() if measured.device == "cuda" else ASSUMED):
        return Row(
            variant, shape, dtype, predict(make, shape, dtype, device=measured.device), measured
        )
