"""Hold the predicted bytes against a GPU, and keep what was found in book/data/.

    python tools/measure_gpu.py [--force]

It runs `nonlocal_tut.memory.compare` on the first GPU, in float32 and bfloat16, on sizes up to
what fits, and writes book/data/gpu_<name>.json: bytes predicted and measured, the device, the
versions and the date. The page on memory draws every such file.
"""

import argparse
import datetime
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import torch

from nonlocal_tut.memory.compare import BLOCKS, HEADER, SIZES, Rows, row
from nonlocal_tut.memory.report import Report

DATA = Path(__file__).resolve().parent.parent / "book" / "data"
LARGER = ((1, 64, 96, 96), (1, 512, 64, 64), (8, 256, 64, 64), (1, 64, 128, 128))
DTYPES = (torch.float32, torch.bfloat16)
GOAL = 2  # percent, for the blocks that build the map


def about() -> dict:
    """The device, the versions and the date that the figures belong to."""
    major, minor = torch.cuda.get_device_capability()
    return {
        "device": torch.cuda.get_device_name(),
        "compute_capability": f"{major}.{minor}",
        "memory_bytes": torch.cuda.mem_get_info()[1],
        "driver": driver(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "allocator_settings": settings(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "command": "python tools/measure_gpu.py",
    }


def settings() -> str | None:
    """The allocator's settings; None where they are torch's own, which a prediction assumes."""
    names = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def driver() -> str | None:
    """The driver's version as nvidia-smi gives it; None where it does not."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return told.stdout.strip().split("\n")[0] or None


def figures(report: Report) -> dict[str, int]:
    names = ("peak", "forward_peak", "backward_peak", "requested", "saved", "workspace")
    return {name: getattr(report, f"{name}_bytes") for name in names}


def measured_rows() -> tuple[Rows, list[str]]:
    """All rows that fit, printed as they come, and what did not fit."""
    todo = [
        (variant, shape, dtype)
        for dtype in DTYPES
        for shape in (*SIZES, *LARGER)
        for variant in BLOCKS
    ]
    rows, left_out = Rows(), []
    print(f"{'':7s} {HEADER}", flush=True)
    for number, (variant, shape, dtype) in enumerate(todo, 1):
        try:
            rows.append(row(variant, shape, dtype, "cuda"))
            told = str(rows[-1])
        except (MemoryError, torch.OutOfMemoryError):
            told = f"{variant} on {'×'.join(map(str, shape))} in {dtype} does not fit"
            left_out.append(told)
        print(f"{number:3d}/{len(todo):<3d} {told}", flush=True)
    return rows, left_out


def record(rows: Rows, left_out: list[str]) -> dict:
    """What the file holds."""
    listed = [
        {
            "variant": found.variant,
            "shape": list(found.shape),
            "dtype": str(found.dtype).removeprefix("torch."),
            "predicted_bytes": figures(found.predicted),
            "measured_bytes": figures(found.measured),
        }
        for found in rows
    ]
    return about() | {"rows": listed, "did_not_fit": left_out}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measure on a GPU what the book predicts for it.")
    parser.add_argument("--force", action="store_true", help="write over an existing file")
    args = parser.parse_args(argv)
    if not torch.cuda.is_available():
        print("There is no GPU here that torch can use. Nothing was written.", file=sys.stderr)
        return 1
    name = re.sub(r"[^a-z0-9]+", "_", torch.cuda.get_device_name().lower()).strip("_")
    path = DATA / f"gpu_{name}.json"
    if path.exists() and not args.force:
        print(f"{os.path.relpath(path)} exists; --force writes over it.", file=sys.stderr)
        return 1
    try:
        rows, left_out = measured_rows()
    except KeyboardInterrupt:
        print("Stopped. Nothing was written.", file=sys.stderr)
        return 130
    if not rows:
        print("Not one block fits on this GPU. Nothing was written.", file=sys.stderr)
        return 1
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(record(rows, left_out), indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
    worst = rows.worst()
    verdict = "within" if abs(worst.percent) <= GOAL else "NOT within"
    print(f"Furthest off of the blocks that build the map: {worst}")
    print(f"That is {verdict} {GOAL} %. Written: {os.path.relpath(path)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
