"""The exercises of chapter 1: each takes an answer, and returns a hint, or "" if it is right."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nonlocal_tut import receptive_field as rf
from nonlocal_tut.check.whole import not_whole, said, whole


def _crossing(answer: Any) -> str:
    """1.1: 5×5 layers of stride 1 until one corner of a 56×56 map sees the opposite corner."""
    layers = whole(answer)
    if layers is None:
        return not_whole(answer, "layers")
    if layers == 28:
        return ""
    if layers < 1:
        return f"{layers} layers see nothing but their own position."
    if layers == 14:
        return "that is enough for the center. A corner has the whole feature map on one side."
    if layers in (55, 56):
        return "that many 3×3 layers it would take. How far to one side does a 5×5 layer look?"
    if layers > 28:
        return f"{layers} layers are enough, and so are fewer. The far corner is 55 away."
    return f"{layers} layers see {2 * layers} positions away; the far corner is 55 away."


def _reach(answer: Callable[[list[tuple[int, int]]], int]) -> str:
    """1.2: a function from a list of (kernel, stride) to the receptive field's size."""
    stacks = [[(3, 1)], [(3, 1)] * 4, [(5, 1), (3, 1)], [(3, 2), (3, 1)], [(7, 2), (3, 2), (3, 1)]]
    for stack in stacks:
        ours = rf.theoretical([(k, s, 0) for k, s in stack]).size
        theirs = answer(list(stack))
        if whole(theirs) != ours:
            strided = any(s > 1 for _, s in stack)
            why = " One step on a feature map of stride 2 is two steps on its input."
            hint = f"for {stack} you say {said(theirs)}, the formula says {ours}."
            return hint + why * strided
    return ""


def _wide(answer: Any) -> str:
    """1.3: at most five 3×3 layers, stride 1, same size out, field of 63 or more without holes."""
    layers = _layers(answer)
    if not layers:
        return "a list of layers is asked for, each (kernel, stride, padding, dilation)."
    if len(layers) > 5 or any(layer[:2] != (3, 1) for layer in layers):
        return "at most five layers, each with kernel 3 and stride 1."
    for layer in layers:
        _, _, padding, dilation = layer
        if dilation < 1:
            return f"{layer} has dilation {dilation}; 1 is the least: neighbors side by side."
        if padding != dilation:
            return f"{layer} changes the feature map's size: a 3×3 layer pads by its dilation."
    seen = {0}
    for *_, dilation in layers:
        seen = {place + tap * dilation for place in seen for tap in (-1, 0, 1)}
    size = max(seen) - min(seen) + 1
    if size < 63:
        return f"this sees {size} positions; 63 are asked for. What does dilation do to a step?"
    holes = size - len(seen)
    return f"{size} wide, but {holes} positions inside are never looked at." if holes else ""


def _query(answer: Any) -> str:
    """1.4: a query with which the marker leaves 0.99 to the dot, least to itself."""
    numbers = _pair(answer)
    if numbers is None:
        return f"two numbers are asked for, not {said(answer)}."
    for_dots, for_markers = numbers
    dot = _share_of_dot(for_dots, for_markers)
    if dot >= 0.99 and for_markers < 0:
        return ""
    if dot >= 0.99:
        return "the dot has enough, but the marker no less than an empty position: score for score."
    if _share_of_dot(for_markers, for_dots) >= 0.99 and for_dots < 0:
        return "the first number asks for dots, the second for markers."
    return f"the dot gets {dot:.3f} of the weight. How much must e to its score outweigh?"


def _share_of_dot(for_dots: float, for_markers: float) -> float:
    """The dot's weight beside the marker and two empty positions."""
    scores = torch.tensor([for_dots, for_markers, 0, 0], dtype=torch.float64)
    return scores.softmax(0)[0].item()


def _pair(answer: Any) -> list[float] | None:
    """Two finite numbers, whatever they come as; None for anything else."""
    if isinstance(answer, Tensor | np.ndarray):
        answer = answer.tolist()
    if not isinstance(answer, list | tuple) or len(answer) != 2:
        return None
    pair = [n.item() if isinstance(n, np.generic) or _is_scalar(n) else n for n in answer]
    numbers = all(isinstance(n, int | float) and not isinstance(n, bool) for n in pair)
    return pair if numbers and all(map(math.isfinite, pair)) else None


def _layers(answer: Any) -> list[tuple[int, ...]]:
    """Rows of four whole numbers, whatever they come as; an empty list for anything else."""
    if isinstance(answer, Tensor | np.ndarray):
        answer = answer.tolist()
    if not isinstance(answer, list | tuple):
        return []
    rows = [row.tolist() if isinstance(row, Tensor | np.ndarray) else row for row in answer]
    if not all(isinstance(row, list | tuple) and len(row) == 4 for row in rows):
        return []
    numbers = [tuple(n for n in map(whole, row) if n is not None) for row in rows]
    return numbers if all(len(row) == 4 for row in numbers) else []


def _is_scalar(tensor: Any) -> bool:
    return isinstance(tensor, Tensor) and tensor.dim() == 0


VALUES = {"1.1": _crossing, "1.3": _wide, "1.4": _query}
FUNCTIONS = {"1.2": _reach}
