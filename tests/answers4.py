"""Right answers to the exercises of chapter 4, and wrong ones with the hint that each earns."""

import torch
from torch.utils.checkpoint import checkpoint

from nonlocal_tut.memory import VARIANTS, closed_form

AsWritten, Swapped = VARIANTS["article"], VARIANTS["swapped"]
PEAK = closed_form("article", 2, 64, 72, 56, torch.bfloat16).peak_bytes / 2**20


class Fused(AsWritten):
    """4.3 as the module does it."""

    def forward(self, x):
        return super(AsWritten, self).forward(x)


class OneImage(AsWritten):
    """4.3: one image at a time, and nothing of it kept."""

    def forward(self, x):
        one = super().forward
        return torch.cat([checkpoint(one, image, use_reentrant=False) for image in x.split(1)])


class Kept(AsWritten):
    """4.3: one image at a time, with all that autograd wants of each kept."""

    def forward(self, x):
        return torch.cat([super(Kept, self).forward(image) for image in x.split(1)])


class OtherSoftmax(AsWritten):
    """Not 4.3: softmax over queries."""

    def weights(self, energy):
        return energy.softmax(dim=1)


class SwappedToo(Swapped):
    """Not another idea than `Swapped`."""


class Detached(AsWritten):
    """Not 4.3: right outputs, no gradients for the value."""

    def forward(self, x):
        y = super().forward(x)
        return y + 0 * self.value_conv.weight.sum() + (y.detach() - y) / 2 - (y.detach() - y) / 2.5


def alive(report):
    return [a for a in report.at_peak if a.hidden]


RIGHT = [
    ("4.1", lambda report: sum(a.bytes for a in alive(report))),
    ("4.2", PEAK),
    ("4.2", 4 * 2 * (72 * 56) ** 2 * 2 / 2**20),
    ("4.3", [Swapped, OneImage, Fused]),
    ("4.3", (Kept, OneImage, Swapped)),
]
WRONG = [
    ("4.1", lambda report: (alive(report) or report.at_peak)[0], "bytes are asked for"),
    ("4.1", lambda report: sum(a.bytes for a in report.timeline if a.hidden), "ever hidden"),
    ("4.1", lambda report: report.at_peak[0].bytes, "on the swapped block nothing is hidden"),
    ("4.1", lambda report: 1, "1 on the article block. Which field"),
    ("4.1", lambda report: 4 * (24 * 20) ** 2, "on the swapped block nothing is hidden"),
    ("4.1", lambda report: None, "None on the article block"),
    ("4.2", 2 * PEAK, "float32"),
    ("4.2", PEAK / 2, "and the batch?"),
    ("4.2", PEAK / 4, "four maps are alive"),
    ("4.2", 0.75 * PEAK, "there is a fourth"),
    ("4.2", PEAK * 2**20, "MiB are asked for, not bytes"),
    ("4.2", PEAK * 2**20 / 1e6, "MB"),
    ("4.2", 3 * PEAK, "the rule of thumb"),
    ("4.2", 0, "the rule of thumb"),
    ("4.2", "250 MiB", "a number of MiB is asked for"),
    ("4.3", [Swapped, OneImage], "a list of three classes"),
    ("4.3", [Swapped, OneImage, AsWritten], "AsWritten needs 17."),
    ("4.3", [Swapped, OneImage, SwappedToo], "SwappedToo and Swapped need the same bytes"),
    ("4.3", [OtherSoftmax, OneImage, Swapped], "OtherSoftmax computes something else"),
    ("4.3", [Detached, OneImage, Swapped], "Detached computes something else"),
    ("4.3", [torch.nn.Identity, Swapped, OneImage], "a type is among them, not a subclass"),
    ("4.3", [Swapped, OneImage, Fused(8)], "a Fused is among them, not a subclass"),
]
