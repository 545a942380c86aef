"""python -m bench: run, write the data file, print it and the targets."""

import argparse
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import torch

from bench.contestants import everyone
from bench.provenance import device_name, provenance
from bench.rows import MIB, bench, cells
from bench.table import of_targets, tables
from bench.targets import TARGETS

SIDES = (16, 32, 64, 96, 128, 192)
DTYPES = (torch.float32, torch.bfloat16)
BUDGET_MIB = 1536  # of a run, so that the whole bench fits beside a system in 4 GiB
ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str]) -> int:
    args = _arguments(arguments)
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # else the profiler writes at each run
    if args.threads != torch.get_num_threads():  # not idly: it changes how MKL uses threads
        torch.set_num_threads(args.threads)
    start = time.perf_counter()

    def say(what: str) -> None:
        print(f"{time.perf_counter() - start:6.1f} s  {what}", flush=True)

    todo = cells(SIDES[:2], DTYPES[:1]) if args.quick else cells(SIDES, DTYPES)
    budget = args.budget * MIB
    rows = bench(everyone(), todo, device=args.device, budget=budget, say=say)
    results = [target.result(rows) for target in TARGETS]
    told = [a for a in arguments if a not in ("--out", str(args.out))]  # no path of this machine
    origin = provenance(args.device, budget, told, time.perf_counter() - start)
    path = args.out or _path(args)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_json({"provenance": origin, "targets": results, "rows": rows}), "utf-8")
    print(*tables(rows), *of_targets(results), sep="\n")
    print(f"written: {os.path.relpath(path)}")
    return int(args.strict and not all(result["met"] for result in results))


def as_json(data: dict[str, Any]) -> str:
    """JSON with a line for each row, so that a difference between two runs can be read."""
    parts = [f'"provenance": {json.dumps(data["provenance"], indent=1, ensure_ascii=False)}']
    for name in ("targets", "rows"):
        lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in data[name])
        parts.append(f'"{name}": [\n{lines}\n]')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    cuda = torch.cuda.is_available()
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if cuda else "cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--budget", type=int, default=BUDGET_MIB, metavar="MIB", help="of one run, by prediction"
    )
    parser.add_argument("--quick", action="store_true", help="float32 at 16×16 and 32×32 alone")
    parser.add_argument("--strict", action="store_true", help="fail if a target is not met")
    parser.add_argument("--out", type=Path, help="the data file to write")
    return parser.parse_args(arguments)


def _path(args: argparse.Namespace) -> Path:
    device = re.sub(r"\W+", "_", device_name(args.device)).strip("_").lower()
    return ROOT / ("_build" if args.quick else "book/data") / f"bench_{device}.json"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
