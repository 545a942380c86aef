"""The online softmax's picture has the numbers of a softmax; brackets stand where they are said."""

import matplotlib

matplotlib.use("Agg")

import pytest
import torch

from nonlocal_tut import draw

pytestmark = pytest.mark.usefixtures("shown")


def columns(figure):
    """What stands in each key's boxes, from top to bottom."""
    found = {}
    for text in figure.axes[0].texts:
        x, y = text.get_position()
        if text.get_text() and x == int(x) and y >= 0:
            found.setdefault(int(x), []).append(text.get_text())
    return [found[key] for key in sorted(found)]


@pytest.mark.parametrize("scores", [(1, 3, 2), (5, 4, 3, 2), (-1, 0, 1, 2, 3), (700, 800)])
def test_the_outputs_are_those_of_a_softmax_over_the_keys_so_far(scores, shown):
    values = (10, 20, 40, 5, 7)[: len(scores)]
    assert draw.online(scores, values) is None
    for key, column in enumerate(columns(shown[0])):
        s, v = (torch.tensor(t[: key + 1]).double() for t in (scores, values))
        assert column[2] == f"{s.max():g}"
        assert column[4] == f"{(s - s.max()).exp().sum():.2f}"
        assert column[6] == f"{s.softmax(0) @ v:.1f}"


def test_a_larger_score_shrinks_what_was_summed(shown):
    draw.online((1, 3, 2), (10, 20, 40))
    factors = [t.get_text() for t in shown[0].axes[0].texts if t.get_text().startswith("×")]
    assert factors == ["× 0.14", "× 0.14", "× 1.00", "× 1.00"]


@pytest.mark.parametrize("values", [(), (1, 2), (1,) * 6])
def test_every_score_has_a_value(values):
    with pytest.raises(ValueError, match=f"need a value each: 3, {len(values)}"):
        draw.online((1, 3, 2), values)


def test_brackets_are_drawn_to_scale(shown):
    assert draw.brackets() is None
    (ax,) = shown[0].axes
    names = [t.get_text() for t in ax.texts if "·" not in t.get_text()]
    assert names.count("N×N") == names.count("C'×C'") == 1 and names.count("theta") == 2
    sizes = sorted((round(p.get_width(), 2), round(p.get_height(), 2)) for p in ax.patches)
    assert sizes[0][0] == sizes[0][1] and sizes[-1][0] == sizes[-1][1] > 2 * sizes[0][0]
