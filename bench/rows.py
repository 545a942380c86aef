"""From contestants and cells to rows: predict, refuse or measure, run in turns, compare."""

import gc
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from bench.clock import Run, in_turns, ratio
from bench.contestants import CHANNELS, Contestant
from bench.same import CLOSE, difference, draw, framed
from nonlocal_tut import memory

MIB = 2**20
ROUNDS = {16: 31, 32: 31, 64: 5, 96: 3, 128: 2, 192: 1}  # by side: fewer where a round is long
SPREAD = 0.5  # of the inputs; at 1 the exponentials of "gaussian" are denormal, and slow
OK = "ok"
TIMES = ("median_ms", "min_ms", "time_ratio", "rounds")  # what a row has of the clock
# Seen with torch 2.13 on processors with AMX: wrong writes, then an abort or none.
CRASHES = "oneDNN's gradient of a bfloat16 Conv3d can corrupt the memory of the process"
Row = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """What the contestants of one comparison have in common."""

    shape: tuple[int, int, int, int]  # (B, C, H, W)
    dtype: torch.dtype
    training: bool
    rounds: int

    def __str__(self) -> str:
        mode = "training" if self.training else "inference"
        return f"{shape_name(self.shape)} {dtype_name(self.dtype)} {mode}"

    def of(self, c: Contestant) -> tuple[int, ...]:
        """The shape of a contestant's input, with one frame for a video block."""
        return self.shape[:2] + (1,) * (c.dims - 2) + self.shape[2:]


def cells(sides: Sequence[int], dtypes: Sequence[torch.dtype]) -> list[Cell]:
    """Batch 1 at each side, and batch 2 at 32×32."""
    shapes = [(b, CHANNELS, side, side) for side in sides for b in (1, 2) if b == 1 or side == 32]
    modes = [(dtype, training) for dtype in dtypes for training in (True, False)]
    return [Cell(shape, *mode, ROUNDS[shape[-1]]) for shape in shapes for mode in modes]


def bench(
    contestants: Sequence[Contestant],
    cells: Sequence[Cell],
    *,
    device: str,
    budget: int,
    say: Callable[[str], None] = print,
) -> list[Row]:
    """All rows; README.md here says what each field means.

    budget: bytes; what is predicted to need more is not run. say: hears of each step.
    """
    rows, taking_part = [], {}
    named = {c.name: c for c in contestants}
    for c in contestants:
        say(f"{c.name}: {'the same as ' + c.like + '?' if c.like else c.function}")
        try:
            taking_part[c] = difference(c, named[c.like or c.name])
        except Exception as error:  # whatever a peer raises is its row, not the end of the bench
            rows.append(_row(c) | {"status": _failed(error)})
            say(f"  {rows[-1]['status']}")
            continue
        if not taking_part[c] <= CLOSE:
            say(f"  no: {taking_part[c]:.2g} apart, so no ratio is taken")
    gc.freeze()  # else each collection walks all that the peers have imported
    timed = []
    for i, cell in enumerate(cells, 1):
        say(f"[{i}/{len(cells)}] {cell}")
        timed.append(_timed(taking_part, cell, device, budget))
    for i, (cell, of_cell) in enumerate(zip(cells, timed, strict=True), 1):  # no clock runs now
        say(f"[{i}/{len(cells)}] {cell}: bytes")
        _count_bytes(of_cell, cell, device)
        rows += of_cell.values()
    gc.unfreeze()
    return rows


def _timed(
    taking_part: dict[Contestant, float], cell: Cell, device: str, budget: int
) -> dict[Contestant, Row]:
    """The rows of all contestants at one shape, dtype and mode, still without measured bytes."""
    rows = {c: _row(c, cell, apart) for c, apart in taking_part.items()}
    for c, row in rows.items():
        if c.dims == 3 and cell.dtype == torch.bfloat16 and cell.training and device == "cpu":
            row["status"] = f"not run: {CRASHES}"
        else:
            _predict(c, row, cell, device, budget)
    _leave_out_the_lonely(rows)
    runs: dict[Contestant, Run] = {}
    for c, row in rows.items():
        if row["status"] == OK and (run := _warm(c, row, cell, device)):
            runs[c] = run
    times = in_turns(runs, cell.rounds, device)
    for c, of_c in times.items():
        rows[c] |= {"median_ms": _digits(statistics.median(of_c)), "min_ms": _digits(min(of_c))}
        rows[c]["rounds"] = cell.rounds
        reference = _reference(rows, c)
        if reference in times:
            rows[c]["time_ratio"] = _digits(ratio(of_c, times[reference]))
    return rows


def _row(c: Contestant, cell: Cell | None = None, apart: float = 0.0) -> Row:
    same = cell is not None and apart <= CLOSE
    return {
        "contestant": c.name,
        "kind": c.kind,
        "function": c.function if same or cell is None else f"not {c.function}: {apart:.2g} apart",
        "same_function_as": (c.like or c.name) if same else None,
        "shape": list(cell.shape) if cell else None,
        "dtype": dtype_name(cell.dtype) if cell else None,
        "training": cell.training if cell else None,
        "status": OK,
        "predicted_bytes": None,
        "peak_bytes": None,
        "bytes_are": None,
        "bytes_ratio": None,
        "median_ms": None,
        "min_ms": None,
        "time_ratio": None,
        "rounds": None,
    }


def _predict(c: Contestant, row: Row, cell: Cell, device: str, budget: int) -> None:
    try:
        options = {"training": cell.training, "device": device}
        report = memory.predict(c.make, cell.of(c), cell.dtype, **options)
    except Exception as error:
        row["status"] = _failed(error.__cause__ or error)
        return
    row["predicted_bytes"] = report.peak_bytes
    if report.peak_bytes > budget:
        row["status"] = f"not run: predicted {report.peak_bytes / MIB:,.0f} MiB"


def _leave_out_the_lonely(rows: dict[Contestant, Row]) -> None:
    """A block that is here only to be compared does not run where all others are refused."""
    for c, row in rows.items():
        others = [o for o in rows if o is not c and (o.like or o.name) == (c.like or c.name)]
        if row["status"] == OK and not c.alone and all(rows[o]["status"] != OK for o in others):
            row["status"] = "not run: nothing of the same function to compare it with"


def _warm(c: Contestant, row: Row, cell: Cell, device: str) -> Run | None:
    """The run to be timed, after a first one; None if it raised an error."""
    try:
        run = _run(c, cell, device)
        run()
    except Exception as error:
        row["status"] = _failed(error)
        return None
    return run


def _count_bytes(rows: dict[Contestant, Row], cell: Cell, device: str) -> None:
    """Not before all clocks have run: to measure bytes changes how MKL uses threads (README.md)."""
    for c, row in rows.items():
        if row["status"] != OK:
            continue
        if device == "cuda" or cell.dtype == torch.float32 or cell.shape[-1] <= 32:
            options = {"training": cell.training, "device": device}
            try:
                report = memory.measure(c.make, cell.of(c), cell.dtype, **options)
            except Exception as error:  # with oneDNN it ran; its row says that without it did not
                row |= dict.fromkeys(TIMES) | {"status": _failed(error)}
                continue
            row |= {"peak_bytes": report.peak_bytes, "bytes_are": "measured"}
        else:  # 16 bits without oneDNN take minutes
            row |= {"peak_bytes": row["predicted_bytes"], "bytes_are": "predicted"}
    for c, row in rows.items():
        reference = rows.get(_reference(rows, c))
        if row["peak_bytes"] and reference and reference["peak_bytes"]:
            row["bytes_ratio"] = _digits(row["peak_bytes"] / reference["peak_bytes"])


def _run(c: Contestant, cell: Cell, device: str) -> Run:
    generator = torch.Generator().manual_seed(0)
    module = c.make()
    draw(module, generator)
    module = module.to(device, cell.dtype).train(cell.training)
    x = SPREAD * torch.randn(cell.shape, generator=generator)
    x = x.to(device, cell.dtype)
    x = framed(x, c.dims).requires_grad_(cell.training)
    gradient = torch.randn(x.shape, generator=generator).to(device, cell.dtype)

    def train() -> None:
        module(x).backward(gradient)
        for tensor in (x, *module.parameters()):
            tensor.grad = None

    def infer() -> None:
        with torch.no_grad():
            module(x)

    return train if cell.training else infer


def _reference(rows: dict[Contestant, Row], c: Contestant) -> Contestant | None:
    """The contestant of ours that computes the same."""
    return next((o for o in rows if o.name == rows[c]["same_function_as"]), None)


def shape_name(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))


def dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _failed(error: BaseException) -> str:
    first = str(error).strip().partition("\n")[0]
    return f"failed: {type(error).__name__}: {first}"


def _digits(value: float) -> float:
    return float(f"{value:.4g}")
