"""python -m bench.speed: our blocks against the best form for their size, at every size.

For each block, shape, mode and number of threads, what `forms` has runs in turns; a row has the
medians, and our speed as a share of the best of the others. Each number of threads has a process of
its own, since torch.set_num_threads changes how MKL uses them. See README.md here.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from bench.clock import Run, in_turns, ratio
from bench.forms import BLOCKS, CHANNELS, Make, forms
from bench.machine import origin
from nonlocal_tut import memory

SIDES, BATCHES, THREADS = (7, 16, 32, 64, 96, 128), (1, 8), (1, 2)
MIB, BUDGET_MIB = 2**20, 2048  # of one run, as predicted
ROUNDS, MOST_ROUNDS = 7, 15
TURN = 0.01  # seconds that a turn takes at least: a small map runs many times in it
SLOW = 3.0  # a form that took so many times as long as ours at first is timed three times only
SPREAD = 0.5  # of the inputs
DATA = Path(__file__).resolve().parent.parent / "book" / "data" / "speed_cpu.json"
Row = dict[str, Any]


def main(arguments: list[str]) -> None:
    args = _arguments(arguments)
    if args.here:
        for row in rows(args.only):
            print(json.dumps(row), flush=True)
        return
    told, start = _shown(arguments), time.perf_counter()
    kept = json.loads(args.out.read_text("utf-8"))["rows"] if args.out.exists() else []
    for threads in THREADS:
        for row in _in_a_process(threads, args.only):
            key = _key(row)
            kept = [*(other for other in kept if _key(other) != key), row]
            args.out.write_text(as_json(_provenance(told), sorted(kept, key=_key)), "utf-8")
            print(f"{time.perf_counter() - start:6.1f} s  {line(row)}", flush=True)
    print(summary(kept))


def rows(sides: list[int]) -> Iterator[Row]:
    """One for each cell, on the threads of this process."""
    for side in sides:
        for block in BLOCKS:
            for batch in BATCHES:
                for training in (False, True):
                    if row := row_of(block, (batch, CHANNELS, side, side), training):
                        yield row


def row_of(block: str, shape: tuple[int, int, int, int], training: bool) -> Row | None:
    """The forms of one block in turns; those that would not fit, or cannot run, say why.

    None where ours would be alone.
    """
    torch._dynamo.reset()
    runs: dict[str, Run] = {}
    first: dict[str, float] = {}
    not_run: dict[str, str] = {}
    makes: dict[str, Make] = {}
    for name, (make, fits_like) in forms(block).items():
        need = memory.predict(fits_like, shape, training=training).peak_bytes
        if need > BUDGET_MIB * MIB:
            not_run[name] = f"predicted {need // MIB:,} MiB"
        else:
            makes[name] = make
    if makes.keys() <= {"ours"}:
        return None
    for name, make in makes.items():
        try:
            runs[name] = _run(make(), shape, training)
            runs[name]()
            first[name] = in_turns({name: runs[name]}, 1, "cpu")[name][0] / 1000
        except Exception as error:
            runs.pop(name, None)
            not_run[name] = f"failed: {type(error).__name__}"
    times = _times(runs, first)
    medians = {name: float(f"{statistics.median(of):.4g}") for name, of in times.items()}
    best = min(medians.keys() - {"ours"}, key=medians.__getitem__, default=None)
    return {
        "block": f"{block}({CHANNELS})",
        "shape": list(shape),
        "threads": torch.get_num_threads(),
        "training": training,
        "rounds": len(times["ours"]),
        "median_ms": medians,
        "not_run": not_run,
        "best": best,
        "share": None if best is None else round(_share(times[best], times["ours"]), 3),
    }


def _share(best: list[float], ours: list[float]) -> float:
    """The best other form's time over ours, in the same round where it had as many."""
    if len(best) == len(ours):
        return ratio(best, ours)
    return statistics.median(best) / statistics.median(ours)


def _times(runs: dict[str, Run], first: dict[str, float]) -> dict[str, list[float]]:
    """Milliseconds of one run, in each round."""
    rounds = max(ROUNDS, min(MOST_ROUNDS, int(1 / first["ours"])))
    fast = {name: run for name, run in runs.items() if first[name] < max(SLOW * first["ours"], 0.2)}
    repeats = max(1, int(TURN / first["ours"]))

    def repeated(run: Run) -> Run:
        return lambda: [run() for _ in range(repeats)]

    times = in_turns({name: repeated(run) for name, run in fast.items()}, rounds, "cpu")
    times = {name: [t / repeats for t in of] for name, of in times.items()}
    return times | in_turns({n: run for n, run in runs.items() if n not in fast}, 3, "cpu")


def _run(module: torch.nn.Module, shape: tuple[int, ...], training: bool) -> Run:
    generator = torch.Generator().manual_seed(0)
    module.train(training)
    x = (SPREAD * torch.randn(shape, generator=generator)).requires_grad_(training)
    gradient = torch.randn(shape, generator=generator)
    leaves = [x, *module.parameters()]

    def train() -> None:
        module(x).backward(gradient)
        for tensor in leaves:
            tensor.grad = None

    def infer() -> None:
        with torch.no_grad():
            module(x)

    return train if training else infer


def _in_a_process(threads: int, sides: list[int]) -> Iterator[Row]:
    command = [sys.executable, "-W", "ignore", "-m", "bench.speed", "--here", "--only"]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "KINETO_LOG_LEVEL": "6"}
    with subprocess.Popen(
        [*command, *map(str, sides)], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        yield from map(json.loads, process.stdout or ())
    if process.returncode:
        raise SystemExit(process.returncode)


def line(row: Row) -> str:
    """One cell, for a terminal."""
    share = "     " if row["share"] is None else f"{row['share']:5.2f}"
    mode = "training " if row["training"] else "inference"
    side = "×".join(map(str, row["shape"]))
    times = ", ".join(f"{name} {ms:g}" for name, ms in row["median_ms"].items())
    return f"{share}  {row['block']} {side} {mode} {row['threads']} thread(s): {times} ms"


def summary(all_rows: list[Row]) -> str:
    """How many cells keep 0.95, and how far behind the farthest is."""
    shares = [row["share"] for row in all_rows if row["share"] is not None]
    return f"{sum(s >= 0.95 for s in shares)} of {len(shares)} at 0.95 or more; {min(shares):.2f}"


def as_json(provenance: dict[str, Any], found: list[Row]) -> str:
    """JSON with a line for each row."""
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in found)
    about = json.dumps(provenance, indent=1, ensure_ascii=False)
    return f'{{\n"provenance": {about},\n"rows": [\n{lines}\n]\n}}\n'


def _provenance(told: list[str]) -> dict[str, Any]:
    return {
        **origin(" ".join(["python -m bench.speed", *told])),
        "cores": len(os.sched_getaffinity(0)),
        "times": "Milliseconds of one run, median of the rounds; in each round every form has its "
        f"turn of {1000 * TURN:g} ms or one run. share: the best other form's time over ours, in "
        f"the same round, median. Forms that first took {SLOW:g} times as long have three rounds.",
    }


def _key(row: Row) -> tuple:
    return row["block"], row["shape"][2], row["shape"][0], row["training"], row["threads"]


def _shown(arguments: list[str]) -> list[str]:
    """Without --out: no path of this machine goes into the file."""
    if "--out" not in arguments:
        return arguments
    at = arguments.index("--out")
    return arguments[:at] + arguments[at + 2 :]


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.speed", description=__doc__)
    parser.add_argument(
        "--only", type=int, nargs="+", default=list(SIDES), metavar="SIDE", help="the others stay"
    )
    parser.add_argument("--out", type=Path, default=DATA, help="the data file; its rows are kept")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
