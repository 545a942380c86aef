"""Stride and padding from fields that are given by hand: no net, no gradient."""

from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch

from nonlocal_tut.receptive_field.strides import CHECKED, _line, box_of, fails, inwards, moves


def mask(side, first, last):
    places = torch.arange(side)
    return (places >= first) & (places <= last)


def asked(fields, side, stride, padding=None, used=None):
    """`fails` for outputs that see {y: (first, last)} of a row of `side`; None sees nothing."""
    probe = SimpleNamespace(outputs=(len(fields),), middle=(len(fields) // 2,))

    def seen(_, *positions):
        boxes = [fields[y] or (1, 0) for (y,) in positions]
        return torch.stack([mask(side, *box) for box in boxes])

    return fails(probe, 0, stride, padding, mask(side, *(used or (0, side - 1))), seen)


def clipped(y, stride, padding, size, side):
    first = y * stride - padding
    return max(first, 0), min(first + size - 1, side - 1)


@pytest.mark.parametrize(
    ("stride", "padding", "size"), [(1, 1, 3), (2, 1, 3), (2, 3, 7), (3, 0, 3)]
)
def test_what_a_convolution_sees_holds(stride, padding, size):
    fields = [clipped(y, stride, padding, size, 30) for y in range((30 - size) // stride + 1)]
    assert asked(fields, 30, stride) == asked(fields, 30, stride, padding) == ""
    assert "no one stride holds" in asked(fields, 30, stride + 1)
    assert "no one stride holds" in asked(fields, 30, stride, padding + 1)


def test_one_output_that_starts_or_ends_elsewhere_is_found_and_named_with_its_neighbors():
    right = [(y, y + 2) for y in range(10)]
    for wrong in ((6, 7), (5, 6), (4, 6)):
        told = asked([*right[:5], wrong, *right[6:]], 12, 1)
        sees = f"4 sees 4 to 6, 5 sees {wrong[0]} to {wrong[1]}, 6 sees 6 to 8"
        assert told == f"no one stride holds on axis 0: of its outputs, {sees}"
    assert asked([*right[:5], (5, 8), *right[6:]], 12, 1) != ""  # the widest: all others are wrong


def test_a_field_may_end_early_at_the_border_alone():
    fields = [clipped(y, 1, 1, 3, 8) for y in range(8)]
    assert asked(fields, 8, 1, 1) == ""
    assert asked([fields[0], (0, 1), *fields[2:]], 8, 1, 1) != ""  # one that ends early, inside
    assert asked([*fields[:6], (6, 7), fields[7]], 8, 1, 1) != ""  # one that starts late, inside
    assert asked([(0, 2), *fields[1:]], 8, 1, 1) != ""  # the first sticks out behind
    assert asked([*fields[:7], (5, 7)], 8, 1, 1) != ""  # the last starts too early


def test_where_the_border_clips_all_the_earliest_start_and_the_latest_end_count():
    fields = [(0, 3), (0, 3), (1, 3)]  # of size 5, padding 3 and more: nothing is whole
    assert asked(fields, 4, 1) == ""
    assert asked(fields, 4, 1, 3) == "" and asked(fields, 4, 1, 0) != ""


def test_a_border_that_no_output_sees_clips_nothing():
    """Every second position is dead: the last used one is not the row's last."""
    fields = [(2 * y, 2 * y) for y in range(5)]
    assert asked(fields, 10, 2, 0, used=(0, 8)) == ""
    assert asked([*fields[:4], (7, 8)], 10, 2, 0, used=(0, 8)) != ""


def test_outputs_that_see_nothing_are_passed_over_and_a_stride_of_nothing_never_holds():
    assert asked([(0, 1), None, (2, 3)], 4, 1) == ""
    assert asked([None, None], 4, 1) == ""
    for stride in (0, -1):
        assert asked([(3 + stride * y, 3 + stride * y) for y in range(3)], 8, stride) != ""


def test_a_long_side_is_looked_at_in_the_middle_and_on_the_way_to_both_ends():
    assert _line(CHECKED, 3) == [*range(CHECKED)]
    line = _line(CHECKED + 1, 12)
    assert line == sorted(set(line)) and {0, CHECKED} <= {*line}
    line = _line(1000, 500)
    assert {0, 999} <= {*line} and {*range(494, 506)} <= {*line}
    assert 20 <= len(line) <= CHECKED
    assert max(b - a for a, b in pairwise(line)) < 100


def test_the_box_of_a_mask_and_of_none():
    seen = torch.zeros(5, 7, dtype=torch.bool)
    assert box_of(seen) == [(0, 4), (0, 6)]
    seen[1, 2] = seen[3, 5] = True
    assert box_of(seen) == [(1, 3), (2, 5)]


@pytest.mark.parametrize(
    ("p", "middle", "there"), [(0, 3, 1), (2, 3, 3), (3, 3, 2), (5, 3, 4), (0, 0, 0)]
)
def test_the_neighbor_towards_the_middle(p, middle, there):
    assert inwards(p, middle) == there


@pytest.mark.parametrize(
    ("here", "there", "box", "other", "used", "found"),
    [
        (4, 3, (7, 9), (5, 7), (0, 20), (2, 1)),  # both inside
        (3, 4, (5, 7), (7, 9), (0, 20), (2, 1)),  # the other way round
        (1, 2, (0, 3), (1, 5), (0, 20), (2, 3)),  # the first is clipped: ends tell
        (9, 8, (17, 20), (15, 19), (0, 20), (2, 1)),  # the last is clipped: starts tell
        (1, 0, (0, 4), (0, 2), (0, 20), (2, None)),  # no start is seen
        (1, 0, (2, 20), (0, 20), (0, 20), (None, None)),  # neither edge is both times inside
        (3, 3, (5, 7), (5, 7), (0, 20), (None, None)),  # one and the same
        (2, 1, (3, 5), (2, 4), (2, 20), (1, -1)),  # the input's first positions go unused
    ],
)
def test_stride_and_padding_of_two_neighbors(here, there, box, other, used, found):
    assert moves(here, there, box, other, used) == found
