"""The stereo task checked pixel by pixel, and the crops and decibels of the denoising task."""

import math
from itertools import product

import pytest
import torch
from drawn_data import seeded
from torch import nn
from torch.nn import functional as F

from nonlocal_tut.tasks import COLORS, answers
from nonlocal_tut.tasks.denoise import noisy_crops, psnr
from nonlocal_tut.tasks.stereo import CELL, CHANNELS, stereo, train


def pictures():
    return [torch.rand(90, 110, generator=seeded(9)), torch.rand(70, 120, generator=seeded(8))]


@pytest.mark.parametrize(("side", "shifts", "bands"), [(8, 4, 2), (6, 3, 3), (4, 1, 1)])
def test_each_left_cell_is_its_match_s_equal_and_asks_for_its_color(side, shifts, bands):
    given = {"side": side, "shifts": shifts, "bands": bands, "noise": 0.0}
    pairs = stereo(pictures(), 12, **given, generator=seeded())
    (maps, asked, color), width = pairs.examples, 2 * side + shifts
    assert maps.shape == (12, CHANNELS, side, width)
    for b, (row, column) in product(range(12), product(range(side), repeat=2)):
        ask = row * side + column
        assert asked[b, ask] == row * width + column
        there = divmod(pairs.match[b, ask].item(), width)
        assert there[0] == row and side <= there[1] < width
        here_pixels, there_pixels = (
            pairs.views[b, CELL * r : CELL * (r + 1), CELL * c : CELL * (c + 1)]
            for r, c in ((row, column), there)
        )
        assert torch.equal(here_pixels, there_pixels)
        torch.testing.assert_close(maps[b, : CELL**2, row, column], maps[b, : CELL**2, *there])
        one_hot = F.one_hot(color[b, ask], COLORS).float()
        assert torch.equal(maps[b, CELL**2 :, *there], one_hot)
    assert not maps[:, CELL**2 :, :, :side].any()  # the left view has no colors
    assert (maps[:, CELL**2 :, :, side:].sum(1) == 1).all()


def test_every_shift_is_drawn_and_rows_of_a_band_share_it():
    pairs = stereo(pictures(), 300, generator=seeded())
    found = (pairs.match - pairs.examples.marker - 8).view(300, 8, 8)
    assert set(found.unique().tolist()) == {0, 1, 2, 3, 4}
    for band in found.split(4, dim=1):
        assert (band == band[:, :1, :1]).all()
    assert (found[:, 0, 0] != found[:, 7, 0]).any()


def test_a_cell_has_neither_mean_nor_contrast_even_where_the_picture_is_flat():
    cells = stereo(pictures(), 20, generator=seeded()).examples.maps[:, : CELL**2]
    torch.testing.assert_close(cells.mean(1), torch.zeros_like(cells[:, 0]), atol=1e-6, rtol=0)
    torch.testing.assert_close(cells.std(1), torch.ones_like(cells[:, 0]), atol=1e-5, rtol=0)
    flat = stereo([torch.full((40, 80), 0.5)], 2, noise=0.0, generator=seeded())
    assert torch.isfinite(flat.examples.maps).all()


def test_the_two_views_get_a_noise_each():
    flat = [torch.full((40, 80), 0.5)]
    views = stereo(flat, 50, noise=0.1, generator=seeded()).views
    assert 0.095 < views.std().item() < 0.105
    assert (views[..., :32] != views[..., 32:64]).float().mean() > 0.99


def test_the_generator_alone_decides():
    before = torch.get_rng_state()
    draws = [stereo(pictures(), 5, generator=seeded(s)).views for s in (3, 3, 4)]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    noisy = [noisy_crops(pictures(), 5, 16, noise=0.1, generator=seeded(s))[0] for s in (3, 3, 4)]
    assert torch.equal(noisy[0], noisy[1]) and not torch.equal(noisy[0], noisy[2])
    assert torch.equal(torch.get_rng_state(), before)


class Knows(nn.Module):
    """Compares the patterns, and takes the color of the most similar cell of its own row."""

    def __init__(self):
        super().__init__()
        self.sure = nn.Parameter(torch.tensor(100.0))

    def forward(self, maps):
        cells, colors = maps[:, : CELL**2].permute(0, 2, 3, 1), maps[:, CELL**2 :]
        scores = self.sure * cells @ cells.mT  # (B, H, W, W)
        has_color = colors.sum(1)[:, :, None]  # (B, H, 1, W)
        weights = scores.masked_fill(has_color == 0, -torch.inf).softmax(-1)
        return (weights @ colors.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def test_comparing_patterns_answers_and_training_returns_the_net():
    net = train(Knows, pictures(), steps=1, batch=2)
    examples = stereo(pictures(), 20, generator=seeded(5)).examples
    assert (answers(net, examples).argmax(1) == examples.color).float().mean() > 0.95
    assert not net.training


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stereo(pictures(), 1, 8, bands=3, generator=seeded()), "bands must divide"),
        (lambda: stereo([torch.rand(31, 99)], 1, generator=seeded()), "32×64 or more, one is"),
        (lambda: noisy_crops([], 1, 8, noise=0.1, generator=seeded()), "one picture or more"),
        (
            lambda: noisy_crops([torch.rand(3, 9, 9)], 1, 8, noise=0.1, generator=seeded()),
            r"\(H, W\) of 8×8 or more, one is \(3, 9, 9\)",
        ),
    ],
)
def test_what_does_not_fit_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_crop_is_a_piece_of_a_picture_and_every_place_is_drawn():
    picture = torch.arange(30.0).view(5, 6)
    noisy, clean = noisy_crops([picture], 400, 4, noise=0.0, generator=seeded())
    assert torch.equal(noisy, clean) and clean.shape == (400, 1, 4, 4)
    corners = set(clean[:, 0, 0, 0].int().tolist())
    assert corners == {0, 1, 2, 6, 7, 8}
    for crop in clean[:20, 0]:
        row, column = divmod(int(crop[0, 0]), 6)
        assert torch.equal(crop, picture[row : row + 4, column : column + 4])


def test_the_noise_has_its_standard_deviation_and_psnr_is_known_by_hand():
    noisy, clean = noisy_crops(pictures(), 40, 32, noise=0.1, generator=seeded())
    assert math.isclose(psnr(noisy, clean), 20, abs_tol=0.1)  # -10 log10(0.1²)
    assert math.isclose(psnr(torch.full((4,), 0.5), torch.zeros(4)), 6.0206, abs_tol=1e-4)
    assert psnr(clean, clean) == math.inf
