"""Right answers to the exercises of chapter 1, and wrong ones with the hint that each earns."""

import sys

import numpy as np
import torch


def reach_by_counting(layers):
    """1.2 without a formula: the set of input positions under one output position."""
    places = {0}
    for kernel, stride in reversed(layers):
        places = {stride * place + tap for place in places for tap in range(kernel)}
    return len(places)


def emptied(layers):
    """1.2 by a function that takes the list apart."""
    size = 1
    while layers:
        kernel, stride = layers.pop()
        size = stride * size + kernel - stride
    return size


def dilated(*dilations):
    return [(3, 1, dilation, dilation) for dilation in dilations]


DOUBLED = dilated(1, 2, 4, 8, 16)

RIGHT = [
    ("1.1", 28),
    ("1.1", 28.0),
    ("1.1", np.int64(28)),
    ("1.1", np.float32(28)),
    ("1.1", torch.tensor(28)),
    ("1.2", reach_by_counting),
    ("1.2", emptied),
    ("1.2", lambda layers: float(reach_by_counting(layers))),
    ("1.2", lambda layers: np.int64(reach_by_counting(layers))),
    ("1.2", lambda layers: torch.tensor(reach_by_counting(layers))),
    ("1.3", DOUBLED),
    ("1.3", tuple(DOUBLED)),
    ("1.3", [list(row) for row in DOUBLED]),
    ("1.3", np.array(DOUBLED)),
    ("1.3", list(np.array(DOUBLED))),
    ("1.3", torch.tensor(DOUBLED)),
    ("1.3", [(3.0, 1, np.int32(d), d) for d in (1, 2, 4, 8, 16)]),
    ("1.3", dilated(16, 8, 4, 2, 1)),
    ("1.3", dilated(1, 3, 9, 27)),
    ("1.4", (6, -1)),
    ("1.4", [6.0, -0.1]),
    ("1.4", np.array([6.0, -1.0])),
    ("1.4", torch.tensor([6.0, -1.0])),
    ("1.4", [np.float32(6), torch.tensor(-1.0)]),
    ("1.4", (1000, -1000)),
]
WRONG = [
    ("1.1", 55, "How far to one side does a 5×5 layer look?"),
    ("1.1", 56, "How far to one side does a 5×5 layer look?"),
    ("1.1", 14, "enough for the center"),
    ("1.1", 27, "27 layers see 54 positions away; the far corner is 55 away"),
    ("1.1", 29, "29 layers are enough, and so are fewer"),
    ("1.1", sys.maxsize, "are enough, and so are fewer"),
    ("1.1", 0, "0 layers see nothing but their own position"),
    ("1.1", -3, "-3 layers see nothing but their own position"),
    ("1.1", 27.5, "a whole number of layers is asked for, not 27.5"),
    ("1.1", float("nan"), "a whole number of layers is asked for, not nan"),
    ("1.1", "28", "a whole number of layers is asked for, not '28'"),
    ("1.1", True, "a whole number of layers is asked for, not True"),
    ("1.2", lambda layers: 1, "for [(3, 1)] you say 1"),
    ("1.2", lambda layers: 3 * len(layers), "for [(3, 1), (3, 1), (3, 1), (3, 1)] you say 12"),
    ("1.2", lambda layers: 1 + 2 * len(layers), "for [(5, 1), (3, 1)] you say 5"),
    ("1.2", lambda layers: 1 + sum(k - 1 for k, _ in layers), "two steps on its input"),
    ("1.2", lambda layers: reach_by_counting(layers[::-1]), "two steps on its input"),
    ("1.2", lambda layers: None, "you say None"),
    ("1.2", lambda layers: str(reach_by_counting(layers)), "you say '3'"),
    ("1.2", lambda layers: np.array([[3, 1], [2, 2]]), "you say array([[3, 1], [2, 2]])"),
    ("1.3", dilated(1, 1, 1, 1, 1), "this sees 11 positions; 63 are asked for"),
    ("1.3", dilated(1, 2, 4, 8), "this sees 31 positions"),
    ("1.3", dilated(1, 2, 4, 8, 16, 32), "at most five layers"),
    ("1.3", [(3, 2, 1, 1)] * 5, "at most five layers, each with kernel 3 and stride 1"),
    ("1.3", [(63, 1, 31, 1)], "at most five layers, each with kernel 3"),
    ("1.3", [(3, 1, 1, d) for d in (1, 2, 4, 8, 16)], "(3, 1, 1, 2) changes the feature map's"),
    ("1.3", [(3, 1, 17 - d, d) for d in (1, 2, 4, 8, 16)], "pads by its dilation"),
    ("1.3", [(3, 1, 16 // d, d) for d in (1, 2, 4, 8, 16)], "pads by its dilation"),  # permuted
    ("1.3", dilated(1, 2, 4, 8, 0), "(3, 1, 0, 0) has dilation 0; 1 is the least"),
    ("1.3", dilated(-16, 8, 4, 2, 1), "has dilation -16; 1 is the least"),
    ("1.3", dilated(31), "60 positions inside are never looked at"),
    ("1.3", dilated(16, 16, 16, 16, 16), "150 positions inside are never looked at"),
    ("1.3", [(3, 1, 1), (3, 1, 31, 31)], "a list of layers"),  # one row is short of a dilation
    ("1.3", [(3, 1, 1.5, 1.5)], "a list of layers"),
    ("1.3", (3, 1, 31, 31), "a list of layers"),
    ("1.3", "3111", "a list of layers"),
    ("1.3", [], "a list of layers"),
    ("1.4", (3, 1), "the dot gets 0.810 of the weight"),
    ("1.4", (3, -1), "the dot gets 0.895 of the weight"),
    ("1.4", (5, -9), "the dot gets 0.987 of the weight"),
    ("1.4", (8, 1), "the marker no less than an empty position"),
    ("1.4", (6, 0), "the marker no less than an empty position"),
    ("1.4", (-1, 6), "the first number asks for dots, the second for markers"),
    ("1.4", (-6, -1), "the dot gets 0.00"),
    ("1.4", 6, "two numbers are asked for, not 6"),
    ("1.4", (6, -1, 0), "two numbers are asked for"),
    ("1.4", (float("inf"), -1), "two numbers are asked for"),
    ("1.4", (float("nan"), -1), "two numbers are asked for"),
    ("1.4", ("6", "-1"), "two numbers are asked for"),
    ("1.4", [[6, -1]], "two numbers are asked for"),
]
