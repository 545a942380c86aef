"""Weights from other people's blocks: `layouts` says what they call their tensors."""

from nonlocal_tut.convert.from_peer import from_peer, prefixes
from nonlocal_tut.convert.layouts import LAYOUTS, Layout

__all__ = ["LAYOUTS", "Layout", "from_peer", "prefixes"]
