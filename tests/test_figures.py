"""The moving figures: their numbers are the module's; each frame is a picture and a sentence."""

import json
from itertools import product

import pytest
import still_frames
import torch
from book_links import OTHER_HOST
from figure_script import Script, halves
from normal_form import LOCAL_PATH

from bench.nets import makers
from nonlocal_tut import SelfAttention2d, figures, memory, pairwise, records, tasks
from nonlocal_tut.figures.tiles import SCORES, VALUES
from nonlocal_tut.figures.timeline import ASKED, LINES, TENSORS, run
from nonlocal_tut.memory.calculator import GPUS
from nonlocal_tut.memory.sums import running

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
    figure = getattr(figures, name)()
    html, files = figure._repr_html_(), [f"{name}.js", "player.js", *["unpack.js"] * figure.packed]
    scripts = [figures.player.read(file) for file in files]
    assert all(script in html for script in scripts)
    assert sum(len(script.encode()) for script in scripts) < 20_000
    assert len(html.encode()) < 90_000
    assert not OTHER_HOST.search(html) and not LOCAL_PATH.search(html)
    assert "eval(" not in html and "fetch(" not in html


@each_figure
def test_where_scripts_are_off_a_frame_stands_there(name):
    assert figures.player.read(f"{name}.html") == still_frames.still(name)
    assert set(still_frames.TELLING) == set(NAMES)
    assert "in a page with scripts" in repr(getattr(figures, name)())


# --- chapter 1's nets


@pytest.fixture(scope="module")
def nets():
    """The nets of the figure in torch, with the weights that the figure has, as float64."""
    found = {}
    for name, kept in records.read("nets")["nets"].items():
        net = makers()[name]().double()
        state = {
            key: halves(packed).double().view(net.state_dict()[key].shape)
            for key, packed in kept["weights"].items()
        }
        net.load_state_dict(state)
        found[name] = net.eval()
    return found


@pytest.mark.parametrize("name", ["1 conv", "2 convs", "1 conv + block"])
def test_live_answers_as_torch_does_on_a_hundred_feature_maps(name, nets, scripts):
    examples = tasks.remote_copy(100, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = nets[name](examples.maps.double()).flatten(2)  # (100, 4, N)
    for maps, logits in zip(examples.maps.flatten(2).tolist(), expected, strict=True):
        found = scripts["live"].value(f"run({json.dumps(name)}, {json.dumps(maps)}, null).logits")
        assert (torch.tensor(found, dtype=torch.float64) - logits).abs().max() < 1e-5


def test_live_rows_are_the_block_s(nets, scripts):
    example = tasks.remote_copy(1, generator=torch.Generator().manual_seed(2))
    look, block, _ = nets["1 conv + block"]
    with torch.no_grad():
        _, weights = block(look(example.maps.double()), return_attention=True)
    maps = json.dumps(example.maps[0].flatten(1).tolist())
    rows = scripts["live"].value(f"run('1 conv + block', {maps}, null).rows")
    assert (torch.tensor(rows, dtype=torch.float64) - weights[0]).abs().max() < 1e-8


@pytest.mark.parametrize(("name", "radius"), [("1 conv", 1), ("2 convs", 2)])
def test_live_shows_the_cliff_where_arithmetic_says(name, radius, scripts):
    right = {}
    for far in (radius, radius + 1):
        state = {"net": name, "gamma": "trained", "dot": 6 * 12 + 5, "marker": 6 * 12 + 5 + far}
        asked = [json.dumps(state | {"color": str(color)}) for color in range(4)]
        right[far] = [scripts["live"].value(f"answer({a}).said") for a in asked]
    assert right[radius] == [0, 1, 2, 3]
    assert len(set(right[radius + 1])) == 1, "beyond its field the net cannot tell dots apart"
    assert records.read("nets")["nets"][name]["radius"] == radius


def test_live_moves_what_is_asked_and_never_one_onto_the_other(scripts):
    state = {"net": "1 conv", "moved": "dot", "dot": 0, "marker": 1, "color": "0"}

    def touched(what):
        return scripts["live"].value(f"figure.touch({json.dumps(state)}, 0, {json.dumps(what)})[0]")

    assert touched("ArrowDown")["dot"] == 12 and touched("ArrowUp")["dot"] == 0
    assert touched("ArrowRight")["dot"] == 0, "the marker is there"
    far = touched({"x": 18 + 11.5 * 27, "y": 6 + 11.5 * 27, "first": True})
    assert far["marker"] == 143 and far["moved"] == "marker", "the nearer of the two is taken"


# --- the byte timeline

FORMS = memory.VARIANTS | {"fused": SelfAttention2d}
SIZES = [(1, 64, 32), (2, 64, 64), (1, 256, 96), (3, 40, 21), (1, 16, 25)]


def predicted(form, B, C, side):
    return memory.predict(lambda: FORMS[form](C), (B, C, side, side))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("form", LINES)
def test_timeline_has_the_bytes_of_every_step_as_predicted(form, size, scripts):
    B, C, side = size
    assert (B, C) != ASKED[:2], "the sizes that the figure was made from prove nothing"
    report = predicted(form, *size)
    script = scripts["timeline"]
    told = f"'{form}', {B}, {C}, {side}"
    every = script.value(f"curve(lives({told}, Infinity))")
    assert every == running(report.timeline, [a.bytes for a in report.timeline])
    shown = script.value(f"curve(lives({told}))")  # with one turn of the loop over blocks
    assert max(shown) == report.peak_bytes
    assert script.value(f"kept('{form}', lives({told}))") == report.saved_bytes


def test_timeline_has_the_peak_of_every_choice(scripts):
    for form, B, C, side in product(LINES, (1, 2, 8), (64, 256), (32, 64, 96, 128, 256)):
        told = f"'{form}', {B}, {C}, {side}"
        formula = memory.closed_form(form, B, C, side, side)
        script = scripts["timeline"]
        assert script.value(f"Math.max(...curve(lives({told})))") == formula.peak_bytes, told
        assert script.value(f"kept('{form}', lives({told}))") == formula.saved_bytes, told
        share = 100 * (formula.peak_bytes + 8 * B * C * side**2) / (14.5 * 2**30)
        state = {"form": form, "B": B, "C": C, "side": side, "card": "T4"}
        _, svg = script.draw(state, 0)
        (verdict,) = [t.text for t in svg.iter() if (t.text or "").startswith("T4: ")]
        assert ("does not fit" in verdict) == (share > 100), told


def test_timeline_shows_what_was_there_before_however_little_it_is(scripts):
    for side, card in product((32, 256), ("T4", max(GPUS, key=GPUS.get))):
        state = {"form": "article", "B": 1, "C": 64, "side": side, "card": card}
        _, svg = scripts["timeline"].draw(state, 0)
        (before,) = [part for part in svg.iter() if part.get("height") == "20"]
        assert float(before.get("width")) >= 3 and before.get("fill") == "var(--input)"


def test_timeline_has_room_for_the_longest_card(scripts):
    card = max(GPUS, key=len)
    for B, side in product((1, 8), (32, 64, 256)):
        state = {"form": "article", "B": B, "C": 64, "side": side, "card": card}
        _, svg = scripts["timeline"].draw(state, 0)
        (verdict,) = [t.text for t in svg.iter() if (t.text or "").startswith(card)]
        assert len(verdict) <= 50, f"wider than the picture: {verdict}"


@pytest.mark.parametrize("form", LINES)
def test_timeline_lights_the_line_that_asked_and_names_the_tensor(form):
    B, C, H, W = ASKED
    turns = ("means = ", "p = ", "ds = ")  # of the loop over blocks: the first is shown
    found = {}
    for n, a in enumerate(memory.predict(lambda: FORMS[form](C), ASKED).timeline):
        found.setdefault((a.line, a.operation) if a.line.startswith(turns) else n, a)
    starts = [start for _, start in LINES[form].values()]
    known = {name for names in TENSORS.values() for name, _ in names}
    kinds = {"theta", "phi", "g", "out", "input", "matrix", "hidden"}
    for a, row in zip(found.values(), run(form)["allocations"], strict=True):
        name, color, size, line, *_ = row
        assert a.line.startswith((*starts[line], "return _rows(x)")) or a.line == "", name
        assert color in kinds and (color == "hidden") == a.hidden
        assert name in known or a.shape == (), f"{name} has no name"
        assert (color == "matrix") == (size == "block" or a.shape == (B, H * W, H * W)) or a.hidden
    assert max(len(text) for text in run(form)["lines"]) <= 44, "it is cut on a phone"


def test_timeline_hides_one_copy_of_the_matrix_as_written_and_none_when_swapped(scripts):
    for form, copies in {"article": 1, "swapped": 0, "dot_product": 0, "fused": 0}.items():
        found = scripts["timeline"].value(f"lives('{form}', 1, 64, 64)")
        hidden = [x for x in found if x["color"] == "hidden" and x["bytes"] == 4 * 64**4]
        assert len(hidden) == copies
    says, svg = scripts["timeline"].draw(
        {"form": "article", "B": 1, "C": 64, "side": 64, "card": "T4"}, 26
    )
    assert says == (
        "Step 27 of 47, backward: 64 MiB allocated (hidden copy of weights' gradient); "
        "258.3 MiB are alive, the peak."
    )
    assert any(part.get("fill") == "url(#hidden-copy)" for part in svg.iter())


def test_timeline_takes_the_step_below_the_pointer_and_follows_the_arrows(scripts):
    state = json.dumps({"form": "article", "B": 1, "C": 64, "side": 64, "card": "T4"})

    def touched(what):
        return scripts["timeline"].value(f"figure.touch({state}, 5, {json.dumps(what)})[1]")

    assert touched("ArrowRight") == 6 and touched("ArrowLeft") == 4
    assert touched({"x": 336 * 26.5 / 47, "y": 100, "first": True}) == 26
    assert touched({"x": 300, "y": 300, "first": True}) == 5, "the list is no scrubber"


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


def test_a_row_that_has_not_begun_has_dashes_below_the_heads(scripts):
    for frame, empty in ((0, 6), (1, 4), (9, 0)):
        _, svg = scripts["tiles"].draw({"order": "rows"}, frame)
        assert [text.text for text in svg.iter()].count("–") == 3 * empty


def test_each_tile_is_computed_once_in_every_order(scripts):
    for order in ("rows", "back", "odd"):
        cells = [
            tuple(c) for n in range(9) for c in scripts["tiles"].value(f"cells('{order}', {n})")
        ]
        assert sorted(cells) == [(i, j) for i in range(6) for j in range(6)]
