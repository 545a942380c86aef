"""Which line of the reader's source an operation belongs to, in the backward pass as well.

In the forward pass it is the innermost Python frame outside of torch. A backward pass runs in C++
and has no such frame; but each autograd node carries the sequence number that it was given in the
forward pass, and what ran then is known.
"""

import linecache
import os
import sys
from collections.abc import Callable
from types import FrameType
from typing import NamedTuple

import torch

TORCH = os.path.dirname(torch.__file__) + os.sep
HERE = os.path.dirname(__file__) + os.sep
RUNS = (HERE + "predict.py", HERE + "run.py")  # beyond these, the line is that of the report's user
BLOCKS = HERE + "variants.py"  # blocks to be looked at, as a reader's are
ENGINE = "_engine_run_backward"  # the last Python frame before autograd's own loop


class Line(NamedTuple):
    """A source line: its text, without a comment, and the function and number where it stands."""

    text: str
    where: str


NOWHERE = Line("", "")


class Lines:
    """Remembers which forward line made each autograd node."""

    def __init__(self) -> None:
        self.of_node: dict[int | None, Line] = {}

    def of_this_operation(self) -> tuple[Line, bool]:
        """The line, and whether autograd's engine called the operation and not Python code."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            code = frame.f_code
            if code.co_name == ENGINE and code.co_filename.startswith(TORCH):
                return self.of_node.get(_node_number(), NOWHERE), True
            if code.co_filename in RUNS:
                return NOWHERE, False
            if code.co_filename == BLOCKS or not code.co_filename.startswith((TORCH, HERE)):
                text = linecache.getline(code.co_filename, frame.f_lineno)
                line = Line(text.split("  #")[0].strip(), f"{code.co_name}, line {frame.f_lineno}")
                self.of_node[_last_number()] = line
                return line, False
            frame = frame.f_back
        return NOWHERE, False


# torch has no public name for these two. Without them backward allocations keep their bytes and
# their operation, and lose their line.
def _node_number() -> int | None:
    node = getattr(torch._C, "_current_autograd_node", lambda: None)()
    ask: Callable[[], int | None] = getattr(node, "_sequence_nr", lambda: None)
    return ask()


def _last_number() -> int:
    numbers = getattr(torch._C, "_autograd", None)
    ask: Callable[[], int] = getattr(numbers, "_get_sequence_nr", lambda: 0)
    return ask() - 1
