"""Cheaper relatives of the non-local block, one call shape: (B, C, H, W) -> (B, C, H, W).

What each gives up for its price is chapter 7's question, "What did the follow-ups give up?".
"""

from nonlocal_tut.cousins.factored import (
    DoubleAttention,
    EfficientAttention,
    ExpectationMaximization,
)
from nonlocal_tut.cousins.few_keys import CrissCross, PooledKeys, Pyramid
from nonlocal_tut.cousins.one_context import CompactGeneralized, GlobalContext
from nonlocal_tut.cousins.shell import Cousin
from nonlocal_tut.cousins.two_terms import Disentangled

COUSINS: dict[str, type[Cousin]] = {
    "pooled keys": PooledKeys,
    "pyramid": Pyramid,
    "criss-cross": CrissCross,
    "efficient": EfficientAttention,
    "double": DoubleAttention,
    "EM": ExpectationMaximization,
    "compact": CompactGeneralized,
    "global context": GlobalContext,
    "disentangled": Disentangled,
}

__all__ = [
    "COUSINS",
    "CompactGeneralized",
    "Cousin",
    "CrissCross",
    "Disentangled",
    "DoubleAttention",
    "EfficientAttention",
    "ExpectationMaximization",
    "GlobalContext",
    "PooledKeys",
    "Pyramid",
]
