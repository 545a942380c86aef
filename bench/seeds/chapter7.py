"""Chapter 7: the full block and its cousins on remote copy and on matched copy."""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from nonlocal_tut import NonLocalBlock, tasks
from nonlocal_tut.cousins import COUSINS, CrissCross
from nonlocal_tut.tasks import matched


def block(name):  # 24 channels in, 24 inside
    if name == "full":
        switches = {"scale": "sqrt", "norm": False, "attention": "matmul"}
        return NonLocalBlock(24, 24, **switches)
    if name == "one pass":
        return CrissCross(24, 24, passes=1)
    return COUSINS[name](24, 24)


def net(name, planes):  # look, fetch, answer
    look = nn.Conv2d(planes, 24, 3, padding=1), nn.ReLU()
    return nn.Sequential(*look, block(name), nn.Conv2d(24, 4, 1))


def copy(name, seed):  # one dot, one marker
    short = {"side": 9, "batch": 32, "learning_rate": 5e-3, "seed": seed}
    build = partial(net, name, 5)
    return tasks.train(build, steps=150, label=name, **short)


def match(name, seed):  # two dots, two markers
    short = {"side": 9, "batch": 32, "learning_rate": 5e-3, "seed": seed}
    build = partial(net, name, 7)
    return matched.train(build, steps=400, label=name, **short)


def unlike(model, examples):  # weight that two markers place differently
    _, attention = model[2](model[:2](examples.maps), return_attention=True)
    markers = examples.marker[..., None].expand(-1, -1, attention.shape[2])
    first, second = attention.gather(1, markers).unbind(1)  # (B, N) each
    return (first - second).abs().sum(1).mean().item() / 2


FORMS = ["full", "one pass", *(name for name in COUSINS if name != "double")]  # it is "efficient"


def copied(name: str) -> Callable[[int], dict[str, float]]:
    """The share of right answers at the distance where it is least."""
    return lambda seed: {"least": min(copy(name, seed).accuracy.values())}


def matched_by(name: str) -> Callable[[int], dict[str, float]]:
    """The share of feature maps that are right together with their twins, and of right answers."""

    def train(seed: int) -> dict[str, float]:
        trained = match(name, seed)
        found = {"solved": trained.solved, "accuracy": trained.accuracy}
        if name == "full":
            found["unlike"] = unlike(trained.model.cpu(), held_out())
        return found

    return train


def held_out() -> tasks.Examples:
    return matched.matched_copy(512, 9, generator=torch.Generator().manual_seed(6))


EXPERIMENTS = {f"copy: {name}": copied(name) for name in FORMS}
EXPERIMENTS |= {f"match: {name}": matched_by(name) for name in FORMS}
SHOWN = [block, net, copy, match, unlike]
