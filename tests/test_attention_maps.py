"""Rows of attention, beside what the blocks return themselves."""

import itertools

import pytest
import random_numbers
import torch
from random_numbers import normal
from torch import nn

from nonlocal_tut import NonLocalBlock, SelfAttention2d, memory
from nonlocal_tut import attention_maps as module
from nonlocal_tut.attention_maps import AttentionMap, attention_maps, distance_between_rows
from nonlocal_tut.insert import insert_after
from nonlocal_tut.pairwise import ATTENTION, PAIRWISE

SHAPES = {1: (2, 6, 7), 2: (2, 6, 5, 8), 3: (2, 6, 3, 5, 4)}  # odd sides are pooled, too
KEYS = {1: (3,), 2: (2, 4), 3: (3, 2, 2)}
PLACES = {1: [(6,), (0,)], 2: [(4, 2), (0, 7)], 3: [(2, 4, 0), (1, 0, 3)]}


def awake(block, seed=0):
    """In float64, every parameter random."""
    return random_numbers.awake(block.double(), seed, std=0.5)


@pytest.fixture(params=[module.SLICE, 40], ids=["whole", "sliced"])
def sliced(request, monkeypatch):
    monkeypatch.setattr(module, "SLICE", request.param)


@pytest.mark.parametrize("subsample", [None, "after", "before"])
@pytest.mark.parametrize("pairwise", PAIRWISE)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_the_paper_s_block_in_every_form(dims, pairwise, subsample, sliced):
    switches = itertools.product([None, 0.7, "sqrt"], ["fused", "matmul"], [False, True])
    for scale, attention, training in switches:
        options = {"scale": scale, "attention": attention, "norm": training}
        block = NonLocalBlock(6, dims=dims, pairwise=pairwise, subsample=subsample, **options)
        assert_rows(awake(block).train(training), dims, KEYS[dims] if subsample else None)


@pytest.mark.parametrize("attention", ATTENTION)
def test_the_article_s_block(attention, sliced):
    assert_rows(awake(SelfAttention2d(6, 2, attention=attention)), 2, None)


def assert_rows(block, dims, keys):
    """All rows and two of them, as `return_attention` gives them."""
    x, places = normal(*SHAPES[dims]), PLACES[dims]
    expected = block(x, return_attention=True)[1]  # (B, N, M)
    shape = tuple(x.shape[2:])
    folded = expected.view(2, *shape, *(keys or shape))
    (every,), (some,) = (attention_maps(block, x, p).values() for p in (None, places))
    assert (every.queries, every.keys, every.positions) == (shape, keys or shape, None)
    assert (some.queries, some.keys, some.positions) == (shape, keys or shape, tuple(places))
    torch.testing.assert_close(every.weights, expected, rtol=0, atol=1e-12)
    assert some.weights.shape == (2, 2, expected.shape[2])
    for b, place in itertools.product((0, 1), places):
        for found in (every, some):
            torch.testing.assert_close(found.row(b, *place), folded[b][place], rtol=0, atol=1e-12)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Dropout(0.5))
        self.first = SelfAttention2d(8)
        self.stage = nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU())

    def forward(self, x):
        return self.stage(self.first(x=self.stem(x)))


def net():
    torch.manual_seed(0)
    return awake(insert_after(Net(), {"stage": lambda c: NonLocalBlock(c, subsample="after")}))


X = normal(2, 3, 16, 24)


@pytest.mark.parametrize("training", [False, True])
def test_every_block_of_a_model_by_its_name(training):
    """With the input that it has in this very run, and nothing changed by looking."""
    model, seen = net().train(training), {}
    state = {key: t.clone() for key, t in model.state_dict().items()}
    torch.manual_seed(5)
    before, hooks = torch.get_rng_state(), [len(m._forward_hooks) for m in model.modules()]
    found = attention_maps(model, X)
    assert torch.equal(torch.get_rng_state(), before)
    assert [len(m._forward_hooks) for m in model.modules()] == hooks
    assert all(torch.equal(t, model.state_dict()[key]) for key, t in state.items())
    assert all(p.grad is None for p in model.parameters())
    assert all(m.training == training for m in model.modules())

    def read(block, args, kwargs, out):
        seen[block] = args[0] if args else kwargs["x"]

    for block in (model.first, model.stage[1].inserted):
        block.register_forward_hook(read, with_kwargs=True)
    torch.set_rng_state(before)
    model(X)
    assert list(found) == ["first", "stage.1.inserted"]
    assert not any(one.weights.requires_grad for one in found.values())
    for name, one in found.items():
        block = model.get_submodule(name)
        expected = type(block).forward(block, seen[block], return_attention=True)[1]
        torch.testing.assert_close(one.weights, expected, rtol=0, atol=1e-12)
    shapes = {name: (one.queries, one.keys) for name, one in found.items()}
    assert shapes == {"first": ((8, 12), (8, 12)), "stage.1.inserted": ((4, 6), (2, 3))}


def test_maps_come_in_the_order_of_their_last_run():
    first, second = NonLocalBlock(4), NonLocalBlock(4)
    model = nn.Sequential(first, second, first)
    found = attention_maps(model, torch.randn(1, 4, 3, 3))
    assert list(found) == ["1", "0"]


def test_a_scale_of_zero_makes_all_keys_equal():
    found = attention_maps(NonLocalBlock(4, scale=0.0), torch.randn(1, 4, 3, 3))
    torch.testing.assert_close(found[""].weights, torch.full((1, 9, 9), 1 / 9))


def test_a_compiled_model_shows_its_blocks_and_is_not_compiled_again():
    model, graphs = net().eval(), []
    expected = attention_maps(model, X, [(3, 5)])

    def backend(graph, inputs):
        graphs.append(graph)
        return graph

    compiled = torch.compile(model, backend=backend)
    out, count = compiled(X), len(graphs)
    found = attention_maps(compiled, X, [(3, 5)])
    assert [name.removeprefix("_orig_mod.") for name in found] == list(expected)
    for one, other in zip(found.values(), expected.values(), strict=True):
        torch.testing.assert_close(one.weights, other.weights, rtol=0, atol=1e-12)
    assert torch.equal(compiled(X), out)
    assert len(graphs) == count > 0


def test_the_hooks_are_gone_after_an_error():
    model = net()
    with pytest.raises(RuntimeError):
        attention_maps(model, X[:, :2])
    assert len(model.first._forward_hooks) == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_rows_are_summed_in_float32(dtype):
    block = NonLocalBlock(32, pairwise="dot_product").to(dtype)
    x = 100 * normal(1, 32, 4, 4).to(dtype)
    found = attention_maps(block, x)[""].weights
    expected = attention_maps(block.double(), x.double())[""].weights
    assert found.dtype == torch.float32 and found.isfinite().all()
    assert (found - expected).abs().max() < 0.02 * expected.abs().max()


# Bytes

SIDE, CHANNELS = 256, 32
ROW = [(200, 31)]


class Looks(nn.Module):
    """A block, and what looking at it returns."""

    def __init__(self, look, **switches):
        super().__init__()
        self.look, self.block = look, NonLocalBlock(CHANNELS, **switches)

    def forward(self, x):
        return self.look(self.block, x)


def peak(look, **switches):
    shape = (1, CHANNELS, SIDE, SIDE)
    make = lambda: Looks(look, **switches)  # noqa: E731
    return memory.measure(make, shape, training=False, device="cpu").peak_bytes


FORMS = [{}, {"subsample": "after"}, {"subsample": "before"}, {"pairwise": "concatenation"}]


@pytest.mark.parametrize("switches", FORMS)
def test_a_row_of_a_large_map_costs_kilobytes(switches):
    """Of 65,536 positions: the matrix would be 16 GiB, the row alone is 256 KiB."""

    def beside_output(block, x):
        y = torch.empty_like(x)  # the block's own output is alive while the row is computed
        return module.rows_of(block, x, ROW, "").weights + y.sum() * 0

    output = 4 * CHANNELS * SIDE * SIDE
    assert output < peak(beside_output, **switches) < output + 4 * 2**20


def test_looking_at_a_row_costs_next_to_nothing():
    """In the one form whose own run takes no N×N time, and which never builds the matrix."""
    alone = peak(lambda block, x: block(x), pairwise="dot_product")
    row = peak(lambda b, x: attention_maps(b, x, ROW)[""].weights, pairwise="dot_product")
    assert row - alone < 2**20


# Bad input


def test_a_model_without_blocks():
    with pytest.raises(ValueError, match=r"model must contain .*; Sequential has neither"):
        attention_maps(nn.Sequential(nn.Conv2d(3, 4, 1)), X)


def test_blocks_that_never_run():
    model = nn.Conv2d(3, 4, 1).double()
    model.spare = SelfAttention2d(8)
    with pytest.raises(ValueError, match=r"has the blocks \['spare'\], but ran none of them"):
        attention_maps(model, X)


@pytest.mark.parametrize("position", [(8, 0), (0, 12), (-1, 0), (0,), (0, 0, 0), 5])
def test_a_position_outside_the_map(position):
    told = r"positions, at 'first': \(.*\) is outside a feature map of \(8, 12\)"
    with pytest.raises(ValueError, match=told):
        attention_maps(net(), X, [(7, 11), position])
    one = attention_maps(net(), X)["first"]
    with pytest.raises(ValueError, match=r"position \(.*\) is outside a feature map of \(8, 12\)"):
        one.row(0, *(position if isinstance(position, tuple) else (position,)))


def test_an_image_or_a_row_that_is_not_there():
    one = attention_maps(net(), X, [(3, 5), (0, 0)])["first"]
    for b in (2, -1):
        with pytest.raises(ValueError, match=f"b must be 0 … 1, not {b}: there are 2 images"):
            one.row(b, 3, 5)
    with pytest.raises(ValueError, match=r"\(3, 4\) was not asked for, only \(\(3, 5\), \(0"):
        one.row(0, 3, 4)


def test_positions_of_a_sequence_may_be_plain_numbers():
    block = NonLocalBlock(6, dims=1)
    found = attention_maps(block, normal(1, 6, 9).float(), [4, torch.tensor(2)])[""]
    assert found.positions == ((4,), (2,)) and found.row(0, 2).shape == (9,)


# Are all rows alike?


def all_pairs(weights):
    """By the definition: half the sum of |a_ij - a_kj|, averaged over the pairs of rows."""
    pairs = [(a - b).abs().sum() / 2 for a, b in itertools.combinations(weights, 2)]
    return sum(pairs) / len(pairs) / weights.abs().sum(1).mean()


@pytest.mark.parametrize("rows, keys", [(2, 3), (7, 5), (10, 10)])
def test_the_distance_is_the_mean_over_all_pairs(rows, keys):
    weights = normal(2, 3, rows, keys, seed=rows)
    found = distance_between_rows(weights)
    assert found.shape == (2, 3)
    for b, h in itertools.product(range(2), range(3)):
        torch.testing.assert_close(found[b, h], all_pairs(weights[b, h]), rtol=0, atol=1e-12)


def test_equal_random_and_identity_rows():
    assert distance_between_rows(torch.rand(1, 20).expand(30, 20)).abs() < 1e-6
    assert distance_between_rows(torch.eye(30)) == 1
    assert distance_between_rows(7 * torch.eye(30)) == 1  # rows need not sum to one
    uniform = torch.distributions.Dirichlet(torch.ones(400, dtype=torch.float64))
    torch.manual_seed(0)
    assert abs(distance_between_rows(uniform.sample((300,))) - 0.5) < 0.005
    with pytest.raises(ValueError, match=r"two rows or more, not \(1, 4\)"):
        distance_between_rows(torch.ones(1, 4))


def test_a_map_has_no_more_than_it_says():
    weights = torch.arange(12.0).view(1, 2, 6)
    one = AttentionMap(weights, queries=(1, 2), keys=(2, 3))
    assert torch.equal(one.row(0, 0, 1), torch.tensor([[6.0, 7, 8], [9, 10, 11]]))
