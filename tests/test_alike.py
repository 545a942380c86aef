"""Who sees whom: what each block does to a scene, known beforehand, and how that is drawn."""

from functools import partial

import matplotlib

matplotlib.use("Agg")

import pytest
import torch

from nonlocal_tut import NonLocalBlock, draw
from nonlocal_tut.cousins import COUSINS, CrissCross
from nonlocal_tut.cousins.alike import ASKS, SIDE, seen, where

pytestmark = pytest.mark.usefixtures("shown")
A, B, HERE = where("A"), where("B"), where("A") & False
HERE[ASKS] = True
CROSS = torch.zeros(SIDE, SIDE, dtype=torch.bool)
CROSS[ASKS[0]] = CROSS[:, ASKS[1]] = True


def test_things_lie_apart_and_the_one_that_asks_is_an_a():
    assert (A.sum(), B.sum(), (A & B).sum(), A[ASKS]) == (12, 4, 0, True)


def test_the_full_block_sees_its_like_alike():
    mask = seen(partial(NonLocalBlock, norm=False))
    assert torch.allclose(mask[A & ~HERE], torch.ones(11, dtype=torch.float64))
    assert mask[~A].max() < 0.01


def test_a_context_of_all_sees_what_it_shows_to_all():
    mask = seen(COUSINS["global context"])
    assert (mask[B] == mask[B].max()).all() and mask[~B].max() < 0.1


def test_pooled_keys_see_one_in_four():
    mask = seen(COUSINS["pooled keys"])
    windows = torch.nn.functional.avg_pool2d((mask > 0.5).double()[None], 2)[0]
    pooled = torch.nn.functional.avg_pool2d(A.double()[None], 2)[0] == 1
    assert (windows[pooled] == 0.25).all() and (windows[~pooled] == 0).all()


def test_one_pass_sees_nothing_beside_its_row_and_column_and_two_do():
    once, twice = seen(partial(CrissCross, passes=1)), seen(COUSINS["criss-cross"])
    assert (once[~CROSS] == 0).all() and once[A & CROSS & ~HERE].min() > 0.99
    assert 0.01 < twice[A & ~CROSS].min() < 0.5


def test_nothing_is_left_to_chance():
    torch.manual_seed(0)
    first = {name: seen(make) for name, make in COUSINS.items()}
    assert all(torch.equal(mask, seen(COUSINS[name])) for name, mask in first.items())


def test_they_are_drawn_in_rows_of_three_with_their_names(shown):
    masks = {name: seen(make) for name, make in COUSINS.items()}
    assert draw.who_sees_whom(masks) is None
    scene, *others = shown[0].axes
    assert {t.get_text() for t in scene.texts} == {"A", "B"}
    assert [ax.get_title() for ax in others] == [*COUSINS, "", ""]
    for ax, mask in zip(others, masks.values(), strict=False):
        assert (ax.images[0].get_array() == mask.numpy()).all() and ax.images[0].get_clim() == (
            0,
            1,
        )
        (cross,) = ax.lines
        assert (*cross.get_ydata(), *cross.get_xdata()) == ASKS


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"'a' must be a mask \(12, 12\), not \(3, 3\)"):
        draw.who_sees_whom({"a": torch.eye(3)})
