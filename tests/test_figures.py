"""The moving figures: their numbers are the module's; each frame is a picture and a sentence."""

import pytest
import still_frames
import torch
from book_links import OTHER_HOST
from moving_figures import Script
from normal_form import LOCAL_PATH

from nonlocal_tut import figures, pairwise
from nonlocal_tut.figures.tiles import SCORES, VALUES

NAMES = [name for name in figures.__all__ if name != "Figure"]
each_figure = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def scripts():
    return {name: Script(getattr(figures, name)()) for name in NAMES}


@each_figure
def test_every_frame_is_a_picture_with_a_name_and_a_sentence(name, scripts):
    script = scripts[name]
    for choice in script.choices():
        frames = script.frames(choice)
        assert frames >= 1
        for frame in {0, 1, frames // 2, frames - 1} & set(range(frames)):
            says, svg = script.draw(choice, frame)
            assert svg.get("role") == "img" and len(svg.get("aria-label")) >= 20
            assert 20 < len(says) < 260 and says.endswith((".", "?", ")"))
            assert float(svg.get("viewBox").split()[2]) <= 360, "its text would shrink on a phone"


@each_figure
def test_it_is_small_and_asks_no_other_host(name):
    html = getattr(figures, name)()._repr_html_()
    own = html.replace(figures.player.read("player.js"), "")
    assert len(own.encode()) < 20_000
    assert not OTHER_HOST.search(html) and not LOCAL_PATH.search(html)
    assert "eval(" not in html and "fetch(" not in html


@each_figure
def test_where_scripts_are_off_a_frame_stands_there(name):
    assert figures.player.read(f"{name}.html") == still_frames.still(name)
    assert set(still_frames.TELLING) == set(NAMES)
    assert "in a page with scripts" in repr(getattr(figures, name)())


# --- tile by tile


def attention():
    """Softmax over SCORES, from the module: theta = SCORES, phi = the identity."""
    scores = torch.tensor(SCORES, dtype=torch.float64)[None]
    values = torch.tensor(VALUES, dtype=torch.float64)[None, :, None]
    return pairwise.attend(scores, torch.eye(6, dtype=torch.float64)[None], values)[0, :, 0]


@pytest.mark.parametrize("order", ["rows", "back", "odd"])
def test_tiles_end_with_the_outputs_of_the_module(order, scripts):
    rows = scripts["tiles"].value(f"state('{order}', 9)")
    shown = torch.tensor([row["output"] for row in rows], dtype=torch.float64)
    assert torch.allclose(shown, attention(), atol=1e-12)


@pytest.mark.parametrize("order", ["rows", "back", "odd"])
@pytest.mark.parametrize("done", range(1, 10))
def test_tiles_keep_the_sums_of_the_keys_seen_so_far(order, done, scripts):
    seen = [[False] * 6 for _ in range(6)]
    for n in range(done):
        for i, j in scripts["tiles"].value(f"cells('{order}', {n})"):
            seen[i][j] = True
    rows = scripts["tiles"].value(f"state('{order}', {done})")
    for i, row in enumerate(rows):
        keys = [j for j in range(6) if seen[i][j]]
        if not keys:
            assert row["output"] is None
            continue
        scores = torch.tensor([SCORES[i][j] for j in keys], dtype=torch.float64)
        values = torch.tensor([VALUES[j] for j in keys], dtype=torch.float64)
        assert row["largest"] == scores.max()
        assert row["sum"] == pytest.approx((scores - scores.max()).exp().sum().item(), abs=1e-12)
        expected = (scores.softmax(0) * values).sum().item()
        assert row["output"] == pytest.approx(expected, abs=1e-12)


def test_each_tile_is_computed_once_in_every_order(scripts):
    for order in ("rows", "back", "odd"):
        cells = [
            tuple(c) for n in range(9) for c in scripts["tiles"].value(f"cells('{order}', {n})")
        ]
        assert sorted(cells) == [(i, j) for i in range(6) for j in range(6)]
