"""Time that other processes disturb as little as possible: in turns, many times, never averaged."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch

Run = Callable[[], Any]
Key = TypeVar("Key")


def in_turns(runs: Mapping[Key, Run], rounds: int, device: str) -> dict[Key, list[float]]:
    """Milliseconds of each run in each round; a round runs each once, one after the other."""
    times = {key: [] for key in runs}
    for _ in range(rounds):
        for key, run in runs.items():
            times[key].append(_milliseconds(run, device))
    return times


def _milliseconds(run: Run, device: str) -> float:
    _wait(device)
    start = time.perf_counter()
    run()
    _wait(device)
    return 1000 * (time.perf_counter() - start)


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def ratio(times: list[float], reference: list[float]) -> float:
    """How many times the reference's time, in the same round; the median of the rounds."""
    return statistics.median(t / r for t, r in zip(times, reference, strict=True))
