"""Pictures and schemes fit a phone of 390 pixels: 358 for a figure, and no text below 11."""

import re
from pathlib import Path

import figures_in_page
import matplotlib

matplotlib.use("Agg")

import pytest
import torch

from nonlocal_tut import NonLocalBlock, SelfAttention2d, draw, tasks
from nonlocal_tut.attention_maps import AttentionMap
from nonlocal_tut.draw.show import svg
from nonlocal_tut.tasks.matched import matched_copy
from nonlocal_tut.tasks.moving import moving_copy

ROOM = 358  # pixels
STATIC = Path(__file__).resolve().parent.parent / "book" / "_static"
THREE = {name: torch.eye(12) for name in ("dot and marker", "the marker asks", "a corner asks")}
FOUR = {f"{n} layers, {2 * n + 1} wide": torch.eye(12) for n in (5, 10, 20, 40)}
SIDES = {"N": 1.7, "C": 0.9}
WEIGHTS = AttentionMap(torch.rand(1, 64, 64) / 1e4, (8, 8), (8, 8))


def asked(task, **settings):
    return task(1, generator=torch.Generator().manual_seed(5), **settings).maps[0]


def by_hand():
    names, keys = ["empty", "dot 3", "empty", "marker"], torch.eye(4)[:, :2]
    draw.by_hand(names, torch.tensor([3.0, 1]), keys, keys)


DRAWN = {
    "maps": lambda: draw.maps(THREE, grid=True),
    "maps below": lambda: draw.maps(FOUR),
    "cone": lambda: draw.cone(kernel=3, layers=3),
    "task": lambda: draw.task(asked(tasks.remote_copy, side=12, distance=6)),
    "twins": lambda: draw.task(*[asked(matched_copy, side=9)] * 2),
    "clip": lambda: draw.clip(asked(moving_copy), {"weights": torch.rand(4, 5, 5)}),
    "product": lambda: draw.product("value C N", "matrix, transposed N N", "output C N", SIDES),
    "by hand": by_hand,
    "brackets": draw.brackets,
    "blocks": lambda: draw.two_blocks(SelfAttention2d(64), NonLocalBlock(64, subsample="after")),
    "who": lambda: draw.who_sees_whom(dict.fromkeys(["full", "criss-cross, once"], torch.eye(12))),
    "a row": lambda: draw.attention_on(torch.rand(64, 64), WEIGHTS, [(2, 1)]),
    "rows": lambda: draw.attention_on(torch.rand(64, 64), WEIGHTS, [(2, 1), (7, 7)]),
}


def least_width(markup):
    return int(re.search(r"min-width: (\d+)px", figures_in_page.inline(markup, "n", ""))[1])


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawn_picture_fits(name, shown):
    DRAWN[name]()
    assert least_width(svg(shown[0])) <= ROOM


@pytest.mark.parametrize("name", ["block.svg", "cousins.svg"])
def test_a_file_of_ones_own_fits(name):
    assert least_width((STATIC / name).read_text(encoding="utf-8")) <= ROOM
