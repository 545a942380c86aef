"""The exercises of chapter 8: each takes an answer, and returns a hint, or "" if it is right."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from nonlocal_tut.check.misfit import misfit
from nonlocal_tut.check.whole import not_whole, whole


def _layers(answer: Any) -> str:
    """8.1: 3×3×3 layers until a dot that moves 3 positions per frame is heard of 2 frames later."""
    if (number := whole(answer)) is None:
        return not_whole(answer, "layers")
    hints = {
        2: "two layers reach two frames back, and two positions to each side. Where is the dot?",
        3: "three positions in one frame; the question comes two frames later.",
        8: "a layer reaches one frame and one position at once, not one after the other.",
    }
    if number == 6:
        return ""
    if number > 6:
        return hints.get(number, f"{number} layers are enough, but they are not the fewest.")
    return hints.get(number, f"{number} layers reach {max(number, 0)} positions to each side.")


def _inflated(answer: Callable[[Tensor, int], Tensor]) -> str:
    """8.2: (C_out, C_in, k, k), t -> (C_out, C_in, t, k, k) that treats each frame alone."""
    luck = torch.Generator().manual_seed(11)
    weight = torch.randn(2, 3, 3, 3, generator=luck, dtype=torch.float64)
    clip = torch.randn(1, 3, 7, 5, 6, generator=luck, dtype=torch.float64)  # (B, C, T, H, W)
    frames = torch.stack([F.conv2d(frame, weight) for frame in clip.unbind(2)], dim=2)
    for t in (3, 5):
        got = answer(weight.clone(), t)
        if hint := misfit(got, weight[:, :, None].expand(-1, -1, t, -1, -1)):
            return hint
        out = F.conv3d(clip, got, padding=(t // 2, 0, 0))
        if torch.allclose(out, frames):
            continue
        if torch.allclose(got, weight[:, :, None].expand_as(got) / t):
            return "right for a still clip; here each frame counts alone."
        if torch.allclose(t * got[:, :, t // 2], weight) and torch.allclose(t * got.sum(2), weight):
            return f"one plane alone needs no division by {t}."
        if torch.allclose(got.sum(2), t * weight):
            return f"that adds {t} frames up. Which one plane looks at the frame itself?"
        if torch.allclose(got.sum(2), weight):
            return "the planes add up to the weights, but they look at other frames, too."
        return "the frames come out otherwise than one by one. What should each plane hold?"
    return ""


def _past(answer: Callable[[Tensor, Tensor, Tensor, int], Tensor]) -> str:
    """8.3: theta, phi, g (B, N, d) and T -> y (B, N, d), from the own frame and earlier ones."""
    luck = torch.Generator().manual_seed(12)
    frames, each = 3, 4
    qkv = (torch.randn(2, frames * each, 5, generator=luck, dtype=torch.float64) for _ in "tpg")
    theta, phi, g = qkv
    frame = torch.arange(frames).repeat_interleave(each)  # (N,)
    position, fast = torch.arange(frames * each), torch.arange(frames).repeat(each)

    scores = theta @ phi.mT  # (B, N, N)
    seen = frame[:, None] >= frame  # (N, N): the own frame and earlier ones

    def masked(meets: Tensor, scores: Tensor = scores) -> Tensor:
        return scores.masked_fill(~meets, -torch.inf).softmax(-1) @ g

    got = answer(theta.clone(), phi.clone(), g.clone(), frames)
    if hint := misfit(got, theta):
        return hint
    wrong = {
        "that sees later frames, too.": masked(torch.ones(len(frame), len(frame)).bool()),
        "that sees its own and later frames: turn the mask over.": masked(frame[:, None] <= frame),
        "that sees its own frame alone; earlier ones count, too.": masked(frame[:, None] == frame),
        "the scores are multiplied by 1/√d; here they are not.": masked(
            seen, scores / theta.shape[-1] ** 0.5
        ),
        "mask the scores, before the softmax; else a row no longer sums to one.": (
            scores.softmax(-1) * seen
        )
        @ g,
        "a score of 0 is no weight of 0: it takes minus infinity.": (scores * seen).softmax(-1) @ g,
        "within its own frame a position may see all others.": masked(
            position[:, None] >= position
        ),
        "positions come frame after frame: i lies in frame i // (N / T).": masked(
            fast[:, None] >= fast
        ),
    }
    if torch.allclose(got, masked(seen)):
        return ""
    if got.isnan().any():
        return "frame 0 has no earlier frame, and a softmax over nothing is NaN: its own counts."
    for hint, numbers in wrong.items():
        if torch.allclose(got, numbers):
            return hint
    earlier = masked(frame[:, None] > frame)[:, each:]  # all but frame 0, which has none
    if torch.allclose(got[:, each:], earlier):
        return "that sees earlier frames alone; its own counts, too."
    return "the weights are not those of the own frame and all before it, summing to one."


VALUES = {"8.1": _layers}
FUNCTIONS = {"8.2": _inflated, "8.3": _past}
