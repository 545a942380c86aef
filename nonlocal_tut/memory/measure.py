"""The bytes of a real run, on a CPU or a GPU, in the same report as a prediction's."""

import math

import torch

from nonlocal_tut.copies import copied
from nonlocal_tut.memory.on_cpu import run_on_cpu
from nonlocal_tut.memory.on_cuda import run_on_cuda
from nonlocal_tut.memory.predict import predict
from nonlocal_tut.memory.report import Report, amount
from nonlocal_tut.memory.run import (
    InputShape,
    MakeModule,
    MakeOptimizer,
    built,
    checked,
    inputs_for,
    optimizer_for,
    place,
)


def measure(
    make_module: MakeModule,
    input_shape: InputShape,
    dtype: torch.dtype = torch.float32,
    *,
    training: bool = True,
    device: str | None = None,
    optimizer: MakeOptimizer | None = None,
) -> Report:
    """The same report as `predict` gives, from a run on random numbers or the inputs that are made.

    device: "cpu" or "cuda"; None is a GPU if there is one. On a GPU: warmed up with one run, then
    the allocator's statistics; what libraries took for themselves is subtracted and reported as
    `workspace_bytes`, and `at_peak` stays empty, since the statistics do not name tensors. On a
    CPU: the profiler's memory events, on one thread and without oneDNN, whose copies depend on
    the processor; so the bytes are the same everywhere. `at_peak` names operations, not lines.

    Raises ValueError for an argument that it cannot take, and MemoryError, with the prediction,
    before it allocates what does not fit. See chapter 4, "Where do the bytes go?".
    """
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    checked(make_module, input_shape, dtype, device, training)
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device='cuda' needs a GPU that torch can use, and there is none here")
    _refuse_what_does_not_fit(make_module, input_shape, dtype, training, device, optimizer)
    here = place(device)
    module = copied(built(make_module, here)).to(here, dtype).train(training)
    inputs = inputs_for(input_shape, dtype, here, training)
    run = run_on_cuda if device == "cuda" else run_on_cpu
    return run(module, inputs, training, optimizer_for(module, optimizer, training))


def _refuse_what_does_not_fit(
    make_module: MakeModule,
    input_shape: InputShape,
    dtype: torch.dtype,
    training: bool,
    device: str,
    optimizer: MakeOptimizer | None,
) -> None:
    free = free_bytes(device)
    try:
        needed = predict(
            make_module, input_shape, dtype, training=training, device=device, optimizer=optimizer
        )
    except ValueError:  # it may run with numbers, which is what measuring is for
        return
    given = 0 if callable(input_shape) else math.prod(input_shape) * dtype.itemsize
    if free is not None and given + needed.peak_bytes > free:
        raise MemoryError(
            f"this run would need {amount(needed.peak_bytes)} beside its parameters and its input "
            f"of {amount(given)}, and {amount(free)} are free; nothing was run.\n{needed}"
        )


def free_bytes(device: str) -> int | None:
    """What a new tensor could take at most, in bytes; None where the system does not say."""
    if device == "cuda":
        free, _ = torch.cuda.mem_get_info()
        return free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            found = {name: int(rest.split()[0]) for name, rest in (s.split(":") for s in lines)}
        return found["MemAvailable"] * 1024
    except (OSError, KeyError, ValueError):
        return None
