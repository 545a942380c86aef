"""The proof's picture: both markers move by one step, and who is right follows from where."""

import matplotlib

matplotlib.use("Agg")

import pytest

from nonlocal_tut import draw

pytestmark = pytest.mark.usefixtures("shown")

OWN = {"round": 1, "square": -2}


def markers(ax):
    """{shape: (without the context, with it)}, from where they are drawn."""
    places = {}
    for line in ax.lines:
        if line.get_marker() in ("o", "s"):
            places.setdefault(line.get_marker(), []).append(line.get_xdata()[0])
    return {shape: tuple(found) for shape, found in places.items()}


def said(ax):
    """[(word, where)] of the verdicts."""
    return sorted((t.xy[0], t.get_text()) for t in ax.texts if t.get_text() in ("right", "wrong"))


def test_a_shared_context_moves_both_and_keeps_their_distance(shown):
    assert draw.one_context(OWN, {"here": 1, "twin": -3}) is None
    here, twin = shown[0].axes
    assert markers(here) == {"o": (1, 2), "s": (-2, -1)}
    assert markers(twin) == {"o": (1, -2), "s": (-2, -5)}
    for ax in (here, twin):
        assert "D = 3" in [t.get_text() for t in ax.texts]
    titles = [ax.get_title(loc="left") for ax in (here, twin)]
    assert titles == ["here: the context adds +1", "twin: the context adds −3"]


@pytest.mark.parametrize("added", [-5, -3, 0, 1.5, 4])
def test_in_the_twin_the_other_answers_are_right(added, shown):
    draw.one_context(OWN, {"here": added, "twin": added})
    round_here, square_here = OWN["round"] + added > 0, OWN["square"] + added < 0
    word = {True: "right", False: "wrong"}
    here, twin = ([w for _, w in said(ax)] for ax in shown[0].axes)  # square, then round
    assert here == [word[square_here], word[round_here]]
    assert twin == [word[not square_here], word[not round_here]]


def test_two_of_each_are_drawn():
    with pytest.raises(ValueError, match="two markers and two feature maps are drawn, not 2, 1"):
        draw.one_context(OWN, {"here": 1})
    with pytest.raises(ValueError, match="not 3, 2"):
        draw.one_context(OWN | {"third": 0}, {"here": 1, "twin": 1})
