"""What holds for every size: Hypothesis draws the sizes, always the same ones."""

import pytest
import random_numbers
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_numbers import normal

from nonlocal_tut import NonLocalBlock, SelfAttention2d
from nonlocal_tut import receptive_field as rf
from nonlocal_tut.cousins import COUSINS
from nonlocal_tut.pairwise import ATTENTION, PAIRWISE, SOFTMAX, affinity, attend, small

SWITCHES = ("pairwise", "attention", "subsample", "norm", "dims")


def few(examples):
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


def awake(block):
    return random_numbers.awake(block.double(), std=0.5).eval()


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@st.composite
def operands(draw):
    """theta (B, N, d), phi (B, M, d), g (B, M, dv), w_f (2d,), of any sizes."""
    batch, n, m, d, dv = (draw(st.integers(1, most)) for most in (3, 12, 12, 5, 5))
    seed = draw(st.integers(0, 99))
    shapes = (batch, n, d), (batch, m, d), (batch, m, dv), (2 * d,)
    return [normal(*shape, seed=seed + i) for i, shape in enumerate(shapes)]


@st.composite
def blocks(draw):
    """A block under any switches, and an input that fits it."""
    pairwise, attention = draw(st.sampled_from(PAIRWISE)), draw(st.sampled_from(ATTENTION))
    subsample, norm = draw(st.sampled_from([None, "after", "before"])), draw(st.booleans())
    dims, channels = draw(st.integers(1, 3)), draw(st.integers(2, 6))
    switches = dict(zip(SWITCHES, (pairwise, attention, subsample, norm, dims), strict=True))
    sides = [draw(st.integers(2, 5)) for _ in range(dims)]
    block = NonLocalBlock(channels, draw(st.integers(1, 4)), **switches)
    return awake(block), normal(draw(st.integers(1, 3)), channels, *sides, seed=7)


def form(w_f, pairwise):
    return {"w_f": w_f if pairwise == "concatenation" else None, "pairwise": pairwise}


@few(60)
@given(blocks())
def test_a_block_returns_the_shape_it_takes_and_the_matrix_queries_by_keys(drawn):
    block, x = drawn
    y, matrix = block(x, return_attention=True)
    *time, height, width = [1, *x.shape[2:]]  # a sequence has one row, which is not pooled
    pooled = (max(height // 2, 1), width // 2) if block.subsample else (height, width)
    keys = torch.Size([*time, *pooled]).numel()
    assert y.shape == x.shape
    assert matrix.shape == (len(x), x[0, 0].numel(), keys)
    close(y, block(x))


@pytest.mark.parametrize("name", COUSINS)
@few(6)
@given(st.integers(1, 3), st.integers(2, 9), st.integers(2, 9))
def test_a_cousin_returns_the_shape_it_takes(name, batch, height, width):
    x = normal(batch, 8, height, width)
    assert awake(COUSINS[name](8, 8))(x).shape == x.shape


@few(60)
@given(operands(), st.sampled_from(PAIRWISE), st.sampled_from(ATTENTION), st.randoms())
def test_moved_queries_move_the_output_and_moved_keys_do_not(given_, pairwise, attention, chance):
    theta, phi, g, w_f = given_
    switches = {**form(w_f, pairwise), "attention": attention}
    y = attend(theta, phi, g, **switches)
    queries = chance.sample(range(theta.shape[1]), theta.shape[1])
    keys = chance.sample(range(phi.shape[1]), phi.shape[1])
    close(attend(theta[:, queries], phi[:, keys], g[:, keys], **switches), y[:, queries])


@few(30)
@given(blocks(), st.randoms())
def test_a_block_without_a_pool_commutes_with_any_permutation_of_positions(drawn, chance):
    block, x = drawn
    block.subsample = None
    order = chance.sample(range(x[0, 0].numel()), x[0, 0].numel())

    def moved(maps):
        return maps.flatten(2)[:, :, order].view_as(maps)

    close(block(moved(x)), moved(block(x)))


@few(40)
@given(operands(), st.sampled_from(SOFTMAX))
def test_rows_of_a_softmax_sum_to_one_and_hold_no_negative_weight(given_, pairwise):
    theta, phi, _, _ = given_
    matrix = affinity(theta, phi, pairwise=pairwise)
    close(matrix.sum(dim=2), torch.ones(matrix.shape[:2], dtype=matrix.dtype))
    assert (matrix >= 0).all()


@pytest.mark.parametrize("kernel", [False, True], ids=["small", "kernel"])
@few(60)
@given(operands(), st.sampled_from(PAIRWISE))
def test_the_three_ways_are_the_matrix_times_the_values(kernel, monkeypatch, given_, pairwise):
    theta, phi, g, w_f = given_
    monkeypatch.setattr(small, "SMALL", 0 if kernel else 2**16)
    expected = affinity(theta, phi, **form(w_f, pairwise)) @ g
    for attention in ATTENTION:
        close(attend(theta, phi, g, **form(w_f, pairwise), attention=attention), expected)


@few(20)
@given(st.integers(1, 3), st.integers(2, 7), st.integers(2, 7), st.sampled_from([1, 2, 4]))
def test_the_three_ways_of_the_articles_block_agree(batch, height, width, reduction):
    x = normal(batch, 4, height, width)
    ways = [awake(SelfAttention2d(4, reduction, attention=a))(x) for a in ATTENTION]
    close(ways[0], ways[1])
    close(ways[0], ways[2])


@few(40)
@given(operands())
def test_the_dot_product_s_brackets_may_stand_either_way(given_):
    theta, phi, g, _ = given_
    left = (theta @ phi.mT / phi.shape[1]) @ g
    right = theta @ (phi.mT @ g / phi.shape[1])
    close(left, right)
    for attention in ATTENTION:
        close(attend(theta, phi, g, pairwise="dot_product", attention=attention), left)


@few(60)
@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 3), st.integers(1, 3)),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 5),
)
def test_the_receptive_field_is_the_set_of_positions_that_windows_reach(layers, position):
    """Walked back from one output: a layer turns a position into those that its window covers."""
    field = rf.theoretical(layers)
    seen = {position}
    for kernel, stride, padding, dilation in reversed(layers):
        seen = {y * stride - padding + tap * dilation for y in seen for tap in range(kernel)}
    assert (min(seen), max(seen)) == (
        position * field.stride - field.padding,
        position * field.stride - field.padding + field.size - 1,
    )
    assert field.center(position) == (min(seen) + max(seen)) / 2


@few(8)
@given(
    st.lists(
        st.tuples(st.sampled_from([1, 2, 3]), st.integers(1, 2), st.integers(0, 1)),
        min_size=1,
        max_size=3,
    )
)
def test_gradients_see_the_field_that_the_formula_gives(layers):
    net = torch.nn.Sequential(*(torch.nn.Conv1d(1, 1, k, s, p) for k, s, p in layers))
    with torch.no_grad():
        for i, p in enumerate(net.parameters()):
            p.copy_(normal(*p.shape, seed=i).abs() + 0.1)
    field = rf.theoretical(net)
    seen = rf.measured(net, (1, 1, 80))
    assert (seen.size, seen.stride) == (field.size, field.stride)
