"""Right answers to the exercises of chapter 8, and wrong ones with the hint that each earns."""

import numpy as np
import torch


def planes(*values):
    """8.2: the weights times one number per plane, the last of them the middle's."""

    def inflate(weight, t):
        out = weight.new_zeros(*weight.shape[:2], t, *weight.shape[2:])
        for distance, value in enumerate(reversed(values)):
            for plane in {t // 2 - distance, t // 2 + distance}:
                out[:, :, plane] = value * weight
        return out

    return inflate


def first(weight, t):
    return torch.cat([weight[:, :, None], weight.new_zeros(*weight.shape[:2], t - 1, 3, 3)], 2)


def past(theta, phi, g, frames):
    """8.3 frame by frame, without a mask."""
    each = theta.shape[1] // frames
    return torch.cat(
        [
            (theta[:, t * each : (t + 1) * each] @ phi[:, : (t + 1) * each].mT).softmax(-1)
            @ g[:, : (t + 1) * each]
            for t in range(frames)
        ],
        dim=1,
    )


def by_mask(compare, slow=True, power=1.0):
    """8.3 with a mask from `compare`(frames of queries, of keys); slow: time is the outer side."""

    def attend(theta, phi, g, frames):
        each = theta.shape[1] // frames
        t = torch.arange(frames)
        t = t.repeat_interleave(each) if slow else t.repeat(each)
        scores = (power * theta @ phi.mT).masked_fill(~compare(t[:, None], t), -torch.inf)
        return scores.softmax(-1) @ g

    return attend


def scaled(theta, phi, g, frames):
    """8.3 as the library's attention does it, which multiplies by 1/√d unless told not to."""
    t = torch.arange(frames).repeat_interleave(theta.shape[1] // frames)
    return torch.nn.functional.scaled_dot_product_attention(
        theta, phi, g, attn_mask=t[:, None] >= t
    )


def after_softmax(before):
    """8.3 with the mask multiplied onto the weights, or onto the scores before the softmax."""

    def attend(theta, phi, g, frames):
        t = torch.arange(frames).repeat_interleave(theta.shape[1] // frames)
        scores, seen = theta @ phi.mT, t[:, None] >= t
        return ((scores * seen).softmax(-1) if before else scores.softmax(-1) * seen) @ g

    return attend


def in_place(weight, t):
    out = planes(1.0)(weight, t)
    weight.zero_()
    return out


def careless(theta, phi, g, frames):
    out = past(theta, phi, g, frames)
    for given in (theta, phi, g):
        given.zero_()
    return out


def by_position(theta, phi, g, frames):
    return torch.nn.functional.scaled_dot_product_attention(
        theta, phi, g, is_causal=True, scale=1.0
    )


RIGHT = [
    ("8.1", 6),
    ("8.1", 6.0),
    ("8.1", np.int64(6)),
    ("8.1", np.float32(6)),
    ("8.1", torch.tensor([6])),
    ("8.2", planes(1.0)),
    ("8.2", in_place),
    ("8.3", past),
    ("8.3", careless),
    ("8.3", by_mask(torch.ge)),
]
WRONG = [
    ("8.1", 2, "Where is the dot?"),
    ("8.1", 3, "two frames later"),
    ("8.1", 4, "4 layers reach 4 positions"),
    ("8.1", -1, "-1 layers reach 0 positions"),
    ("8.1", 7, "7 layers are enough, but"),
    ("8.1", 8, "not one after the other"),
    ("8.1", 6.5, "a whole number of layers is asked for, not 6.5."),
    ("8.1", True, "a whole number of layers is asked for, not "),
    ("8.1", "6", "a whole number of layers is asked for, not "),
    ("8.1", float("inf"), "a whole number of layers is asked for, not "),
    ("8.2", lambda w, t: w[:, :, None].expand(-1, -1, t, -1, -1) / t, "right for a still clip"),
    ("8.2", lambda w, t: w[:, :, None].expand(-1, -1, t, -1, -1), "adds 3 frames up"),
    ("8.2", lambda w, t: planes(1.0)(w, t) / t, "needs no division by 3"),
    ("8.2", lambda w, t: planes(1.0)(w, t).numpy(), "should return a tensor"),
    ("8.2", lambda w, t: planes(1.0)(w, t) * float("nan"), "otherwise than one by one"),
    ("8.2", first, "they look at other frames, too"),
    ("8.2", planes(0.0), "otherwise than one by one"),
    ("8.2", planes(0.5, 1.0), "otherwise than one by one"),
    ("8.2", lambda w, t: w, "should have shape (2, 3, 3, 3, 3), yours has (2, 3, 3, 3)"),
    ("8.2", lambda w, t: None, "None"),
    ("8.3", by_mask(lambda i, j: i >= -j), "that sees later frames"),
    ("8.3", by_mask(torch.le), "turn the mask over"),
    ("8.3", by_mask(torch.gt), "a softmax over nothing is NaN"),
    ("8.3", by_position, "may see all others"),
    ("8.3", by_mask(torch.ge, slow=False), "frame after frame"),
    ("8.3", by_mask(torch.ge, power=2.0), "not those of the own frame"),
    ("8.3", by_mask(torch.eq), "earlier ones count, too"),
    ("8.3", lambda *given: by_mask(torch.gt)(*given).nan_to_num(), "its own counts, too"),
    ("8.3", scaled, "multiplied by 1/√d"),
    ("8.3", after_softmax(False), "mask the scores, before the softmax"),
    ("8.3", after_softmax(True), "it takes minus infinity"),
    ("8.3", lambda t, p, g, frames: g, "not those of the own frame"),
    ("8.3", lambda *given: past(*given).tolist(), "should return a tensor"),
    ("8.3", lambda *given: past(*given).float(), "should be torch.float64"),
    ("8.3", lambda *given: None, "None"),
]
