"""The exercises of chapter 4: each takes an answer, and returns a hint, or "" if it is right."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nonlocal_tut import memory
from nonlocal_tut.blocks import SelfAttention2d
from nonlocal_tut.memory.report import MIB

LIMIT, SHAPE = 15 * 10**9, (4, 64, 128, 128)
CLOSE = 0.03  # how far the rule of thumb may be off


def _fourth(answer: Callable[[memory.Report], int]) -> str:
    """4.1: the hidden bytes at the peak of a report."""
    for variant in ("article", "swapped", "paper"):
        report = memory.predict(lambda v=variant: memory.VARIANTS[v](16), (1, 16, 24, 20))
        wanted = sum(a.bytes for a in report.at_peak if a.hidden)
        got = answer(report)
        if got == wanted:
            continue
        if isinstance(got, memory.Allocation):
            return "bytes are asked for, not the allocation."
        if got == sum(a.bytes for a in report.timeline if a.hidden):
            return "that is all that was ever hidden; at the peak, not all of it is alive."
        if not wanted:
            return f"on the {variant} block nothing is hidden at the peak; yours says {got!r}."
        return f"{got!r} on the {variant} block. Which field says that an allocation is hidden?"
    return ""


def _peak(answer: Any) -> str:
    """4.2: the peak of (2, 64, 72, 56) in bfloat16, in MiB."""
    if isinstance(answer, bool) or not isinstance(answer, (int, float)):
        return f"a number of MiB is asked for, not {answer!r}."
    exact = memory.closed_form("article", 2, 64, 72, 56, torch.bfloat16).peak_bytes / MIB
    near = {
        1: "",
        2: "four bytes a number is float32.",
        1 / 2: "and the batch? Or are there four maps, not two?",
        1 / 4: "four maps are alive at the peak.",
        3 / 4: "three of them have names; there is a fourth.",
        MIB: "MiB are asked for, not bytes.",
        MIB / 1e6: "those are MB, of 10⁶ bytes; a MiB has 2²⁰.",
    }
    for factor, hint in near.items():
        if abs(answer / exact / factor - 1) <= CLOSE:
            return hint
    return f"not {answer:g}. N is 72 · 56, and the rule of thumb is k·B·N²·bytes."


def _three_ways(answer: Any) -> str:
    """4.3: three subclasses of the article's block, equal to it, under 15 GB, by different ways."""
    if not isinstance(answer, (list, tuple)) or len(answer) != 3:
        return f"a list of three classes is asked for, not {answer!r}."
    peaks: dict[int, str] = {}
    for cls in answer:
        if not (isinstance(cls, type) and issubclass(cls, SelfAttention2d)):
            return f"a {type(cls).__name__} is among them, not a subclass of the article's block."
        name = cls.__name__
        if not _same(cls):
            return f"{name} computes something else: outputs or gradients differ."
        peak = memory.predict(lambda cls=cls: cls(SHAPE[1]), SHAPE).peak_bytes
        if peak >= LIMIT:
            return f"{name} needs {peak / 1e9:.1f} GB."
        if peak in peaks:
            return f"{name} and {peaks[peak]} need the same bytes; is it another idea?"
        peaks[peak] = name
    return ""


def _same(cls: type[SelfAttention2d]) -> bool:
    luck = torch.Generator().manual_seed(5)
    x = torch.randn(4, 16, 5, 6, generator=luck, dtype=torch.float64)
    with torch.random.fork_rng():
        ours = SelfAttention2d(16, attention="matmul").double()
        theirs = cls(16).double()
    for p in ours.parameters():
        nn.init.normal_(p, generator=luck)
    theirs.load_state_dict(ours.state_dict())
    pairs = zip(_step(ours, x), _step(theirs, x), strict=True)
    return all(a.shape == b.shape and torch.allclose(a, b) for a, b in pairs)


def _step(block: nn.Module, x: Tensor) -> Sequence[Tensor]:
    y = block(x)
    return [y, *torch.autograd.grad(y.sin().sum(), list(block.parameters()))]


VALUES = {"4.2": _peak, "4.3": _three_ways}
FUNCTIONS = {"4.1": _fourth}
