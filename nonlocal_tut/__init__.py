"""The non-local block, and what it takes to see through it: receptive fields, shapes, bytes."""

from nonlocal_tut.blocks import NonLocalBlock, SelfAttention2d

__all__ = ["NonLocalBlock", "SelfAttention2d"]
