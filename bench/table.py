"""Rows and targets as text for a terminal."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from bench.rows import MIB, OK, Row, shape_name


def tables(rows: Sequence[Row]) -> Iterator[str]:
    """A table for each dtype and mode: a line a contestant, a column a shape."""
    ran = [row for row in rows if row["shape"]]
    for dtype, training in dict.fromkeys((row["dtype"], row["training"]) for row in ran):
        here = [row for row in ran if (row["dtype"], row["training"]) == (dtype, training)]
        shapes = list(dict.fromkeys(tuple(row["shape"]) for row in here))
        mode = "training" if training else "inference"
        yield f"{dtype}, {mode}: peak MiB, median ms (in brackets, times ours)"
        yield _line("", map(shape_name, shapes))
        for name in dict.fromkeys(row["contestant"] for row in here):
            of_shape = {tuple(r["shape"]): _cell(r) for r in here if r["contestant"] == name}
            yield _line(name, (of_shape[shape] for shape in shapes))
        yield ""
    yield from _troubles(rows)


def _line(name: str, cells: Iterable[str]) -> str:
    return f"{name:38s}" + "".join(f"{cell:>26s}" for cell in cells)


def _cell(row: Row) -> str:
    if row["status"] != OK:
        return row["status"].partition(":")[0]
    times = f" ({row['time_ratio']:.2f})" if row["time_ratio"] is not None else ""
    about = "~" if row["bytes_are"] == "predicted" else ""
    return f"{about}{row['peak_bytes'] / MIB:.1f}, {row['median_ms']:.1f}{times}"


def _troubles(rows: Sequence[Row]) -> Iterator[str]:
    """What failed, at its first shape, and what turned out to be another function."""
    found: dict[tuple[str, str], str] = {}
    for row in rows:
        if row["status"].startswith("failed"):
            found.setdefault((row["contestant"], "failed"), row["status"])
        elif not row["same_function_as"]:
            found.setdefault((row["contestant"], "other"), row["function"])
    yield from (f"{name}: {why}" for (name, _), why in found.items())


def of_targets(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    words = {True: "met", False: "MISSED", None: "no figure"}
    for result in results:
        reached = "" if result["reached"] is None else f"{result['reached']:.2f}"
        yield f"{words[result['met']]:10s}{reached:>10s}  {result['asked']:18s} {result['what']}"
