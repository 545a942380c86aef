"""The two blocks side by side: what is lit is what differs, read from the blocks themselves."""

import matplotlib

matplotlib.use("Agg")

import pytest

from nonlocal_tut import NonLocalBlock, SelfAttention2d, draw

pytestmark = pytest.mark.usefixtures("shown")
GREY = matplotlib.colors.to_rgba("#999999")


def lit(figure):
    """For the left and the right column: the texts in boxes whose edge has a color."""
    (ax,) = figure.axes
    columns = [], []
    for box in ax.patches:
        (x, y), width, height = box.get_xy(), box.get_width(), box.get_height()
        inside = [
            t.get_text()
            for t in ax.texts
            if t.get_position() == pytest.approx((x + width / 2, y + height / 2))
        ]
        text = "\n".join(inside)
        if box.get_edgecolor() != GREY:
            columns[x > 3.2].append(text)
    return columns


def test_the_article_and_the_paper_differ_in_all_but_the_input_and_the_sum(shown):
    assert draw.two_blocks(SelfAttention2d(64), NonLocalBlock(64, subsample="after")) is None
    left, right = lit(shown[0])
    assert left[:3] == ["query\nC/8", "key\nC/8", "value\nC"]
    assert left[3:] == [
        "none",
        "scores, softmax\nN × N",
        "weighted mean\nC",
        "none",
        "× γ, 0 at first",
    ]
    assert right[:3] == ["theta\nC/2", "phi\nC/2", "g\nC/2"]
    assert right[3:] == [
        "2×2 max pool",
        "scores, softmax\nN × N/4",
        "weighted mean\nC/2",
        "w_z: C/2 → C",
        "batch norm, 0 at first",
    ]


def test_what_two_blocks_share_stays_grey(shown):
    draw.two_blocks(SelfAttention2d(16, 2), NonLocalBlock(16, norm=False))
    left, right = lit(shown[0])
    assert left == ["value\nC", "weighted mean\nC", "none", "× γ, 0 at first"]
    assert right == ["g\nC/2", "weighted mean\nC/2", "w_z: C/2 → C", "w_z is 0 at first"]


@pytest.mark.parametrize(("inner", "said"), [(16, "C"), (2, "C/8"), (5, "5")])
def test_a_width_is_said_as_a_part_of_the_channels(inner, said, shown):
    draw.two_blocks(SelfAttention2d(16), NonLocalBlock(16, inner))
    (ax,) = shown[0].axes
    texts = [t.get_text() for t in ax.texts]
    assert texts[texts.index("theta") + 1] == said


def test_another_form_is_refused():
    with pytest.raises(ValueError, match="must be of the form 'embedded_gaussian', not 'gaussian'"):
        draw.two_blocks(SelfAttention2d(16), NonLocalBlock(16, pairwise="gaussian"))
