"""The figures that the book keeps, each with its origin: the bench, predictions, GPUs' files.

In the repository they lie in book/data; a build puts them into the package, as nonlocal_tut/data.
So a page finds them wherever it runs, on Colab as well.
"""

import json
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from nonlocal_tut.arguments import instance


def folder() -> Traversable:
    """Where the files lie: in the installed package, or in the repository beside it."""
    packed = files("nonlocal_tut") / "data"
    return packed if packed.is_dir() else Path(__file__).parent.parent / "book" / "data"


def read(name: str) -> dict[str, Any]:
    """The file of that name, as `read("bench_cpu")`. Raises FileNotFoundError if there is none."""
    instance("name", name, str, "a text")
    file = folder() / f"{name}.json"
    if not file.is_file():
        raise FileNotFoundError(f"the book keeps no {name}.json; it has: {', '.join(names())}")
    kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return kept


def names() -> list[str]:
    """What is kept, in alphabetical order, without the ending."""
    kept = folder().iterdir() if folder().is_dir() else ()
    return sorted(file.name.removesuffix(".json") for file in kept if file.name.endswith(".json"))


def of_gpus() -> list[dict[str, Any]]:
    """What each GPU measured: every gpu_*.json, one GPU a file (see `memory.evidence`)."""
    return [read(name) for name in names() if name.startswith("gpu_")]
