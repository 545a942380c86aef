"""The ledger of named shapes: one row an operation, B×N×C/8 instead of 5×308×8.

A block or a function runs once on torch's meta device, where tensors have shapes and no numbers.
Each size is then called by every name that fits it. Only arithmetic tells names apart, so each
size chosen here has a prime factor of its own. See chapter 2, "What does each bmm multiply?".
"""

from nonlocal_tut.shapes.record import ledger
from nonlocal_tut.shapes.rows import Ledger, Row

__all__ = ["Ledger", "Row", "ledger"]
