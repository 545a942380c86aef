"""On a pull request CI has twenty minutes on two cores: of cases that are much alike, some run.

With EVERY=1 all run, as they do on main.
"""

import itertools
import os

EVERY = os.environ.get("EVERY") == "1"


def some(cases, step):
    """Each case, or each `step`-th."""
    cases = list(cases)
    return cases if EVERY else cases[::step]


def in_turn(cases, ways):
    """Pairs of a case and a way: all, or one for each case, its way in turn."""
    if EVERY:
        return [*itertools.product(cases, ways)]
    return [*zip(cases, itertools.cycle(ways), strict=False)]
