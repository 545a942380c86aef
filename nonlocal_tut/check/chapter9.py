"""The exercises of chapter 9: each takes an answer, and returns a hint, or "" if it is right."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from nonlocal_tut.check.misfit import misfit

SIZES = [4, 3, 2]  # of the workers' parts


def _received(answer: Any) -> str:
    """9.1: MiB that reach each of 8 devices, forward, for 1024×1024 positions and 64 channels."""
    if isinstance(answer, bool) or not isinstance(answer, (int, float)):
        return f"a number of MiB is asked for, not {answer!r}."
    hints: dict[float, str] = {
        224: "",
        256: "an eighth of the keys and values is there already.",
        32: "that is one device's part; how many parts arrive?",
        28: "one part arrives from each of the others, not an eighth of one.",
        112: "keys and values, 32 numbers each.",
        128: "keys and values, 32 numbers each; and an eighth of them is there already.",
        448: "backward, as much goes again; forward alone is asked for.",
        56: "a float32 has 4 bytes.",
        224 * 2**20: "MiB are asked for, not bytes.",
    }
    return hints.get(answer, f"not {answer:g}. How many bytes have all keys and values together?")


def _gradient_of_gathering(answer: Callable[[list[Tensor], list[int]], Any]) -> str:
    """9.2: from each worker's gradient of all keys (B, N, d), that of each worker's own keys."""
    luck = torch.Generator().manual_seed(11)
    wishes = list(torch.randn(3, 2, 9, 4, generator=luck, dtype=torch.float64))
    wanted = sum(wishes).split(SIZES, dim=1)
    got = answer([wish.clone() for wish in wishes], list(SIZES))
    if not isinstance(got, (list, tuple)) or len(got) != len(SIZES):
        return (
            f"a list of {len(SIZES)} tensors is asked for, one for each worker, not {_kind(got)}."
        )
    for ours, right in zip(got, wanted, strict=True):
        if hint := misfit(ours, right):
            return hint
    own = [wish.split(SIZES, dim=1)[rank] for rank, wish in enumerate(wishes)]
    if _same(got, own):
        return "those are its own queries' wishes; the others' had some, too."
    if _same(got, [part / len(SIZES) for part in wanted]):
        return "a mean is not what a loss summed over workers has for a gradient."
    return "" if _same(got, wanted) else "the numbers differ. Whose wishes belong to whose keys?"


def _merged_statistics(answer: Callable[[Tensor, Tensor, Tensor], Any]) -> str:
    """9.3: mean and variance (C,) of the whole, from the parts' counts (D,), means, variances."""
    luck = torch.Generator().manual_seed(12)
    x = torch.randn(sum(SIZES), 5, generator=luck, dtype=torch.float64)
    x[: SIZES[0]] += 3
    parts = x.split(SIZES)
    counts = torch.tensor(SIZES, dtype=torch.float64)
    means = torch.stack([part.mean(0) for part in parts])
    variances = torch.stack([part.var(0, correction=0) for part in parts])
    got = answer(counts.clone(), means.clone(), variances.clone())
    if not isinstance(got, (list, tuple)) or len(got) != 2:
        return f"two tensors are asked for, mean and variance, not {_kind(got)}."
    wanted = x.mean(0), x.var(0, correction=0)
    for ours, right in zip(got, wanted, strict=True):
        if hint := misfit(ours, right):
            return hint
    share = (counts / counts.sum())[:, None]
    if torch.allclose(got[0], means.mean(0)):
        return "a part of 4 positions weighs more than one of 2."
    if not torch.allclose(got[0], wanted[0]):
        return "the mean differs."
    if torch.allclose(got[1], (share * variances).sum(0)):
        return "the parts' means differ, and that is variance, too."
    if torch.allclose(got[1], x.var(0)):
        return "batch norm divides by the number of positions, not by one less."
    return "" if torch.allclose(got[1], wanted[1]) else "the mean is right, the variance is not."


def _kind(got: Any) -> str:
    several = isinstance(got, (list, tuple))
    return f"{len(got)}" if several else f"an object of type {type(got).__name__}"


def _same(some: Sequence[Tensor], others: Sequence[Tensor]) -> bool:
    return all(torch.allclose(a, b) for a, b in zip(some, others, strict=True))


VALUES = {"9.1": _received}
FUNCTIONS = {"9.2": _gradient_of_gathering, "9.3": _merged_statistics}
