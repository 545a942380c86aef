"""Lets the tests import the tools, which are scripts and not a package; spares them old garbage."""

import gc
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))


@pytest.fixture(scope="module", autouse=True)
def only_new_garbage():
    """memory.measure collects garbage each time; what was imported before need not be looked at."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
