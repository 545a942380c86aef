"""A run on the CPU, byte by byte: the profiler writes down each allocation and each release."""

import gc
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.profiler import ProfilerActivity, profile, record_function

from nonlocal_tut.memory.report import Allocation, Report
from nonlocal_tut.memory.run import Inputs, forward, state_bytes, tensors_in
from nonlocal_tut.memory.sums import summed

BACKWARD = "nonlocal_tut: the backward pass begins"
STEP = "nonlocal_tut: the optimizer's step begins"
PASSES = (BACKWARD, STEP)


def run_on_cpu(
    module: nn.Module, inputs: Inputs, training: bool, optimizer: Optimizer | None
) -> Report:
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # else the profiler writes to stderr
    with portable():
        rehearsed = tensors_in(forward(module, inputs, training=False))[0]
        gradient = torch.randn_like(rehearsed) if training else None
        del rehearsed
        gc.collect()
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
            out = forward(module, inputs, training)
            with record_function(BACKWARD):
                if training:
                    tensors_in(out)[0].backward(gradient)
            with record_function(STEP):
                if optimizer is not None:
                    optimizer.step()
    tree = seen.profiler.kineto_results.experimental_event_tree()
    allocations, ends = _lives(_events(tree, ()))
    starts = {t.untyped_storage().data_ptr() for t in tensors_in(out)}
    return summed(
        "measured",
        "cpu",
        [a for a, _ in allocations],
        forward_ends=ends[BACKWARD],
        backward_ends=ends[STEP],
        state=state_bytes(optimizer),
        outputs={
            i for i, (a, start) in enumerate(allocations) if a.died is None and start in starts
        },
    )


def _events(
    nodes: list[Any], inside: tuple[str, ...]
) -> Iterator[tuple[int, tuple[str, ...], Any]]:
    """The profiler's tree as (time, names of the operations around, event), memory events alone."""
    for node in nodes:
        if node.name in (*PASSES, "[memory]"):
            yield node.start_time_ns, inside, node
        yield from _events(node.children, (*inside, node.name))


def _lives(events: Iterator[Any]) -> tuple[list[tuple[Allocation, int]], dict[str, int]]:
    """Each allocation, with its address, and the last step before each pass."""
    found, at, step, ends = [], {}, 0, {}
    for _, inside, event in sorted(events, key=lambda event: event[0]):
        if event.name in PASSES:
            ends[event.name] = step - 1
            continue
        address, size = event.extra_fields.ptr, event.extra_fields.alloc_size
        if size > 0:
            ours = [name for name in inside if name not in PASSES]
            a = Allocation("", _named(ours), None, None, size, step)
            a.backward = BACKWARD in ends and STEP not in ends
            at[address] = a
            found.append((a, address))
        elif address in at:  # else it was there before the run
            at.pop(address).died = step
        else:
            continue
        step += 1
    return found, ends


def _named(inside: list[str]) -> str:
    """The outermost and the innermost operation: aten::convolution_backward … aten::clone."""
    operations = [name for name in inside if name.startswith("aten::")] or inside[-1:]
    return " … ".join(dict.fromkeys((operations[0], operations[-1]))) if operations else ""


@contextmanager
def portable() -> Iterator[None]:
    """One thread, and no oneDNN: the same bytes on every processor.

    Setting the number of threads also stops MKL from choosing its own, for the rest of the process:
    fused kernels on several threads are then a good part slower. Take times before bytes.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # these flags warn about GPUs that are not there
            with torch.backends.mkldnn.flags(enabled=False):
                yield
    finally:
        torch.set_num_threads(threads)
