"""A row over its picture: where it lies, what is marked, and what its numbers are."""

import matplotlib

matplotlib.use("Agg")

import pytest
import torch
from matplotlib.colors import to_hex

from nonlocal_tut import NonLocalBlock, draw
from nonlocal_tut.attention_maps import AttentionMap, attention_maps

pytestmark = pytest.mark.usefixtures("shown")


def rows(*weights, queries, keys, positions):
    """An AttentionMap of one image with these rows."""
    return AttentionMap(torch.tensor([weights]), queries, keys, positions)


def outlines(ax):
    """The corners of the boxes in the keys' color, and their size."""
    found = [p for p in ax.patches if to_hex(p.get_edgecolor()) == draw.PHI.lower()]
    return {p.get_xy() for p in found}, {(p.get_width(), p.get_height()) for p in found}


PICTURE = torch.linspace(0, 1, 24 * 40).view(24, 40)


def softmax_row(keys, largest):
    row = torch.full((keys,), 0.5 / (keys - len(largest)))
    row[largest] = 0.5 / len(largest)
    return row.tolist()


def test_a_row_is_enlarged_to_the_picture(shown):
    strongest = [0, 7, 8, 13, 14]
    found = rows(softmax_row(15, strongest), queries=(3, 5), keys=(3, 5), positions=((2, 1),))
    assert draw.attention_on(PICTURE, found, [(2, 1)]) is None
    ax, bar = shown[0].axes
    picture, row = ax.images
    assert torch.equal(torch.tensor(picture.get_array()), PICTURE.double())
    assert row.get_extent() == [-0.5, 39.5, 23.5, -0.5]  # as the picture's own
    assert row.get_array().shape == (3, 5)
    corners, sizes = outlines(ax)
    assert corners == {(w * 8 - 0.5, h * 8 - 0.5) for h, w in (divmod(k, 5) for k in strongest)}
    assert sizes == {(8, 8)}
    (query,) = ax.lines  # in the middle of the query's 8×8 pixels
    assert (*query.get_xdata(), *query.get_ydata()) == (11.5, 19.5)
    assert (query.get_color(), query.get_marker()) == (draw.THETA, "x")
    assert ax.get_title() == "query 2, 1"
    assert ax.get_xlabel() == "0.05 to 0.1\nsum 1"
    assert (row.norm.vmin, row.get_cmap().name) == (0, "cividis")
    assert [t.get_text() for t in bar.get_xticklabels()] == ["0", "0.1"]


def test_the_picture_stays_where_little_is_taken(shown):
    found = rows([0.0, 0.25, 0.75, 0.0], queries=(2, 2), keys=(2, 2), positions=((0, 0),))
    draw.attention_on(PICTURE[:, :24], found, [(0, 0)])
    alpha = shown[0].axes[0].images[1].get_alpha()
    assert alpha[1, 0] == alpha.max() == 0.85
    assert alpha[0, 0] == alpha.min() == 0.25


@pytest.mark.parametrize("pairwise", ["dot_product", "concatenation"])
def test_what_is_no_softmax_can_be_told(pairwise, shown):
    """A dot product's negative weights get colors of their own; the sum stands below."""
    torch.manual_seed(0)
    block = NonLocalBlock(8, pairwise=pairwise)
    found = attention_maps(block, torch.randn(1, 8, 6, 10))[""]
    draw.attention_on(PICTURE, found, [(1, 2)])
    row, (ax, _) = found.row(0, 1, 2), shown[0].axes
    drawn = ax.images[1]
    told = f"{row.min():.2g} to {row.max():.2g}\nsum {row.sum():.2g}"
    assert ax.get_xlabel() == told.replace("-", "−")
    assert abs(row.sum() - 1) > 0.1
    if pairwise == "dot_product":
        assert row.min() < 0
        size = row.abs().max().item()
        assert (drawn.norm.vmin, drawn.norm.vcenter, drawn.norm.vmax) == (-size, 0, size)
        low, middle, high = drawn.get_cmap()([0.0, 0.5, 1.0])[:, :3]
        assert min(middle) > 0.9 and abs(low - high).max() > 0.3
    else:
        assert drawn.norm.vmin == 0


@pytest.mark.parametrize("side, covered", [(6, 48), (7, 48)])
def test_pooled_keys_cover_two_queries_a_side_and_leave_out_an_odd_end(side, covered, shown):
    """A cell of the keys is 16 pixels, of the queries 8; of 7 queries the last has no key."""
    row = softmax_row(9, [4, 5, 6, 7, 8])
    found = rows(row, queries=(side, side), keys=(3, 3), positions=((5, 5),))
    draw.attention_on(torch.zeros(3, 8 * side, 8 * side), found, [(5, 5)])
    ax = shown[0].axes[0]
    assert ax.images[1].get_extent() == [-0.5, covered - 0.5, covered - 0.5, -0.5]
    assert outlines(ax)[1] == {(16, 16)}
    assert (*ax.lines[0].get_xdata(), *ax.lines[0].get_ydata()) == (43.5, 43.5)
    assert ax.get_xlim() == (-0.5, 8 * side - 0.5)


def test_a_box_that_the_cross_would_hide_is_larger_around_the_same_middle(shown):
    largest = [0, 4, 250, 300, 575]  # of 24×24 keys, each one pixel of the picture
    found = rows(softmax_row(576, largest), queries=(24, 24), keys=(24, 24), positions=((10, 10),))
    draw.attention_on(PICTURE[:, :24], found, [(10, 10)])
    boxes = [p for p in shown[0].axes[0].patches if to_hex(p.get_edgecolor()) == draw.PHI.lower()]
    (own,) = (p for p in boxes if p.get_width() > 1)
    assert own.get_center() == pytest.approx((10, 10))
    assert len(boxes) == 5 and {(p.get_width(), p.get_height()) for p in boxes if p != own} == {
        (1, 1)
    }
    (cross,) = shown[0].axes[0].lines
    points = own.get_window_extent().width / shown[0].dpi * 72
    assert points > cross.get_markersize() + 5


def places(figure, count):
    """(row, column) of the first axes in their figure's grid."""
    specs = [ax.get_subplotspec() for ax in figure.axes[:count]]
    return [(s.rowspan.start, s.colspan.start) for s in specs]


def test_of_three_rows_the_last_stands_below_and_of_wide_ones_all(shown):
    found = AttentionMap(torch.rand(1, 4, 4), (2, 2), (2, 2))
    draw.attention_on(PICTURE[:, :24], found, [(0, 0), (1, 1), (1, 0)])
    draw.attention_on(PICTURE, found, [(0, 0), (1, 1)])
    square, wide = shown
    assert len(square.axes) == 6  # with a color bar each, and no empty panel
    assert places(square, 3) == [(0, 0), (0, 1), (1, 0)]
    assert places(wide, 2) == [(0, 0), (1, 0)]


def test_the_numbers_below_two_rows_do_not_run_together(shown):
    found = AttentionMap(torch.full((1, 4, 4), 0.00059), (2, 2), (2, 2))
    draw.attention_on(PICTURE[:, :24], found, [(0, 0), (1, 1)])
    _, _, left, right = shown[0].axes
    end, start = left.get_xticklabels()[-1], right.get_xticklabels()[0]
    assert (end.get_text(), start.get_text()) == ("0.00059", "0")
    line = end.get_window_extent().height
    assert start.get_window_extent().x0 - end.get_window_extent().x1 > 2 * line


def test_rows_stand_side_by_side_and_b_picks_the_image(shown):
    weights = torch.rand(2, 4, 4)
    found = AttentionMap(weights, (2, 2), (2, 2))
    draw.attention_on(PICTURE[:, :24], found, [(0, 0), (1, 1), (1, 0)], b=1)
    axes = shown[0].axes[:3]
    assert [ax.get_title() for ax in axes] == ["query 0, 0", "query 1, 1", "query 1, 0"]
    for ax, i in zip(axes, (0, 3, 2), strict=True):
        expected = weights[1, i].double().view(2, 2)
        assert torch.equal(torch.tensor(ax.images[1].get_array()), expected)


@pytest.mark.parametrize("picture", [(225, 300), (256, 320), (250, 290), (8, 10)])
def test_a_stride_may_round_the_picture_up_or_down(picture, shown):
    found = rows([0.0] * 80, queries=(8, 10), keys=(8, 10), positions=((7, 9),))
    draw.attention_on(torch.zeros(picture), found, [(7, 9)])
    assert len(shown) == 1


@pytest.mark.parametrize("picture", [(64, 64), (10, 8), (4, 5), (256, 256)])
def test_an_image_of_another_size(picture):
    found = rows([0.0] * 80, queries=(8, 10), keys=(8, 10), positions=((7, 9),))
    told = rf"image of \({picture[0]}, {picture[1]}\) does not fit a feature map of \(8, 10\)"
    with pytest.raises(ValueError, match=told):
        draw.attention_on(torch.zeros(picture), found, [(7, 9)])


def test_what_cannot_be_drawn_says_so():
    found = rows([0.25] * 4, queries=(2, 2), keys=(2, 2), positions=((0, 1),))
    sequence = rows([0.25] * 4, queries=(4,), keys=(4,), positions=((1,),))
    with pytest.raises(ValueError, match=r"image must be \(H, W\), .*, not \(4, 8, 8\)"):
        draw.attention_on(torch.zeros(4, 8, 8), found, [(0, 1)])
    with pytest.raises(ValueError, match=r"attention_map must be of .* \(H, W\), not \(4,\)"):
        draw.attention_on(torch.zeros(8, 8), sequence, [(1,)])
    with pytest.raises(ValueError, match="positions must name one position or more"):
        draw.attention_on(torch.zeros(8, 8), found, [])
    with pytest.raises(ValueError, match=r"position \(2, 0\) is outside a feature map of \(2, 2\)"):
        draw.attention_on(torch.zeros(8, 8), found, [(2, 0)])
    with pytest.raises(ValueError, match=r"\(0, 0\) was not asked for"):
        draw.attention_on(torch.zeros(8, 8), found, [(0, 0)])
    with pytest.raises(ValueError, match="b must be 0 … 0, not 1"):
        draw.attention_on(torch.zeros(8, 8), found, [(0, 1)], b=1)
