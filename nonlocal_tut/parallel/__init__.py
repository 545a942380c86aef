"""Positions split over torch.distributed's workers, and a way to start the workers.

`split` lets a block work on its part of a feature map; `workers` runs a function in several
processes that can reach each other. See chapter 9, "How does a feature map get onto more than one
device?".
"""

from nonlocal_tut.parallel.split import SplitPositions, attend_split
from nonlocal_tut.parallel.workers import run

__all__ = ["SplitPositions", "attend_split", "run"]
