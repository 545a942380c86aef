"""A block into somebody's model: `insert_after`, `remove`, and the paper's `placements`."""

from nonlocal_tut.insert.insertion import insert_after, remove
from nonlocal_tut.insert.placements import placements

__all__ = ["insert_after", "placements", "remove"]
