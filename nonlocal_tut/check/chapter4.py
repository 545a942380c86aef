"""The exercises of chapter 4: each takes an answer, and returns a hint, or "" if it is right."""

from collections.abc import Callable
from functools import partial
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn

from nonlocal_tut import memory
from nonlocal_tut.blocks import SelfAttention2d
from nonlocal_tut.memory.report import MIB

LIMIT, SHAPE = 15 * 10**9, (4, 64, 128, 128)
MATRIX = 4 * SHAPE[0] * (SHAPE[2] * SHAPE[3]) ** 2  # bytes of the attention matrices of SHAPE
ODD = (SHAPE[0], 40, *SHAPE[2:])  # channels that nobody takes for a number of rows
CLOSE = 0.03  # how far the rule of thumb may be off


def _fourth(answer: Callable[[memory.Report], int]) -> str:
    """4.1: the hidden bytes at the peak of a report."""
    for variant in ("article", "swapped", "paper"):
        report = memory.predict(partial(memory.VARIANTS[variant], 16), (1, 16, 24, 20))
        hidden = [a for a in report.at_peak if a.hidden]
        try:
            got = answer(report)
        except (StopIteration, IndexError, ValueError) as error:
            if hidden:
                raise  # the reader's to see
            return (
                f"on the {variant} block nothing is hidden at the peak; "
                f"yours raises {type(error).__name__} there."
            )
        if _number(got) == sum(a.bytes for a in hidden):
            continue
        if isinstance(got, memory.Allocation):
            return "bytes are asked for, not the allocation."
        if _number(got) == sum(a.bytes for a in report.timeline if a.hidden):
            return "that is all that was ever hidden; at the peak, not all of it is alive."
        if not hidden:
            return f"on the {variant} block nothing is hidden at the peak; yours says {got!r}."
        return f"{got!r} on the {variant} block. Which field says that an allocation is hidden?"
    return ""


def _number(got: Any) -> float | None:
    """A number, be it Python's, NumPy's or a tensor's; None where it is none, or True."""
    if isinstance(got, Tensor) and got.numel() == 1 and got.dtype != torch.bool:
        return got.item()
    return float(got) if isinstance(got, Real) and not isinstance(got, bool) else None


def _peak(answer: Any) -> str:
    """4.2: the peak of (2, 64, 72, 56) in bfloat16, in MiB."""
    number = _number(answer)
    if number is None:
        return f"a number of MiB is asked for, not {answer!r}."
    exact = memory.closed_form("article", 2, 64, 72, 56, torch.bfloat16).peak_bytes / MIB
    near = {
        1: "",
        2: "four bytes per number are float32.",
        1 / 2: "and the batch? Or are there four matrices, not two?",
        1 / 4: "four matrices are alive at the peak.",
        3 / 4: "three of them have names; there is a fourth.",
        MIB: "MiB are asked for, not bytes.",
        MIB / 1e6: "those are MB, of 10⁶ bytes; a MiB has 2²⁰.",
    }
    for factor, hint in near.items():
        if abs(number / exact / factor - 1) <= CLOSE:
            return hint
    return f"not {number:g}. N is 72 · 56, and the rule is 4 · B · N² · bytes per number."


def _three_ways(answer: Any) -> str:
    """4.3: three subclasses of the article's block, equal to it, under 15 GB, by different ways."""
    if not isinstance(answer, (list, tuple)) or len(answer) != 3:
        return f"a list of three classes is asked for, not {answer!r}."
    ideas: dict[tuple[str | int, ...], str] = {}
    for cls in answer:
        if not (isinstance(cls, type) and issubclass(cls, SelfAttention2d)):
            kind = type(cls).__name__
            name = cls.__name__ if isinstance(cls, type) else f"an object of type {kind}"
            return f"{name} is no subclass of the article's block."
        name = cls.__name__
        if cls.forward is SelfAttention2d.forward:
            return f"{name}'s forward is the module's; write one of your own."
        if wrong := _misfit(cls):
            return f"{name} {wrong}"
        try:
            peak = memory.predict(partial(cls, SHAPE[1]), SHAPE).peak_bytes
            if peak >= LIMIT:
                return f"{name} needs {peak / 1e9:.1f} GB."
            idea = _idea(cls, peak)
        except ValueError as error:  # from `predict`, which needs no numbers
            return f"{name} cannot be counted: {error}"
        if idea in ideas:
            return f"{name} and {ideas[idea]} {idea[0]}: one idea, be it in 4 pieces or in 8."
        ideas[idea] = name
    return ""


def _idea(cls: type[SelfAttention2d], peak: int) -> tuple[str | int, ...]:
    """What a class does about the attention matrix: its largest piece, seen in the forward pass."""
    B, N = ODD[0], ODD[2] * ODD[3]
    inner = {ODD[1], ODD[1] // 8, 1}  # widths, and what a fused kernel keeps per row
    run = memory.predict(lambda: cls(ODD[1]), ODD)
    shapes = [a.shape for a in run.timeline if a.shape and not a.backward and not a.hidden]
    pieces = [s for s in shapes if len(s) > 1 and N in s[-2:] and not inner & {*s[-2:]}]
    if not pieces:
        return ("make no row of it",)
    *batch, rows, columns = max(pieces, key=lambda shape: torch.Size(shape).numel())
    images = torch.Size(batch).numel()
    sides = {"the batch": images < B, "its rows": rows < N, "its columns": columns < N}
    if cut := [side for side, is_cut in sides.items() if is_cut]:
        return ("both cut " + " and ".join(cut),)
    return ("both build all of it, and as many copies", round(peak / MATRIX))


def _misfit(cls: type[SelfAttention2d]) -> str:
    """How a class differs from the article's block on random numbers, in words; "" if it does not.

    An error in the reader's own forward is the reader's to see.
    """
    luck = torch.Generator().manual_seed(5)
    x = torch.randn(4, 16, 5, 6, generator=luck, dtype=torch.float64, requires_grad=True)
    with torch.random.fork_rng():
        ours = SelfAttention2d(16, attention="matmul").double()
        try:
            theirs = cls(16).double()
        except TypeError as error:
            return f"is not made as {cls.__name__}(16) is: {error}"
    for p in ours.parameters():
        nn.init.normal_(p, generator=luck)
    try:
        theirs.load_state_dict(ours.state_dict())
    except RuntimeError:
        return "has other weights than the article's block."
    y = theirs(x)
    if not isinstance(y, Tensor) or y.shape != x.shape:
        returned = f"shape {tuple(y.shape)}" if isinstance(y, Tensor) else repr(y)
        return f"returns {returned}, not a tensor of shape {tuple(x.shape)}."
    wanted, got = _step(ours, ours(x), x), _step(theirs, y, x)
    same = len(got) == len(wanted) and all(map(torch.allclose, wanted, got))
    return "" if same else "computes something else: outputs or gradients differ."


def _step(block: nn.Module, y: Tensor, x: Tensor) -> list[Tensor]:
    """y, and the gradients of x and the parameters, of those that have one."""
    if not y.requires_grad:
        return [y]
    leaves = [x, *block.parameters()]
    gradients = torch.autograd.grad(y.sin().sum(), leaves, allow_unused=True)
    return [y, *(gradient for gradient in gradients if gradient is not None)]


VALUES = {"4.2": _peak, "4.3": _three_ways}
FUNCTIONS = {"4.1": _fourth}
