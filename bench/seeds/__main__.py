"""python -m bench.seeds [--only chapter1 …]: the pages' trainings with ten seeds, into book/data/.

A chapter takes some minutes; its part of the file is written once its last seed is done, and the
other chapters' parts stay.
"""

import argparse
import json
import os
import pkgutil
import sys
import time
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

import bench.seeds
from bench.machine import origin

PATH = Path(__file__).resolve().parents[2] / "book" / "data" / "seeds.json"
DIGITS = 4


def chapters() -> dict[str, ModuleType]:
    names = sorted(found.name for found in pkgutil.iter_modules(bench.seeds.__path__))
    return {n: import_module(f"bench.seeds.{n}") for n in names if n.startswith("chapter")}


def rounded(figure: Any) -> Any:
    if isinstance(figure, list | tuple):
        return [rounded(f) for f in figure]
    return round(figure, DIGITS) if isinstance(figure, float) else figure


def run(name: str, module: ModuleType) -> dict[str, Any]:
    """All experiments of a chapter with all seeds, one thread."""
    torch.set_num_threads(1)
    started, rows = time.perf_counter(), {}
    for experiment, train in module.EXPERIMENTS.items():
        rows[experiment] = []
        for seed in bench.seeds.SEEDS:
            print(f"{name}, {experiment}, seed {seed}:", end=" ", flush=True)
            figures = {key: rounded(figure) for key, figure in train(seed).items()}
            rows[experiment].append({"seed": seed, **figures})
            print(figures, flush=True)
    seconds = round(time.perf_counter() - started)
    provenance = origin(f"python -m bench.seeds --only {name}") | {"seconds": seconds}
    return {"provenance": provenance, "experiments": rows}


def written(found: dict[str, Any]) -> str:
    """One seed a line, so that a difference between two files can be read."""
    parts = []
    for name in sorted(found):
        about = json.dumps(found[name]["provenance"])
        experiments = [
            f"{json.dumps(experiment)}: [\n" + ",\n".join(map(json.dumps, rows)) + "\n]"
            for experiment, rows in found[name]["experiments"].items()
        ]
        inside = ",\n".join(experiments)
        parts.append(
            f'{json.dumps(name)}: {{\n"provenance": {about},\n"experiments": {{\n{inside}\n}}}}'
        )
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main(arguments: list[str] | None = None) -> int:
    known = chapters()
    parser = argparse.ArgumentParser(prog="python -m bench.seeds", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(known), default=list(known))
    found = json.loads(PATH.read_text(encoding="utf-8")) if PATH.is_file() else {}
    for name in parser.parse_args(arguments).only:
        found[name] = run(name, known[name])
        PATH.write_text(written(found), encoding="utf-8")
        print(f"written: {name} in {os.path.relpath(PATH)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
