"""The whole number that an answer is, whatever it comes as."""

from typing import Any

import numpy as np
from torch import Tensor


def whole(answer: Any) -> int | None:
    """28 for 28, 28.0, NumPy's and torch's 28; None for all that is no whole number, True too."""
    if isinstance(answer, (Tensor, np.ndarray, np.generic)) and np.prod(answer.shape) == 1:
        answer = answer.item()
    if isinstance(answer, float) and answer.is_integer():
        return int(answer)
    return answer if isinstance(answer, int) and not isinstance(answer, bool) else None


def not_whole(answer: Any, of: str = "") -> str:
    """The hint for an answer that is none: "a whole number of rows is asked for, not 5.5."."""
    return f"a whole number{f' of {of}' if of else ''} is asked for, not {said(answer)}."


def said(answer: Any) -> str:
    """An answer's repr in one line."""
    return " ".join(repr(answer).split())
