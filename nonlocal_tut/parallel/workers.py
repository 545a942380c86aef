"""Run a function in several processes that can reach each other, and leave none of them behind.

The processes are torch.multiprocessing's; what joins them is torch.distributed, with NCCL where
there is a GPU for each, else with gloo. They meet through a file, so no port has to be free.
`torchrun` does the same from a command line, and on several machines.

Most of a worker's start would be torch's import. On Linux a process of multiprocessing's imports it
once, at the first run, and workers are forked from there; it ends with this program. Elsewhere a
fork is not safe behind such imports, and each worker begins anew.
"""

import contextlib
import io
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import timedelta
from multiprocessing import connection, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from nonlocal_tut.arguments import above_zero, said, whole

START = "forkserver" if sys.platform == "linux" else "spawn"


def run(
    function: Callable[..., Any], *args: Any, workers: int = 2, seconds: float = 120
) -> list[Any]:
    """Call `function(device, *args)` in each of the workers -> what each returned, by rank.

    - `function`: from a file that a new process can import, not from a notebook's cell. When it is
      called, `torch.distributed` is ready. What it prints is printed in the end, rank by rank.
    - `args`: each worker gets a copy.
    - `seconds`: for all of it; then the workers are stopped.

    Raises RuntimeError if a worker raises or dies, with its rank and its last words, and
    TimeoutError after `seconds`, when the others have been stopped; ValueError for less than one
    worker and for a function that cannot be imported. See chapter 9, "What if a worker dies?".
    """
    workers = whole("workers", workers)
    above_zero("seconds", seconds)
    if workers < 1:
        raise ValueError(f"workers must be 1 or more, not {workers}")
    _importable(function)
    with tempfile.TemporaryDirectory() as folder:
        torch.save((function, args, dict(os.environ)), f"{folder}/job")
        if START == "forkserver":
            mp.get_context(START).set_forkserver_preload([__name__])
        context = mp.start_processes(  # type: ignore
            _work, (workers, seconds, folder), workers, join=False, start_method=START
        )
        processes = context.processes
        try:
            _finished(processes, Path(folder), seconds)
        finally:
            for process in processes:
                process.kill()
            for process in processes:
                process.join()
        returned = [torch.load(f"{folder}/{rank}", weights_only=False) for rank in range(workers)]
    for _, printed in returned:
        print(printed, end="")
    return [result for result, _ in returned]


def _importable(function: Callable[..., Any]) -> None:
    """A new process finds a function by its module and its name."""
    if not callable(function) or not hasattr(function, "__qualname__"):
        raise TypeError(f"function must be one with a name, not {said(function)}")
    module, name = sys.modules[function.__module__], function.__qualname__
    if "<" in name or (module.__name__ == "__main__" and not hasattr(module, "__file__")):
        raise ValueError(
            f"function must be in a file that a new process can import, unlike {name}: begin its "
            "cell with %%writefile work.py, and import work"
        )


def _work(rank: int, workers: int, seconds: float, folder: str) -> None:
    """What a worker does, from its start to its end."""
    Thread(target=_end_with_parent, daemon=True).start()
    # Libraries write there, and not into a notebook.
    with open(f"{folder}/{rank}.log", "w", encoding="utf-8") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    try:
        function, args, environment = torch.load(f"{folder}/job", weights_only=False)
        os.environ.clear()
        os.environ.update(environment)  # that of this run, not of the first
        device, backend = torch.device("cpu"), "gloo"
        if torch.cuda.device_count() >= workers:
            device, backend = torch.device("cuda", rank), "nccl"
            torch.cuda.set_device(device)
        torch.set_num_threads(1)  # else each of them would use all cores
        dist.init_process_group(
            backend,
            init_method=f"file://{folder}/meeting",
            timeout=timedelta(seconds=seconds),
            rank=rank,
            world_size=workers,
        )
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            result = function(device, *args)
        torch.save((result, printed.getvalue()), f"{folder}/{rank}")
        dist.barrier()  # nobody leaves while another is still receiving
        dist.destroy_process_group()
    except Exception as error:
        words = f"{type(error).__name__}: {error}", traceback.format_exc()
        Path(folder, f"{rank}.error").write_text(json.dumps(words), encoding="utf-8")
        os._exit(1)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None  # for a worker has one
    parent.join()
    os._exit(1)


def _finished(processes: Sequence[BaseProcess], folder: Path, seconds: float) -> None:
    """Wait until all have ended well; raise as soon as one has not, or when time is up."""
    running: dict[Any, BaseProcess] = {p.sentinel: p for p in processes}
    deadline = time.monotonic() + seconds
    while running:
        ready = connection.wait(running, max(0, deadline - time.monotonic()))
        for sentinel in ready:
            process = running.pop(sentinel)
            process.join()
            if not _is_well(process, processes.index(process), folder):
                raise _failure(processes, folder)
        if not ready:
            late = [f"worker {rank}" for rank, p in enumerate(processes) if p.is_alive()]
            raise TimeoutError(
                f"after {seconds:g} seconds {' and '.join(late)} of {len(processes)} had not "
                "finished; all were stopped"
            )


def _is_well(process: BaseProcess, rank: int, folder: Path) -> bool:
    return process.exitcode == 0 and (folder / str(rank)).exists()


def _failure(processes: Sequence[BaseProcess], folder: Path) -> RuntimeError:
    """Who failed first? One that died without a word; else the one that spoke first.

    The others lose their connection to it, and complain of that.
    """
    ended, words = {}, {}
    for rank, process in enumerate(processes):
        process.join(1)  # one that dies at the same time may need a moment to be seen dead
        said = folder / f"{rank}.error"
        if process.exitcode is None or _is_well(process, rank, folder):
            continue
        if said.exists():
            words[rank] = said.stat().st_mtime_ns, *json.loads(said.read_text(encoding="utf-8"))
        else:
            ended[rank] = process.exitcode
    rank = min(ended) if ended else min(words, key=words.__getitem__)
    if rank in ended:
        code = ended[rank]
        how = f"ended with code {code}"
        if code < 0:
            how = f"was ended by {signal.Signals(-code).name}"
        log = folder / f"{rank}.log"  # not there yet, if it could not even import torch
        details = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    else:
        _, how, details = words[rank]
        how = f"raised {how}"
    error = RuntimeError(f"worker {rank} of {len(processes)} {how}; the others were stopped")
    error.add_note(details)
    return error
