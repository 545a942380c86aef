"""Pictures of bytes: of tensors, of what is alive when, and of what is alive at the peak.

See chapter 4, "Where do the bytes go?".
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb

from nonlocal_tut.arguments import instance, is_number, listed, mapping, said
from nonlocal_tut.draw.boxes import stacked
from nonlocal_tut.draw.look import (
    BLACK,
    COLORS,
    INK,
    INPUT,
    OUTPUT,
    PAPER,
    PHI,
    THETA,
    WHITE,
    WIDTH,
    G,
    plt,
    y_label,
)
from nonlocal_tut.draw.show import show
from nonlocal_tut.memory.report import MIB, Allocation, Report, describe

AFFINITY = COLORS["affinity"]
# cividis, one per source line
FILLS = [AFFINITY, "#666970", "#c8b866", COLORS["affinity-2"], "#948e77"]
ROLES = {"x": INPUT, "query": THETA, "key": PHI, "value": G, "output": OUTPUT}
HIDDEN = "////"  # the hatch of what no line names
SHARE = 0.1  # of the peak: what is smaller is drawn in one


def areas(sizes: Mapping[str, int]) -> None:
    """A square for each tensor, whose area is its bytes: the largest, and beside it the others.

    sizes: bytes under the tensor's name; what is none of x, query, key, value and output is drawn
    as an affinity. Raises ValueError for no tensor, and for one without bytes.
    """
    mapping("sizes", sizes, "bytes")
    if not sizes or not all(is_number(size) and size > 0 for size in sizes.values()):
        raise ValueError(f"sizes must hold bytes above 0, got {dict(sizes)}")
    sides = {name: sizes[name] ** 0.5 for name in sorted(sizes, key=lambda name: -sizes[name])}
    largest, second, *_ = *sides.values(), 0.0
    column = max(second, 0.39 * largest) + 0.04 * largest  # as wide as the words below it
    row = max(second, 0.3 * largest) + 0.28 * largest
    _, ax = plt.subplots(figsize=(WIDTH, 0.7 * WIDTH))
    top, right = largest, largest
    for n, (name, side) in enumerate(sides.items()):
        middle, floor = largest / 2, 0.0
        if n:  # the others in two columns
            middle = 1.06 * largest + ((n - 1) % 2 + 0.5) * column
            floor = ((len(sides) - 2) // 2 - (n - 1) // 2) * row
        corner = middle - side / 2, floor
        ax.add_patch(plt.Rectangle(corner, side, side, fc=ROLES.get(name, AFFINITY), ec=INK))
        below = floor - 0.13 * largest
        stacked(ax, middle, below, f"{name}\n{sizes[name] / MIB:.3g} MiB", 10)
        top, right = max(top, floor + side), max(right, middle + column / 2)
    margin = 0.02 * largest
    ax.set(xlim=(-margin, right), ylim=(-0.24 * largest, top + margin), aspect="equal")
    ax.axis("off")
    show()


def timeline(report: Report, names: Sequence[str]) -> None:
    """The bytes alive after each step of a run, one band per allocation, one shade per source line.

    names: of the allocations that are a tenth of the peak or more, in order of birth. What is
    hidden inside an operation is hatched; the black line is the sum. Raises ValueError if the
    names are not one each, and for a report that followed no run.
    """
    instance("report", report, Report, "a Report")
    if not report.timeline:
        raise ValueError(
            f"a timeline needs a run that was followed step by step, and a {report.kind} report "
            f"for {report.device} has none: draw.at_peak, or memory.predict's report"
        )
    large, looks = _large(report.timeline, report, names), _looks(report)
    steps = 1 + max(max(a.born, a.died or 0) for a in report.timeline)
    _, ax = plt.subplots(figsize=(WIDTH, 3.6))
    floor = np.zeros(steps)
    for a, name in zip(large, names, strict=True):
        died = steps if a.died is None else a.died
        life = slice(a.born, died)
        bottom, top = floor[life].copy(), floor[life] + a.bytes / MIB
        ax.stairs(top, np.arange(a.born, died + 1), baseline=bottom, fill=True, **looks(a))
        room = (died - a.born) / steps > 0.0195 * len(name)
        at = (died - a.born) // 2 if room else 0
        x, side = ((a.born + died) / 2, "center") if room else (a.born - 0.6, "right")
        ink = _ink(looks(a)) if room else {}
        ax.text(x, (bottom[at] + top[at]) / 2, name, ha=side, va="center", **ink)
        floor[life] = top
    total = [sum(a.bytes for a in report.timeline if a.alive(step)) for step in range(steps)]
    ax.stairs(np.array(total) / MIB, color=INK, lw=1.4)
    turn = min((a.born for a in report.timeline if a.backward), default=steps)
    ax.axvline(turn, color=INPUT, lw=1, ls=":")
    ax.set(xlabel="allocations and releases, in order", xlim=(0, steps))
    y_label(ax, "alive, MiB")
    ax.set_ylim(0, 1.15 * max(total) / MIB)
    for place, text, side in ((turn - 0.6, "forward", "right"), (turn + 0.6, "backward", "left")):
        ax.text(place, 1.12 * max(total) / MIB, text, ha=side, va="top", color=INPUT)
    show()


def at_peak(reports: Mapping[str, tuple[Report, Sequence[str]]]) -> None:
    """What is alive at each report's peak, as a bar of its parts.

    reports: under the bar's name, a report and the names of those parts that are a tenth of its
    peak or more, in order of birth. Raises ValueError if the names are not one each, and for no
    report, or one that does not say what is alive at its peak.
    """
    mapping("reports", reports, "a report and its names")
    for pair in reports.values():
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or type(pair[0]) is not Report:
            raise TypeError(f"reports must be pairs of a Report and names, not {said(pair)}")
    for bar, (report, _) in reports.items():
        if report.peak_bytes and not report.at_peak:
            raise ValueError(f"{bar!r}, a {report.kind} report, does not say what is at its peak")
    if not reports:
        raise ValueError("reports must hold one at least, got none")
    _, ax = plt.subplots(figsize=(WIDTH, 3.6))
    for column, (report, names) in enumerate(reports.values()):
        large, looks = _large(report.at_peak, report, names), _looks(report)
        floor = 0.0
        for a, name in zip(large, names, strict=True):
            ax.bar(column, a.bytes / MIB, bottom=floor, width=0.92, **looks(a))
            middle = floor + a.bytes / MIB / 2
            ax.text(column, middle, name, ha="center", va="center", **_ink(looks(a)))
            floor += a.bytes / MIB
        rest = report.peak_bytes / MIB - floor
        ax.bar(column, rest, bottom=floor, width=0.92, fc=INPUT, ec=INPUT)
        label = f"{report.peak_bytes / MIB:,.0f} MiB"
        ax.annotate(label, (column, floor + rest), (0, 4), textcoords="offset points", ha="center")
    ax.set_xticks(range(len(reports)), reports)
    ax.grid(axis="x", visible=False)
    ax.margins(x=0.02)
    ax.set_ylim(0, 1.1 * max(report.peak_bytes for report, _ in reports.values()) / MIB)
    ax.yaxis.set_major_formatter("{x:,.0f}")
    y_label(ax, "alive at the peak, MiB")
    show()


def _large(
    allocations: Sequence[Allocation], report: Report, names: Sequence[str]
) -> list[Allocation]:
    listed("names", names, str, "texts")
    share = SHARE * report.peak_bytes
    large = sorted((a for a in allocations if a.bytes >= share), key=lambda a: a.born)
    if len(large) != len(names):
        parts = ", ".join(describe(a) for a in large)
        raise ValueError(f"names must be one for each of {len(large)} ({parts}), not {names!r}")
    return large


def _looks(report: Report) -> Callable[[Allocation], dict[str, Any]]:
    """One shade per source line, or term of a closed form; what is hidden is white and hatched."""
    share = SHARE * report.peak_bytes
    large = [_source(a) for a in report.timeline or report.at_peak if a.bytes >= share]
    fills = dict(zip(dict.fromkeys(large), itertools.cycle(FILLS), strict=False))

    def look(a: Allocation) -> dict[str, Any]:
        if a.hidden:
            return {"fc": PAPER, "ec": INK, "lw": 0.8, "hatch": HIDDEN}
        return {"fc": fills[_source(a)], "ec": PAPER, "lw": 1.8}  # two of one shade may touch

    return look


def _ink(look: Mapping[str, Any]) -> dict:
    """How words on this fill can be read."""
    if "hatch" in look:
        return {"color": INK, "bbox": {"fc": PAPER, "ec": "none", "pad": 1}}
    dark = np.dot(to_rgb(look["fc"]), (0.3, 0.6, 0.1)) < 0.5
    return {"color": WHITE if dark else BLACK}


def _source(a: Allocation) -> str:
    return a.operation if a.shape is None else a.line  # a closed form's terms have no shape
