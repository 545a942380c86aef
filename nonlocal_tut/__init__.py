"""The non-local block, and what it takes to see through it: receptive fields, shapes, bytes."""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from nonlocal_tut.blocks import NonLocalBlock, SelfAttention2d

__all__ = ["NonLocalBlock", "SelfAttention2d", "__version__"]

ROOMS = (
    "check",
    "convert",
    "cousins",
    "draw",
    "memory",
    "pairwise",
    "receptive_field",
    "shapes",
    "tasks",
)

try:
    __version__ = version("nonlocal_tut")
except PackageNotFoundError:  # a checkout that was not installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> ModuleType:
    """nonlocal_tut.memory without a further import; a room is loaded when it is first asked for."""
    if name in ROOMS:
        return import_module(f"nonlocal_tut.{name}")
    raise AttributeError(f"module 'nonlocal_tut' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *ROOMS})
