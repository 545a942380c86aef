"""A stand-in for torch.cuda's memory statistics, so that code for a GPU runs without one.

It is no GPU, and none of its figures says anything about one. A run that asks for "cuda" takes
place on the CPU; the profiler records what it allocates, and the model of CUDA's caching allocator
(`memory.allocator`) gives a block for each. So every line that reads statistics is executed.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from nonlocal_tut.memory.allocator import CachingAllocator
from nonlocal_tut.memory.on_cpu import portable

NAME = "RecordedAllocator (no GPU)"
SHARED = ("allocated_bytes", "requested_bytes")


class RecordedAllocator:
    """torch.cuda's statistics functions, told from a record of the CPU's allocations.

    workspace: what a library takes for itself in the first run, and keeps; total: the device's
    memory, of which nobody else has anything.
    """

    def __init__(self, workspace: int = 0, total: int = 2**34) -> None:
        self.workspace, self.total, self.backend = workspace, total, "native"
        self.allocator = CachingAllocator()
        self.blocks: dict[int | str, tuple] = {}  # address -> (block, bytes requested)
        self.current = dict.fromkeys(SHARED, 0)
        self.peak = dict.fromkeys(SHARED, 0)
        self.calls: list[str] = []
        self.profiler = None

    # --- recording

    def start(self) -> None:
        self.profiler = profile(activities=[ProfilerActivity.CPU], profile_memory=True)
        self.profiler.start()

    def stop(self) -> None:
        self.profiler.stop()
        tree = self.profiler.profiler.kineto_results.experimental_event_tree()
        for event, inside in sorted(_memory(tree, False), key=lambda pair: pair[0].start_time_ns):
            address, size = event.extra_fields.ptr, event.extra_fields.alloc_size
            number = size == 8 and not inside  # Python's, wrapped: it stays on the CPU
            if size > 0 and not number:
                self.take(address, size)
            elif address in self.blocks:
                self.give(address)

    def replay(self) -> None:
        self.stop()
        self.start()

    def take(self, address: int | str, size: int) -> None:
        block = self.allocator.take(size)
        self.blocks[address] = block, size
        self._add(block.size, size)

    def give(self, address: int | str) -> None:
        block, size = self.blocks.pop(address)
        self._add(-block.size, -size)
        self.allocator.give(block)

    def _add(self, *changes: int) -> None:
        for name, change in zip(SHARED, changes, strict=True):
            self.current[name] += change
            self.peak[name] = max(self.peak[name], self.current[name])

    # --- torch.cuda's functions

    def is_available(self) -> bool:
        return True

    def memory_allocated(self) -> int:
        return self.memory_stats()["allocated_bytes.all.current"]

    def max_memory_allocated(self) -> int:
        return self.memory_stats()["allocated_bytes.all.peak"]

    def memory_reserved(self) -> int:
        self.replay()
        return self.allocator.reserved

    def memory_stats(self) -> dict[str, int]:
        self.replay()
        told = {f"{name}.all.current": self.current[name] for name in SHARED}
        return told | {f"{name}.all.peak": self.peak[name] for name in SHARED}

    def reset_peak_memory_stats(self) -> None:
        self.replay()
        self.peak = dict(self.current)

    def synchronize(self) -> None:
        if self.workspace and "workspace" not in self.blocks:
            self.take("workspace", self.workspace)

    def empty_cache(self) -> None:
        self.replay()
        for block in list(self.allocator.blocks):
            if block.free and block.before is None and block.after is None:
                self.allocator.blocks.remove(block)
                self.allocator.reserved -= block.size

    def mem_get_info(self) -> tuple[int, int]:
        return self.total - self.memory_reserved(), self.total

    def get_allocator_backend(self) -> str:
        return self.backend

    def get_device_name(self) -> str:
        return NAME

    def get_device_capability(self) -> tuple[int, int]:
        return 8, 0


FUNCTIONS = [
    name
    for name in vars(RecordedAllocator)
    if hasattr(torch.cuda, name) and not name.startswith("_")
]


@contextmanager
def recorded(**settings: int) -> Iterator[RecordedAllocator]:
    """torch.cuda answers from a RecordedAllocator, and "cuda" is a place on the CPU."""
    here = RecordedAllocator(**settings)
    measuring = importlib.import_module("nonlocal_tut.memory.measure")

    def counted(name):
        def call():
            here.calls.append(name)
            return getattr(here, name)()

        return call

    with pytest.MonkeyPatch.context() as patch, portable():
        for name in FUNCTIONS:
            patch.setattr(torch.cuda, name, counted(name))
        patch.setattr(measuring, "place", lambda device: torch.device("cpu"))
        here.start()
        try:
            yield here
        finally:
            here.stop()


def _memory(nodes: list, inside: bool) -> Iterator[tuple]:
    for node in nodes:
        if node.name == "[memory]":
            yield node, inside
        yield from _memory(node.children, inside or node.name.startswith("aten::"))
