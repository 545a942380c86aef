"""What one GPU measured, as the JSON that the book keeps: predictions beside the allocator's rows.

Each case is measured several times, and each time's readings are kept, so that whoever doubts a
figure can compute it again: `figures` from readings, `summary` from rows. `tools/gpu.py` writes a
whole file; the last cell of chapter 4 prints a small one.
"""

import datetime
import importlib.metadata
import json
import os
import platform
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from nonlocal_tut.memory.compare import BMM
from nonlocal_tut.memory.measure import measure
from nonlocal_tut.memory.on_cuda import report_of
from nonlocal_tut.memory.registered import Case, few, kernel, prediction
from nonlocal_tut.memory.report import Report
from nonlocal_tut.pairwise.backends import cudnn_here, gpu_here

GOAL = 2  # percent of the allocated peak, for the blocks that build the attention matrix
READINGS = (
    "requested_before",
    "gradient",
    "allocated_base",
    "requested_base",
    "forward_allocated",
    "forward_requested",
    "requested_between",
    "returned",
    "backward_allocated",
    "backward_requested",
)
FIGURES = ("peak", "forward_peak", "backward_peak", "requested", "saved")


def record(
    cases: Iterable[Case] | None = None,
    *,
    repeats: int = 1,
    commit: str | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """A file's JSON with its bytes part, from the first GPU; say: hears of each case.

    cases: None is what a reader's GPU measures in a minute. commit: of the module; None: as far as
    it can be told. Raises ValueError where there is no GPU that torch can use.
    """
    if not torch.cuda.is_available():
        raise ValueError("a GPU's file needs a GPU that torch can use, and there is none here")
    listed, left_out = byte_rows(few() if cases is None else list(cases), repeats, say)
    return about(commit) | {"bytes": listed, "did_not_fit": left_out, "summary": summary(listed)}


def about(commit: str | None = None) -> dict[str, Any]:
    """The device, the versions and the date that the figures belong to."""
    major, minor = torch.cuda.get_device_capability()
    return {
        "device": torch.cuda.get_device_name(),
        "compute_capability": f"{major}.{minor}",
        "memory_bytes": torch.cuda.mem_get_info()[1],
        "driver": driver(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": cudnn_here(),
        "allocator_settings": settings(),
        "commit": commit or module_commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "readings": list(READINGS),
    }


def byte_rows(
    cases: Sequence[Case], repeats: int, say: Callable[[str], None]
) -> tuple[list[dict[str, Any]], list[str]]:
    """A row for each case that fits, and in words those that do not."""
    gpu, rows, left_out = gpu_here(), [], []
    for number, case in enumerate(cases, 1):
        predicted = prediction(case, gpu)
        turn = "training" if case.training else "inference"
        shape = "×".join(map(str, case.shape))
        what = f"{case.variant} {shape} {str(case.dtype).removeprefix('torch.')} {turn}"
        try:
            readings = [readings_of(case) for _ in range(repeats)]
        except (MemoryError, torch.OutOfMemoryError):
            left_out.append(what)
            say(f"{number}/{len(cases)} {what}: does not fit")
            continue
        row = case.as_json() | {
            "kernel": kernel(predicted),
            "predicted_bytes": _named(predicted),
            "measured_bytes": figures(readings[0]),
            "readings": readings,
        }
        rows.append(row)
        percent = 100 * (row["predicted_bytes"]["peak"] / row["measured_bytes"]["peak"] - 1)
        say(f"{number}/{len(cases)} {what}: {percent:+.2f} %")
    return rows, left_out


def readings_of(case: Case) -> list[int]:
    """One run's readings, in the order of `READINGS`; inference has none of a backward pass."""
    report = measure(case.make, case.shape, case.dtype, training=case.training, device="cuda")
    return [report.readings[name] for name in READINGS if name in report.readings]


def figures(readings: Sequence[int]) -> dict[str, int]:
    """The bytes that a run's readings come to."""
    report = report_of(dict(zip(READINGS, readings, strict=False)))
    return _named(report) | {"workspace": report.workspace_bytes}


def summary(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Of the blocks that build the attention matrix: how many agree, and which is furthest off.

    requested_equal: how many of `rows` requested exactly the bytes predicted; worst_percent: of
    the allocated peak, predicted above measured; repeats_differ: of all rows, how many had other
    figures in a repeat, workspace aside, which only a first run has.
    """
    rows = list(rows)
    built = [row for row in rows if row["variant"] in BMM]
    measured = [figures(row["readings"][0]) for row in built]
    pairs = [(row["predicted_bytes"], was) for row, was in zip(built, measured, strict=True)]
    off = [100 * (said["peak"] / was["peak"] - 1) for said, was in pairs]
    again = [{str(_but_workspace(figures(r))) for r in row["readings"]} for row in rows]
    worst = max(range(len(off)), key=lambda i: abs(off[i]), default=None)
    return {
        "rows": len(built),
        "requested_equal": sum(said["requested"] == was["requested"] for said, was in pairs),
        "worst_percent": None if worst is None else round(off[worst], 3),
        "worst": None
        if worst is None
        else {k: built[worst][k] for k in ("variant", "shape", "dtype")},
        "repeats_differ": sum(len(different) > 1 for different in again),
        "workspace": max(
            (figures(r)["workspace"] for row in rows for r in row["readings"]), default=0
        ),
    }


def as_json(data: Mapping[str, Any]) -> str:
    """A line for each row of a list of rows, so that a difference between two runs can be read."""
    parts = []
    for name, value in data.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in value)
            parts.append(f'"{name}": [\n{lines}\n]')
        else:
            parts.append(f'"{name}": {json.dumps(value, ensure_ascii=False)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def file_name(device: str) -> str:
    """gpu_<name>.json, of letters and digits alone."""
    return f"gpu_{re.sub('[^a-z0-9]+', '_', device.lower()).strip('_')}.json"


def settings() -> str | None:
    """The allocator's settings; None where they are torch's own, which a prediction assumes."""
    names = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def driver() -> str | None:
    """The driver's version as nvidia-smi gives it; None where it does not."""
    return _told("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")


def module_commit() -> str:
    """The commit of this module: of its checkout, or the one that pip took; else "unknown"."""
    root = Path(__file__).resolve().parents[2]
    if (root / ".git").exists() and (found := _told("git", "-C", str(root), "rev-parse", "HEAD")):
        return found
    try:
        origin = importlib.metadata.distribution("nonlocal_tut").read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        origin = None
    return str(json.loads(origin or "{}").get("vcs_info", {}).get("commit_id", "unknown"))


def _told(*command: str) -> str | None:
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip().split("\n")[0] or None


def _named(report: Report) -> dict[str, int]:
    return {name: getattr(report, f"{name}_bytes") for name in FIGURES}


def _but_workspace(found: Mapping[str, int]) -> dict[str, int]:
    return {name: size for name, size in found.items() if name != "workspace"}
