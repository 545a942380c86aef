"""Attention on the brick wall: its rows are the module's, for every position and every switch."""

import base64
import io
import json
import re

import numpy as np
import pytest
import torch
from figure_script import Script, halves
from skimage.io import imread
from torch.nn import functional as F

from bench import pictures, wall
from nonlocal_tut import figures, pairwise, records
from nonlocal_tut.tasks.stereo import CHANNELS

SIDE, N, STRENGTH = 24, 576, 0.1
SWITCHES = [(of, keys) for of in ("patches", "new", "trained") for keys in ("all", "pooled")]
each_switch = pytest.mark.parametrize(("of", "keys"), SWITCHES)


@pytest.fixture(scope="module")
def script():
    return Script(figures.wall())


@pytest.fixture(scope="module")
def picture():
    return torch.from_numpy(pictures.pictures()["brick"]).double() / 255


def cells(picture):
    """As the stereo task has them: (1, 16, 24, 24), without their mean and contrast."""
    found = F.pixel_unshuffle(picture[None, None], 4)
    found = found - found.mean(1, keepdim=True)
    return found / found.std(1, keepdim=True).clamp(min=1e-6)


def operands(of, picture):
    """theta and phi, (1, N, d) each, in float64, from the numbers that the book keeps."""
    if of == "patches":
        patches = F.unfold(picture[None, None], 8, padding=2, stride=4).mT  # (1, N, 64)
        return patches, patches
    pixels = torch.cat([cells(picture).flatten(2), torch.ones(1, 1, N)], 1).mT  # (1, N, 17)
    kept = records.read("wall")["blocks"][of]
    unpacked = (halves(kept[name]) for name in ("theta", "phi"))
    theta, phi = (pixels @ numbers.double().view(32, 17).mT for numbers in unpacked)
    return theta, phi


def matrix(of, keys, picture):
    """The whole attention matrix, (N, N_keys), from the module."""
    theta, phi = operands(of, picture)
    if keys == "pooled":
        phi = F.max_pool2d(phi.mT.unflatten(2, (SIDE, SIDE)), 2).flatten(2).mT
    if of != "patches":
        return pairwise.affinity(theta, phi)[0]
    # minus the squared distance is a dot product, up to what all keys of a row share
    factor = 1 / (phi.shape[2] * STRENGTH**2)
    extended = torch.cat([2 * factor * theta, torch.ones(1, N, 1)], 2)
    lengths = -factor * phi.square().sum(2, keepdim=True)
    weights = pairwise.affinity(extended, torch.cat([phi, lengths], 2))[0]
    if keys == "all":  # a patch is as like itself as the next one is
        weights.fill_diagonal_(0)
        weights.diagonal().copy_(weights.amax(1))
        weights = weights / weights.sum(1, keepdim=True)
    return weights


@each_switch
def test_every_row_is_the_module_s(of, keys, script, picture):
    state = json.dumps({"from": of, "keys": keys})
    found = script.value(f"Array.from({{length: N}}, (_, i) => row({state}, i))")
    expected = matrix(of, keys, picture)
    assert expected.shape == (N, N if keys == "all" else N // 4)
    assert (torch.tensor(found, dtype=torch.float64) - expected).abs().max() < 1e-6


@each_switch
@pytest.mark.parametrize("at", [0, 10 * SIDE + 8, 333, N - 1])
def test_the_sentence_counts_what_the_row_holds(of, keys, at, script, picture):
    says, svg = script.draw({"from": of, "keys": keys, "at": at}, 0)
    row = matrix(of, keys, picture)[at]
    times = (row.max() * len(row)).item()
    held = (row.sort(descending=True).values.cumsum(0) < 0.5).sum().item() + 1
    assert f"row {at // SIDE}, column {at % SIDE} asks {len(row)} keys" in says
    assert f"is {times:.{1 if times < 10 else 0}f} times the average" in says
    assert f"half of all weight lies on {held} of them" in says
    drawn = sum(path.get("d").count("M") for path in svg.iterfind(".//{*}path[@fill-opacity]"))
    assert drawn == len(row), "each key has its color"
    assert ("without pooling" in says) == ((of, keys) == ("trained", "pooled"))


def test_the_brightest_cell_is_the_largest_weight(script, picture):
    _, svg = script.draw({"from": "trained", "keys": "all", "at": 248}, 0)
    *_, bright = svg.findall(".//{*}path[@fill-opacity]")
    at = matrix("trained", "all", picture)[248].argmax().item()
    x, y = map(int, re.match(r"M(\d+) (\d+)h", bright.get("d")).groups())
    assert ((y - 4) // 14, (x - 12) // 14) == (at // SIDE, at % SIDE)


@each_switch
def test_boxes_are_around_the_five_largest(of, keys, script, picture):
    _, svg = script.draw({"from": of, "keys": keys, "at": 333}, 0)
    side = SIDE if keys == "all" else SIDE // 2
    size = 14 * SIDE // side
    boxes = svg.findall(".//{*}rect[@stroke='#D55E00']")
    places = [((int(b.get("x")) - 12) // size, (int(b.get("y")) - 4) // size) for b in boxes]
    found = {y * side + x for x, y in places}
    assert found == set(matrix(of, keys, picture)[333].topk(5).indices.tolist())


@each_switch
def test_keys_and_pointer_move_the_query_and_stay_inside(of, keys, script):
    def touched(at, what):
        state = {"from": of, "keys": keys, "at": at}
        return script.value(f"figure.touch({json.dumps(state)}, 0, {json.dumps(what)})[0].at")

    assert touched(0, "ArrowDown") == SIDE and touched(0, "ArrowRight") == 1
    assert touched(0, "ArrowUp") == touched(0, "ArrowLeft") == 0
    assert touched(0, {"x": 12 + 14 * 8.5, "y": 4 + 14 * 10.5, "first": True}) == 248
    assert touched(0, {"x": 400, "y": 400, "first": False}) == N - 1


# --- where its numbers come from


def test_the_kept_pictures_are_scikit_image_s():
    made, kept = pictures.pictures(), records.read("pictures")["pictures"]
    assert set(made) == set(kept)
    for name, picture in made.items():
        assert picture.shape == (kept[name]["side"],) * 2
        file = base64.b64decode(kept[name]["bmp"])
        assert np.array_equal(imread(io.BytesIO(file), as_gray=True), picture)
    file = base64.b64decode(kept["brick"]["bmp"])
    assert file[pictures.HEAD :] == made["brick"].tobytes(), "as the script reads them"


def test_what_is_kept_of_a_block_gives_its_own_rows(picture):
    torch.manual_seed(5)
    net = wall.finder(CHANNELS, 1).double()
    for parameter in net.parameters():
        parameter.data.mul_(3)  # rows that differ
    pixels = cells(picture)
    look, block, _ = net
    with torch.no_grad():
        features = look(F.pad(pixels, (0, 0, 0, 0, 0, 4)))  # no cell has a color
        expected = block(features, return_attention=True)[1][0]
    ones = torch.ones(1, N, dtype=torch.float64)
    extended = torch.cat([pixels[0].flatten(1), ones])  # (17, N)
    theta, phi = ((wall.linear(net, name) @ extended).mT[None] for name in ("theta", "phi"))
    assert (pairwise.affinity(theta, phi)[0] - expected).abs().max() < 1e-12
    assert expected.max() * N > 5, "rows that say something"


def test_the_new_block_is_that_of_its_seed_and_the_trained_one_tells_cells_apart(picture):
    torch.manual_seed(wall.SEED)
    net = wall.finder(CHANNELS, 1)
    for name, packed in records.read("wall")["blocks"]["new"].items():
        assert torch.allclose(
            halves(packed).float().view(32, 17), wall.linear(net, name), atol=1e-3
        )
    itself = {
        of: matrix(of, "all", picture).argmax(1) == torch.arange(N) for of in ("new", "trained")
    }
    assert itself["new"].double().mean() < 0.1 and itself["trained"].double().mean() > 0.8
