"""A phone shows a drawn figure at once: where there are 358 pixels, all its text has 11."""

import json
import re
from pathlib import Path

import figures_in_page
import matplotlib

matplotlib.use("Agg")

import pytest
import torch

from nonlocal_tut import NonLocalBlock, SelfAttention2d, draw, memory, tasks
from nonlocal_tut.attention_maps import AttentionMap
from nonlocal_tut.draw.show import svg
from nonlocal_tut.tasks.matched import matched_copy
from nonlocal_tut.tasks.moving import moving_copy

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(ROOT.glob("book/*.ipynb"))
PHONE = 358  # pixels of the column on a screen of 390
LARGEST = 11.5  # points: 16 pixels, as large as the page's own text


def least_width(text):
    found = re.search(r'style="min-width: (\d+)px"', figures_in_page.inline(text, "n", ""))
    return int(found[1]) if found else 0  # no text, no least width


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_each_figure_of_a_page_fits(page):
    cells = json.loads(page.read_text(encoding="utf-8"))["cells"]
    shown = [o.get("data", {}) for cell in cells for o in cell.get("outputs", [])]
    drawn = ["".join(data["image/svg+xml"]) for data in shown if "image/svg+xml" in data]
    wide = [width for width in map(least_width, drawn) if width > PHONE]
    assert not wide, f"{len(wide)} of {len(drawn)} figures move sideways on a phone: {wide}"


def article():
    return memory.predict(lambda: memory.VARIANTS["article"](8), (1, 8, 30, 30))


PARTS = "weights", "their gradient", "scores' gradient", "hidden copy"
FAR, SIDES = range(1, 12), (32, 64, 128, 256)
CHARTS = {
    "cliffs": lambda: draw.lines(
        {f"{n} convs": (FAR, [1.0] * n + [0.25] * (11 - n)) for n in (1, 2, 4)},
        x="distance, positions",
        y="accuracy",
        levels={"guessing": 0.25},
    ),
    "long names": lambda: draw.lines(
        {"NVIDIA H100 80GB HBM3, bfloat16": (SIDES, [1e-3, 1e-2, 0.1, 1])}
        | {"512 rows, recomputed": (SIDES, [1e-3, 2e-3, 3e-3, 4e-3])},
        x="side of the feature map",
        y="registered bytes, times ours",
        log="xy",
    ),
    "areas": lambda: draw.areas(
        {"attention matrix": 2**26, "x": 2**20, "value": 2**20, "query": 2**17, "key": 2**17}
    ),
    "timeline": lambda: draw.timeline(article(), ("scores", *PARTS)),
    "at the peak": lambda: draw.at_peak({n: (article(), PARTS) for n in ("one", "two", "three")}),
    "online": lambda: draw.online((1, 3, 2), (10, 20, 40)),
    "one context": lambda: draw.one_context({"round": 1, "square": -2}, {"here": 1, "twin": -3}),
}


def asked(task, **settings):
    return task(1, generator=torch.Generator().manual_seed(5), **settings).maps[0]


EYE = torch.eye(12)
KEYS, TWO = torch.eye(4)[:, :2], torch.tensor([3.0, 1])
BOXES = "value C N", "matrix, transposed N N", "output C N", {"N": 1.7, "C": 0.9}
ROWS = torch.rand(64, 64), AttentionMap(torch.rand(1, 64, 64) / 1e4, (8, 8), (8, 8))
PICTURES = {
    "maps": lambda: draw.maps(dict.fromkeys(["a corner asks", "with the encoding", "c"], EYE)),
    "maps below": lambda: draw.maps(
        {f"{n} layers, {2 * n + 1} wide": EYE for n in (5, 10, 20, 40)}
    ),
    "cone": lambda: draw.cone(kernel=3, layers=3),
    "task": lambda: draw.task(asked(tasks.remote_copy, side=12, distance=6)),
    "twins": lambda: draw.task(*[asked(matched_copy, side=9)] * 2),
    "clip": lambda: draw.clip(asked(moving_copy), {"weights": torch.rand(4, 5, 5)}),
    "product": lambda: draw.product(*BOXES),
    "by hand": lambda: draw.by_hand(["empty", "dot 3", "empty", "marker"], TWO, KEYS, KEYS),
    "brackets": draw.brackets,
    "blocks": lambda: draw.two_blocks(SelfAttention2d(64), NonLocalBlock(64, subsample="after")),
    "who": lambda: draw.who_sees_whom(dict.fromkeys(["full", "criss-cross, once"], EYE)),
    "a row": lambda: draw.attention_on(*ROWS, [(2, 1)]),
    "rows": lambda: draw.attention_on(*ROWS, [(2, 1), (7, 7)]),
}


@pytest.mark.parametrize("name", [*CHARTS, *PICTURES])
def test_each_kind_fits_and_its_words_are_no_larger_than_the_page_s(name, shown):
    (CHARTS | PICTURES)[name]()
    text = svg(shown[0])
    assert least_width(text) <= PHONE
    assert max(map(float, figures_in_page.FONT_SIZE.findall(text))) <= LARGEST


@pytest.mark.parametrize("name", ["block.svg", "cousins.svg"])
def test_a_file_of_ones_own_fits(name):
    assert least_width((ROOT / "book/_static" / name).read_text(encoding="utf-8")) <= PHONE


def test_names_of_parts_stay_within_their_bars(shown):
    CHARTS["at the peak"]()
    (ax,) = shown[0].axes
    width = ax.patches[0].get_window_extent().width
    names = [t for t in ax.texts if t.get_text() in PARTS]
    assert len(names) == 12 and max(t.get_window_extent().width for t in names) < width
