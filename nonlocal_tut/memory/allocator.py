"""PyTorch's CUDA caching allocator, as far as it decides how many bytes a tensor takes.

A request is rounded up to 512 bytes and served from a free block of its pool, the smallest that
fits, or from a new segment: 2 MiB for requests up to 1 MiB, 20 MiB for those under 10 MiB, else
the request rounded up to 2 MiB. A block is split only if what is left over is worth it: 512 bytes
among the small, more than 1 MiB among the large. What is not split off counts as allocated.
Source: c10/cuda/CUDACachingAllocator.cpp, with its default settings.
"""

from collections.abc import Iterable

from nonlocal_tut.memory.report import MIB, Allocation

ROUND = 512
SMALL = MIB  # requests up to this come from the pool of small blocks
SMALL_SEGMENT, LARGE_SEGMENT, LARGE = 2 * MIB, 20 * MIB, 10 * MIB


class _Block:
    """A stretch of a segment, with its neighbors in it."""

    def __init__(self, size: int, small: bool) -> None:
        self.size, self.small, self.free = size, small, True
        self.before: _Block | None = None
        self.after: _Block | None = None


class CachingAllocator:
    """Gives and takes blocks; `reserved` is the sum of its segments."""

    def __init__(self) -> None:
        self.blocks: list[_Block] = []
        self.reserved = 0

    def take(self, requested: int) -> _Block:
        """The block that a request gets; its `size` is what counts as allocated."""
        need = max(1, -(-requested // ROUND)) * ROUND
        small = need <= SMALL
        fitting = [b for b in self.blocks if b.free and b.small == small and b.size >= need]
        block = min(fitting, key=lambda b: b.size) if fitting else self._segment(need, small)
        rest = block.size - need
        if rest >= ROUND if small else rest > SMALL:
            self._split(block, need)
        block.free = False
        return block

    def give(self, block: _Block) -> None:
        """Take a block back, and join it with the free ones beside it."""
        block.free = True
        for left in (block, block.before):  # the other order would lose `block` first
            if left is not None and left.free and left.after is not None and left.after.free:
                self._join(left, left.after)

    def _segment(self, need: int, small: bool) -> _Block:
        size = SMALL_SEGMENT if small else LARGE_SEGMENT
        if need >= LARGE:
            size = -(-need // SMALL_SEGMENT) * SMALL_SEGMENT
        block = _Block(size, small)
        self.blocks.append(block)
        self.reserved += size
        return block

    def _split(self, block: _Block, need: int) -> None:
        rest = _Block(block.size - need, block.small)
        rest.before, rest.after = block, block.after
        if block.after is not None:
            block.after.before = rest
        block.size, block.after = need, rest
        self.blocks.append(rest)

    def _join(self, left: _Block, right: _Block) -> None:
        left.size += right.size
        left.after = right.after
        if right.after is not None:
            right.after.before = left
        self.blocks.remove(right)


def block_sizes(allocations: Iterable[Allocation], resident: Iterable[int]) -> list[int]:
    """What each allocation counts for in `torch.cuda.memory_allocated`, after the resident ones."""
    allocations = list(allocations)
    allocator = CachingAllocator()
    for size in resident:
        allocator.take(size)
    steps = [(a.born, i) for i, a in enumerate(allocations)]
    steps += [(a.died, i) for i, a in enumerate(allocations) if a.died is not None]
    blocks: dict[int, _Block] = {}
    sizes = [0] * len(allocations)
    for _, i in sorted(steps):
        if i in blocks:
            allocator.give(blocks[i])
        elif allocations[i].bytes:
            blocks[i] = allocator.take(allocations[i].bytes)
            sizes[i] = blocks[i].size
    return sizes
