"""A run on the CPU, byte by byte: the profiler writes down each allocation and each release."""

import gc
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile, record_function

from nonlocal_tut.memory.report import Allocation, Report, summed
from nonlocal_tut.memory.run import forward, tensors_in

BACKWARD = "nonlocal_tut: the backward pass begins"


def run_on_cpu(module: nn.Module, x: Tensor, training: bool) -> Report:
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # else the profiler writes to stderr
    with portable():
        gradient = torch.randn_like(tensors_in(forward(module, x, training=False))[0])
        gc.collect()
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
            out = forward(module, x, training)
            with record_function(BACKWARD):
                if training:
                    tensors_in(out)[0].backward(gradient)
    tree = seen.profiler.kineto_results.experimental_event_tree()
    allocations, forward_ends = _lives(_events(tree, ()))
    starts = {t.untyped_storage().data_ptr() for t in tensors_in(out)}
    return summed(
        "measured",
        "cpu",
        [a for a, _ in allocations],
        forward_ends=forward_ends,
        outputs={
            i for i, (a, start) in enumerate(allocations) if a.died is None and start in starts
        },
    )


def _events(nodes: list, inside: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...], Any]]:
    """The profiler's tree as (time, names of the operations around, event), memory events alone."""
    for node in nodes:
        if node.name in (BACKWARD, "[memory]"):
            yield node.start_time_ns, inside, node
        yield from _events(node.children, (*inside, node.name))


def _lives(events: Iterator) -> tuple[list[tuple[Allocation, int]], int]:
    """Each allocation, with its address, and the last step of the forward pass."""
    found, at, step, forward_ends = [], {}, 0, None
    for _, inside, event in sorted(events, key=lambda event: event[0]):
        if event.name == BACKWARD:
            forward_ends = step - 1
            continue
        address, size = event.extra_fields.ptr, event.extra_fields.alloc_size
        if size > 0:
            ours = [name for name in inside if name != BACKWARD]
            a = Allocation("", _named(ours), None, None, size, step)
            a.backward = forward_ends is not None
            at[address] = a
            found.append((a, address))
        elif address in at:  # else it was there before the run
            at.pop(address).died = step
        else:
            continue
        step += 1
    return found, forward_ends


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
