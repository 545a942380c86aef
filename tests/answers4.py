"""Right answers to the exercises of chapter 4, and wrong ones with the hint that each earns."""

import numpy as np
import torch
from torch.nn.functional import pad, scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from nonlocal_tut import SelfAttention2d
from nonlocal_tut.memory import VARIANTS, closed_form

AsWritten, Swapped = VARIANTS["article"], VARIANTS["swapped"]
PEAK = closed_form("article", 2, 64, 72, 56, torch.bfloat16).peak_bytes / 2**20


class OneImage(AsWritten):
    """4.3: one image at a time, and nothing of it kept."""

    def forward(self, x):
        one = super().forward
        return torch.cat([checkpoint(one, image, use_reentrant=False) for image in x.split(1)])


class Kept(AsWritten):
    """4.3: one image at a time, with all that autograd wants of each kept."""

    def forward(self, x):
        return torch.cat([super(Kept, self).forward(image) for image in x.split(1)])


class Operands(AsWritten):
    """The three tensors that attention is made of, for the answers below."""

    def operands(self, x):  # (B, C, H, W) -> (B, N, d), (B, N, d), (B, N, C)
        convs = self.query_conv, self.key_conv, self.value_conv
        return [conv(x).flatten(2).mT for conv in convs]

    def added(self, x, out):  # (B, N, C) -> (B, C, H, W)
        return self.gamma * out.mT.unflatten(2, x.shape[2:]) + x


class Fused(Operands):
    """4.3 by PyTorch's own fused attention, widths made equal."""

    def forward(self, x):
        query, key, value = (t.contiguous() for t in self.operands(x))
        room = value.shape[2] - query.shape[2]
        operands = pad(query, (0, room)), pad(key, (0, room)), value
        return self.added(
            x, scaled_dot_product_attention(*(t[:, None] for t in operands), scale=1.0)[:, 0]
        )


def rows(parts):
    """4.3 by some queries at a time."""

    def attend(query, key, value):
        return torch.bmm(torch.bmm(query, key.mT).softmax(-1), value)

    class FewQueries(Operands):
        def forward(self, x):
            query, key, value = self.operands(x)
            some = query.split(-(-query.shape[1] // parts), dim=1)
            outs = [checkpoint(attend, part, key, value, use_reentrant=False) for part in some]
            return self.added(x, torch.cat(outs, dim=1))

    FewQueries.__name__ = f"FewQueries{parts}"
    return FewQueries


class FewKeys(Operands):
    """4.3 by some keys at a time, softmax's sums corrected as they arrive."""

    def forward(self, x):
        query, key, value = self.operands(x)
        most = query.new_full((*query.shape[:2], 1), -torch.inf)
        total = out = torch.zeros_like(most)
        for keys, values in zip(key.split(2048, 1), value.split(2048, 1), strict=True):
            most, total, out = checkpoint(
                self.one, query, keys, values, most, total, out, use_reentrant=False
            )
        return self.added(x, out / total)

    def one(self, query, keys, values, most, total, out):
        scores = torch.bmm(query, keys.mT)
        new = torch.maximum(most, scores.amax(2, keepdim=True)).detach()
        old, weights = (most - new).exp(), (scores - new).exp()
        return new, total * old + weights.sum(2, keepdim=True), out * old + weights @ values


class OtherSoftmax(AsWritten):
    """Not 4.3: softmax over queries."""

    def weights(self, energy):
        return energy.softmax(dim=1)


class SwappedToo(Swapped):
    """Not another idea than `Swapped`."""


class Same(AsWritten):
    """Not 4.3: it hands on what it gets."""

    def forward(self, x):
        return x


class Nothing(AsWritten):
    """Not 4.3: its return is missing."""

    def forward(self, x):
        super().forward(x)


class Flat(AsWritten):
    """Not 4.3: positions are not laid out again."""

    def forward(self, x):
        return super().forward(x).flatten(2)


class Chunked(SelfAttention2d):
    """Not 4.3: an option of the module, no idea of one's own."""

    def __init__(self, channels, reduction=8):
        super().__init__(channels, reduction, attention="chunked")


class Wider(AsWritten):
    """Not 4.3: other layers."""

    def __init__(self, channels):
        super().__init__(channels, 4)


class Late(AsWritten):
    """Not 4.3: it is made another way."""

    def __init__(self, channels, parts):
        super().__init__(channels)


class Asks(AsWritten):
    """Not 4.3: it looks at numbers, which `predict` has none of."""

    def forward(self, x):
        return super().forward(x) if x.sum().item() < 1e9 else x


class Detached(AsWritten):
    """Not 4.3: right outputs, no gradients for the value."""

    def forward(self, x):
        y = super().forward(x)
        return y + 0 * self.value_conv.weight.sum() + (y.detach() - y) / 2 - (y.detach() - y) / 2.5


def alive(report):
    return [a for a in report.at_peak if a.hidden]


RIGHT = [
    ("4.1", lambda report: sum(a.bytes for a in alive(report))),
    ("4.1", lambda report: np.int64(sum(a.bytes for a in alive(report)))),
    ("4.1", lambda report: float(sum(a.bytes for a in alive(report)))),
    ("4.1", lambda report: torch.tensor([0, *(a.bytes for a in alive(report))]).sum()),
    ("4.1", lambda report: next((a.bytes for a in report.at_peak if a.hidden), 0)),
    ("4.2", PEAK),
    ("4.2", round(PEAK)),
    ("4.2", np.float32(PEAK)),
    ("4.2", np.int64(round(PEAK))),
    ("4.2", torch.tensor(PEAK)),
    ("4.2", 4 * 2 * (72 * 56) ** 2 * 2 / 2**20),
    ("4.3", [Swapped, OneImage, Fused]),
    ("4.3", (Kept, rows(4), Swapped)),
    ("4.3", [rows(16), FewKeys, OneImage]),
    ("4.3", [rows(256), Fused, FewKeys]),  # 64 rows at a time, as wide as the block
]
WRONG = [
    ("4.1", lambda report: (alive(report) or report.at_peak)[0], "bytes are asked for"),
    ("4.1", lambda report: sum(a.bytes for a in report.timeline if a.hidden), "ever hidden"),
    ("4.1", lambda report: report.at_peak[0].bytes, "on the swapped block nothing is hidden"),
    ("4.1", lambda report: 1, "1 on the article block. Which field"),
    ("4.1", lambda report: [a.bytes for a in alive(report)], "on the article block. Which field"),
    ("4.1", lambda report: 4 * (24 * 20) ** 2, "on the swapped block nothing is hidden"),
    ("4.1", lambda report: None, "None on the article block"),
    ("4.1", lambda report: next(a.bytes for a in report.at_peak if a.hidden), "StopIteration"),
    (
        "4.1",
        lambda report: alive(report)[0].bytes,
        "swapped block nothing is hidden at the peak; y",
    ),
    ("4.1", lambda report: max(a.bytes for a in alive(report)), "yours raises ValueError there"),
    ("4.2", 2 * PEAK, "float32"),
    ("4.2", PEAK / 2, "and the batch?"),
    ("4.2", PEAK / 4, "four matrices are alive"),
    ("4.2", 0.75 * PEAK, "there is a fourth"),
    ("4.2", PEAK * 2**20, "MiB are asked for, not bytes"),
    ("4.2", PEAK * 2**20 / 1e6, "MB"),
    ("4.2", 3 * PEAK, "not 750.856"),
    ("4.2", 0, "4 · B · N² · bytes per number"),
    ("4.2", True, "a number of MiB is asked for"),
    ("4.2", float("nan"), "not nan"),
    ("4.2", "250 MiB", "a number of MiB is asked for"),
    ("4.2", [PEAK], "a number of MiB is asked for"),
    ("4.3", [Swapped, OneImage], "a list of three classes"),
    ("4.3", {Swapped, OneImage, Fused}, "a list of three classes"),
    ("4.3", [Swapped, OneImage, AsWritten], "AsWritten needs 17."),
    ("4.3", [Swapped, OneImage, SwappedToo], "SwappedToo and Swapped both build all of it"),
    ("4.3", [Swapped, Kept, OneImage], "OneImage and Kept both cut the batch: one idea"),
    ("4.3", [rows(4), rows(8), rows(16)], "FewQueries8 and FewQueries4 both cut its rows"),
    ("4.3", [rows(256), rows(4), Swapped], "FewQueries4 and FewQueries256 both cut its rows"),
    ("4.3", [SelfAttention2d, Chunked, Swapped], "SelfAttention2d's forward is the module's"),
    ("4.3", [Swapped, Chunked, OneImage], "Chunked's forward is the module's"),
    ("4.3", [Same, OneImage, Swapped], "Same computes something else"),
    ("4.3", [Nothing, OneImage, Swapped], "Nothing returns None, not a tensor of shape"),
    ("4.3", [Flat, OneImage, Swapped], "Flat returns shape (4, 16, 30), not a tensor"),
    ("4.3", [Wider, OneImage, Swapped], "Wider has other weights"),
    ("4.3", [Late, OneImage, Swapped], "Late is not made as Late(16) is"),
    ("4.3", [Asks, OneImage, Swapped], "Asks cannot be counted: the module failed on the meta"),
    ("4.3", [OtherSoftmax, OneImage, Swapped], "OtherSoftmax computes something else"),
    ("4.3", [Detached, OneImage, Swapped], "Detached computes something else"),
    ("4.3", [torch.nn.Identity, Swapped, OneImage], "Identity is no subclass of the"),
    ("4.3", [Swapped, OneImage, Fused(8)], "an object of type Fused is no subclass"),
]
