"""The exercises of chapter 1: each takes an answer, and returns a hint, or "" if it is right."""

from collections.abc import Callable
from typing import Any

from nonlocal_tut import receptive_field as rf

Layer = tuple[int, int, int, int]  # kernel, stride, padding, dilation


def _crossing(answer: Any) -> str:
    """1.1: 5×5 layers of stride 1 until one corner of a 56×56 map sees the opposite corner."""
    if not isinstance(answer, int):
        return f"a whole number of layers is asked for, not {answer!r}."
    sees = 2 * max(answer, 0)  # each layer reaches two positions further
    if answer == 28:
        return ""
    if answer == 14:
        return "that is enough for the center. A corner has the whole map on one side of it."
    if answer in (55, 56):
        return "that many 3×3 layers it would take. How far to one side does a 5×5 layer look?"
    return f"{answer} layers see {sees} positions away; the far corner is 55 away."


def _reach(answer: Callable[[list[tuple[int, int]]], int]) -> str:
    """1.2: a function from a list of (kernel, stride) to the receptive field's size."""
    stacks = [[(3, 1)], [(3, 1)] * 4, [(5, 1), (3, 1)], [(3, 2), (3, 1)], [(7, 2), (3, 2), (3, 1)]]
    for stack in stacks:
        ours = rf.theoretical([(k, s, 0) for k, s in stack]).size
        theirs = answer(list(stack))
        if theirs != ours:
            strided = any(s > 1 for _, s in stack)
            why = " A step on a map of stride 2 is two steps on its input." if strided else ""
            return f"for {stack} you say {theirs!r}, the formula says {ours}.{why}"
    return ""


def _wide(answer: list[Layer]) -> str:
    """1.3: at most five 3×3 layers, stride 1, same size out, field of 63 or more without holes."""
    if not isinstance(answer, list) or not answer or any(map(_is_no_row, answer)):
        return "a list of layers is asked for, each (kernel, stride, padding, dilation)."
    if len(answer) > 5 or any(layer[0] != 3 or layer[1] != 1 for layer in answer):
        return "at most five layers, each with kernel 3 and stride 1."
    field = rf.theoretical(answer)
    if field.size - 1 != 2 * field.padding:
        return "the map must keep its size: padding equals dilation for a 3×3 layer."
    if field.size < 63:
        return (
            f"this sees {field.size} positions; 63 are asked for. What does dilation do to a step?"
        )
    seen = {0}
    for _, _, _, dilation in answer:
        seen = {place + tap * dilation for place in seen for tap in (-1, 0, 1)}
    holes = field.size - len(seen)
    return f"{field.size} wide, but {holes} positions inside are never looked at." if holes else ""


def _is_no_row(row: Any) -> bool:
    if not isinstance(row, (tuple, list)) or len(row) != 4:
        return True
    return not all(isinstance(n, int) for n in row)


VALUES = {"1.1": _crossing, "1.3": _wide}
FUNCTIONS = {"1.2": _reach}
