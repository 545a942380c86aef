"""Answers to the exercises, checked at once: ○ not attempted yet, ✗ with a hint, ✓.

One file a chapter; an exercise is a function from the reader's answer to a hint, "" if it is right.
"""

import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

from nonlocal_tut.words import say

CHAPTERS = [import_module(f"{__name__}.chapter{number}") for number in range(1, 10)]
FUNCTIONS = {number: hint for chapter in CHAPTERS for number, hint in chapter.FUNCTIONS.items()}
VALUES = {number: hint for chapter in CHAPTERS for number, hint in chapter.VALUES.items()}
EXERCISES = dict(sorted((VALUES | FUNCTIONS).items()))


def check(exercise: str, answer: Any) -> None:
    """Print whether an exercise's answer is right, with a hint if it is not.

    exercise: its number on the page, as "1.2"; answer: a value or a function, as the exercise asks.
    None, or a function that raises NotImplementedError, counts as not attempted yet. Of any other
    error in the reader's function the hint names the line, so that the page can go on.

    Raises ValueError for an exercise that does not exist.
    """
    if not isinstance(exercise, str) or exercise not in EXERCISES:
        raise ValueError(f"exercise must be one of {', '.join(EXERCISES)}, got {exercise!r}")
    if answer is not None and exercise in FUNCTIONS and not callable(answer):
        print(say(f"✗ {exercise} not yet: a function is asked for, not {answer!r}."))
        return
    try:
        hint = None if answer is None else EXERCISES[exercise](answer)
    except NotImplementedError:
        hint = None
    except Exception as error:
        hint = _raised(error)
    if hint is None:
        print(say(f"○ {exercise} not attempted yet"))
    elif hint:
        print(say(f"✗ {exercise} not yet: {hint}"))
    else:
        print(say(f"✓ {exercise} right"))


def _raised(error: Exception) -> str:
    """What went wrong in the reader's code, and in which line: the last that is nobody else's."""
    frames = traceback.extract_tb(error.__traceback__)
    others = str(Path(__file__).parent.parent), "site-packages"
    own = [f for f in frames if not any(name in f.filename for name in others) and f.line]
    where = f", at “{own[-1].line}”" if own else ""
    said = " ".join(str(error).split())
    return f"it raises {type(error).__name__}{f', {said}' if said else ''}{where}."
