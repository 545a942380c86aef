"""Where and how a run's figures came about, for whoever reads them later."""

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from typing import Any

import torch

from bench import peers
from bench.machine import origin
from bench.rows import MIB, ROUNDS


def provenance(device: str, budget: int, command: Sequence[str], seconds: float) -> dict[str, Any]:
    return {
        **origin(" ".join(["python", "-m", "bench", *command])),
        "device": device_name(device),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in peers.PACKAGES},
        "budget_mib": budget // MIB,
        "rounds_by_side": {str(side): rounds for side, rounds in ROUNDS.items()},
        "seconds": round(seconds),
        "bytes": BYTES[device],
        "times": "Milliseconds on all threads. The contestants of one shape, dtype and mode run in "
        "turns, one run each a round, after a run that warms up.",
    }


BYTES = {
    "cpu": "Peak of what is live above parameters, input and incoming gradient, from "
    "torch.profiler's memory events, on one thread and without oneDNN, so that it is the same on "
    "every processor. Where bytes_are is predicted: by nonlocal_tut.memory.predict.",
    "cuda": "Peak of what is allocated above parameters, input, incoming gradient and libraries' "
    "workspaces, in blocks of the caching allocator.",
}


def device_name(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else "cpu"


def version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
