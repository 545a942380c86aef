"""Where the bytes go: predicted before a run, measured in one, and in closed form.

See chapter 4, "Where do the bytes go?".
"""

from nonlocal_tut.memory.closed_form import closed_form
from nonlocal_tut.memory.compare import compare
from nonlocal_tut.memory.measure import measure
from nonlocal_tut.memory.predict import predict
from nonlocal_tut.memory.report import Allocation, Report
from nonlocal_tut.memory.variants import VARIANTS

__all__ = [
    "VARIANTS",
    "Allocation",
    "Report",
    "closed_form",
    "compare",
    "measure",
    "predict",
]
