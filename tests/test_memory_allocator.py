"""The model of CUDA's caching allocator against cases worked out by hand from its source."""

import itertools
import random

import pytest

from nonlocal_tut.memory.allocator import CachingAllocator, block_sizes
from nonlocal_tut.memory.report import MIB, Allocation

KIB = 2**10


def sizes(*requests):
    """What each of these counts for, and what is reserved for them all."""
    allocator = CachingAllocator()
    return [allocator.take(size).size for size in requests], allocator.reserved


@pytest.mark.parametrize(
    ("requested", "counts", "reserved"),
    [
        (1, 512, 2 * MIB),
        (512, 512, 2 * MIB),
        (513, 1024, 2 * MIB),
        (MIB, MIB, 2 * MIB),  # the largest of the small
        (MIB + 1, MIB + 512, 20 * MIB),  # the smallest of the large
        (10 * MIB - 512, 10 * MIB - 512, 20 * MIB),
        (10 * MIB, 10 * MIB, 10 * MIB),  # from here on a segment of its own size, in 2 MiB
        (10 * MIB + 1, 10 * MIB + 512, 12 * MIB),
        (11 * MIB - 512, 11 * MIB - 512, 12 * MIB),  # more than 1 MiB is left: split off
        (11 * MIB, 12 * MIB, 12 * MIB),  # 1 MiB is left: it counts as allocated
        (11 * MIB + 512, 12 * MIB, 12 * MIB),
        (64 * MIB, 64 * MIB, 64 * MIB),
    ],
)
def test_one_request_on_an_empty_device(requested, counts, reserved):
    assert sizes(requested) == ([counts], reserved)


def test_segments_are_filled_before_another_is_reserved():
    assert sizes(*[512 * KIB] * 4) == ([512 * KIB] * 4, 2 * MIB)
    assert sizes(*[512 * KIB] * 5) == ([512 * KIB] * 5, 4 * MIB)
    assert sizes(*[6 * MIB] * 3) == ([6 * MIB] * 3, 20 * MIB)
    assert sizes(*[6 * MIB] * 4) == ([6 * MIB] * 4, 40 * MIB)
    # The third of these leaves 0.5 MiB of its segment, which is not worth splitting off.
    assert sizes(*[6.5 * MIB] * 3) == ([6.5 * MIB, 6.5 * MIB, 7 * MIB], 20 * MIB)


def test_small_and_large_requests_have_pools_of_their_own():
    assert sizes(512, 2 * MIB) == ([512, 2 * MIB], 22 * MIB)
    assert sizes(2 * MIB, 512) == ([2 * MIB, 512], 22 * MIB)


def test_the_smallest_free_block_that_fits_is_taken():
    allocator = CachingAllocator()
    five, _, three, _, four, _ = (allocator.take(size * MIB) for size in (5, 2, 3, 2, 4, 2))
    for block in (five, four, three):
        allocator.give(block)
    assert allocator.take(3 * MIB) is three
    assert allocator.take(3 * MIB) is four and four.size == 4 * MIB  # 1 MiB is left: not split
    assert allocator.take(3 * MIB) is five and five.size == 3 * MIB  # 2 MiB are: split off
    assert five.after.free and five.after.size == 2 * MIB
    assert allocator.reserved == 20 * MIB


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("size", [6 * MIB, 300 * KIB])
def test_blocks_given_back_are_joined_in_whatever_order(order, size):
    allocator = CachingAllocator()
    taken = [allocator.take(size) for _ in range(3)]
    segment = allocator.reserved
    for i in order:
        allocator.give(taken[i])
    (whole,) = allocator.blocks
    assert whole.free and whole.size == segment == allocator.reserved
    if size > MIB:
        assert allocator.take(18 * MIB).size == 18 * MIB and allocator.reserved == segment


def test_blocks_always_tile_their_segments_and_no_two_free_ones_touch():
    draw, allocator, taken = random.Random(0), CachingAllocator(), []
    for _ in range(3000):
        if taken and draw.random() < 0.5:
            allocator.give(taken.pop(draw.randrange(len(taken))))
        else:
            taken.append(allocator.take(int(2 ** draw.uniform(0, 24))))
        assert sum(block.size for block in allocator.blocks) == allocator.reserved
    assert {id(b) for b in taken} == {id(b) for b in allocator.blocks if not b.free}
    for block in allocator.blocks:
        assert block.after is None or block.after.before is block
        assert not (block.free and block.after is not None and block.after.free)


def lives(*rows):
    return [Allocation("", "", None, None, size, born, died) for size, born, died in rows]


def test_a_run_gets_the_blocks_that_its_order_gives_it():
    first_then_second = lives((6.5 * MIB, 0, 1), (7 * MIB, 2, None))
    assert block_sizes(first_then_second, ()) == [6.5 * MIB, 7 * MIB]
    reused = lives((7 * MIB, 0, 2), (4 * MIB, 1, None), (6.5 * MIB, 3, None))
    assert block_sizes(reused, ()) == [7 * MIB, 4 * MIB, 7 * MIB]  # 0.5 MiB is not split off
    # Beside 13 MiB that were there before, the same 6.5 MiB get the rest of that segment.
    assert block_sizes(lives((6.5 * MIB, 0, None)), (13 * MIB // 2, 13 * MIB // 2)) == [7 * MIB]
    assert block_sizes(lives((0, 0, 1), (100, 2, None)), ()) == [0, 512]
