"""The remote-copy task counted by hand, and what `train` promises about nets and randomness."""

import math
from itertools import product

import pytest
import torch
from drawn_data import assert_the_generator_alone_decides, seeded
from torch import nn
from torch.nn import functional as F

from nonlocal_tut import receptive_field as rf
from nonlocal_tut.tasks import COLORS, Examples, Trained, answers, remote_copy, train


def read(maps):
    """Where the one dot and the one marker are, and the dot's color, read position by position."""
    side, found = len(maps[0]), []
    for plane, row, column in product(range(len(maps)), range(side), range(side)):
        if maps[plane][row][column] != 0.0:
            assert maps[plane][row][column] == 1.0
            found.append((plane, row, column))
    (color, *dot), (last, *marker) = found  # exactly two, in the order of the planes
    assert color < COLORS == last
    return tuple(dot), tuple(marker), color


def apart(dot, marker):
    return max(abs(dot[0] - marker[0]), abs(dot[1] - marker[1]))


def assert_even(counts):
    """Pearson's chi-square within 5 of its standard deviations of what even odds give."""
    freedom, expected = len(counts) - 1, sum(counts) / len(counts)
    chi_square = sum((count - expected) ** 2 / expected for count in counts)
    assert chi_square < freedom + 5 * math.sqrt(2 * freedom), counts


# The data


def test_the_shapes_are_those_promised():
    examples = remote_copy(7, side=5, generator=seeded())
    assert examples.maps.shape == (7, COLORS + 1, 5, 5) and examples.maps.dtype == torch.float32
    assert examples.marker.shape == examples.color.shape == (7,)
    assert remote_copy(2, generator=seeded()).maps.shape == (2, COLORS + 1, 12, 12)


@pytest.mark.parametrize("side", [2, 3, 6])
def test_each_map_holds_one_dot_and_one_marker_elsewhere(side):
    examples = remote_copy(200, side=side, generator=seeded())
    for maps, marker, color in zip(*(t.tolist() for t in examples), strict=True):
        dot, asked, shown = read(maps)
        assert dot != asked
        assert (marker, color) == (asked[0] * side + asked[1], shown)


@pytest.mark.parametrize("distance", [1, 2, 5])
def test_the_distance_is_the_one_asked_for(distance):
    maps = remote_copy(100, side=6, distance=distance, generator=seeded()).maps
    assert {apart(*read(m)[:2]) for m in maps.tolist()} == {distance}


def test_every_distance_is_drawn_evenly():
    maps = remote_copy(4000, side=6, generator=seeded()).maps
    distances = [apart(*read(m)[:2]) for m in maps.tolist()]
    assert_even([distances.count(d) for d in range(1, 6)])


@pytest.mark.parametrize("distance", [1, 2, 3])
def test_every_pair_at_a_distance_is_drawn_evenly(distance):
    places = list(product(range(4), range(4)))
    pairs = [pair for pair in product(places, places) if apart(*pair) == distance]
    maps = remote_copy(6000, side=4, distance=distance, generator=seeded()).maps
    drawn = [read(m)[:2] for m in maps.tolist()]
    assert set(drawn) == set(pairs)
    assert_even([drawn.count(pair) for pair in pairs])


def test_every_color_is_drawn_evenly_at_every_distance():
    maps = remote_copy(4000, side=4, generator=seeded()).maps
    seen = [(apart(dot, marker), color) for dot, marker, color in map(read, maps.tolist())]
    assert_even([seen.count(pair) for pair in product(range(1, 4), range(COLORS))])


def test_the_generator_alone_decides():
    assert_the_generator_alone_decides(
        lambda generator: remote_copy(50, side=6, generator=generator)
    )


def test_the_global_random_state_is_untouched_by_the_data():
    before = torch.get_rng_state()
    remote_copy(10, generator=seeded())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"side": 1}, r"side must be at least 2 .*got 1"),
        ({"side": -3}, r"side must be at least 2 .*got -3"),
        ({"side": 6, "distance": 6}, r"distance must lie in 1 … 5 on a map of side 6, got 6"),
        ({"side": 6, "distance": 0}, r"distance must lie in 1 … 5 on a map of side 6, got 0"),
        ({"side": 2, "distance": -1}, r"distance must lie in 1 … 1 on a map of side 2, got -1"),
    ],
)
def test_a_map_without_room_is_an_error(wrong, message):
    with pytest.raises(ValueError, match=message):
        remote_copy(1, **wrong, generator=seeded())


def test_answers_are_read_at_the_marker():
    logits = torch.randn(2, COLORS, 3, 4, generator=seeded())
    examples = Examples(torch.zeros(2, COLORS + 1, 3, 4), torch.tensor([7, 2]), torch.zeros(2))
    read_there = torch.stack([logits[0, :, 1, 3], logits[1, :, 0, 2]])
    assert torch.equal(answers(lambda maps: logits, examples), read_there)


# The nets


class Within(nn.Module):
    """Says which color lies within `radius` positions: right there, blind beyond. Nothing to learn
    but how sure to be."""

    def __init__(self, radius):
        super().__init__()
        self.radius, self.sure = radius, nn.Parameter(torch.ones(()))

    def forward(self, maps):  # (B, COLORS + 1, H, W) -> (B, COLORS, H, W)
        return self.sure * F.max_pool2d(maps[:, :COLORS], 2 * self.radius + 1, 1, self.radius)


class Watched(Within):
    """Keeps what it is asked, and in which mode."""

    def __init__(self):
        super().__init__(5)
        self.calls = []

    def forward(self, maps):
        self.calls.append((torch.is_grad_enabled(), self.training, maps.cpu()))
        return super().forward(maps)


def one_layer(*after):
    return nn.Sequential(
        nn.Conv2d(COLORS + 1, 16, 3, padding=1), nn.ReLU(), *after, nn.Conv2d(16, COLORS, 1)
    )


def short(build=one_layer, **given):
    return train(build, **{"side": 6, "steps": 3, "batch": 8, **given})


def test_a_net_of_radius_1_learns_distance_1_and_no_further():
    assert rf.theoretical(one_layer()).size == 3
    trained = train(one_layer, side=6, steps=100, learning_rate=1e-2)
    assert list(trained.accuracy) == [1, 2, 3, 4, 5]
    assert trained.accuracy[1] > 0.95
    assert all(0.1 < trained.accuracy[d] < 0.4 for d in range(2, 6))
    assert trained.reach == 1
    assert len(trained.losses) == 100
    assert abs(trained.losses[0] - math.log(COLORS)) < 0.1, "a new net guesses"
    assert sum(trained.losses[-10:]) / 10 < 1.3


@pytest.mark.parametrize("radius", [0, 1, 3, 5])
def test_a_net_that_sees_so_far_is_right_so_far(radius):
    trained = short(lambda: Within(radius))
    assert trained.reach == radius
    for distance, accuracy in trained.accuracy.items():
        assert accuracy == 1.0 if distance <= radius else 0.1 < accuracy < 0.4


def test_a_net_that_sees_the_whole_map_is_right_everywhere():
    everywhere = short(lambda: Within(11), side=12, steps=1)
    assert everywhere.accuracy == dict.fromkeys(range(1, 12), 1.0)


def test_nets_are_tested_at_every_distance_on_the_same_examples_in_eval_mode():
    tests = []
    for seed in (0, 1):
        calls = short(Watched, seed=seed).model.calls
        assert [training for grad, training, _ in calls if grad] == [True] * 3
        assert not any(training for grad, training, _ in calls if not grad)
        tests.append([maps for grad, _, maps in calls if not grad])
    assert all(torch.equal(a, b) for a, b in zip(*tests, strict=True))
    for distance, maps in enumerate(tests[0], start=1):
        assert len(maps) >= 200
        assert {apart(*read(m)[:2]) for m in maps.tolist()} == {distance}
    assert distance == 5


@pytest.mark.parametrize("build", [one_layer, lambda: one_layer(nn.Dropout(0.5))])
def test_the_seed_alone_decides_and_the_global_random_state_is_untouched(build):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    losses = short(build).losses
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert short(build, label="another name").losses == losses
    assert short(build, seed=1).losses != losses


def test_the_result_holds_the_net_that_was_built_where_it_was_trained():
    built = []
    trained = short(lambda: built.append(one_layer()) or built[-1], label="one layer")
    assert built == [trained.model] and trained.label == "one layer"
    device = "cuda" if torch.cuda.is_available() else "cpu"
    assert {p.device.type for p in trained.model.parameters()} == {device}


@pytest.mark.parametrize("steps", [1, 7, 10, 25])
def test_progress_is_ten_dots_whatever_the_number_of_steps(steps, capsys):
    assert len(short(steps=steps, label="a net").losses) == steps
    printed = capsys.readouterr()
    assert printed.out == "a net ·········· trained\n" and printed.err == ""


@pytest.mark.parametrize(
    ("last", "shape"),
    [
        (nn.Conv2d(16, 3, 1), r"\b3\b"),
        (nn.Conv2d(16, COLORS, 3), r"4, 4\)"),  # a smaller map
        (nn.Conv2d(16, COLORS, 1, padding=1), r"8, 8\)"),  # a larger map
        (nn.Sequential(nn.Conv2d(16, COLORS, 6), nn.Flatten()), r"\b4\)"),  # one answer a map
    ],
)
def test_logits_of_another_shape_are_an_error(last, shape):
    with pytest.raises(ValueError, match=f"logits.*{shape}"):
        short(lambda: nn.Sequential(*one_layer()[:2], last))


@pytest.fixture
def three_threads():
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(threads)


@pytest.mark.skipif(torch.cuda.is_available(), reason="on a GPU the threads stay as they are")
@pytest.mark.parametrize("ending", [nn.Identity(), nn.AvgPool2d(2)], ids=["trained", "an error"])
def test_the_loop_takes_one_thread_and_gives_the_others_back(ending, three_threads):
    seen = set()

    class Looks(nn.Module):
        def forward(self, x):
            seen.add((self.training, torch.get_num_threads()))
            return x

    try:
        short(lambda: nn.Sequential(*one_layer(), Looks(), ending))
    except ValueError:
        assert seen == {(True, 1)}
    else:
        assert seen == {(True, 1), (False, 3)}
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize(
    ("accuracy", "reach"),
    [
        ([1.0, 0.99, 0.26, 0.24], 2),
        ([0.25, 0.25, 0.25, 0.25], 0),
        ([0.97, 1.0, 0.91, 0.95], 4),
        ([1.0, 0.25, 1.0, 1.0], 1),  # what lies behind a gap is not reached
        ([0.5, 1.0, 1.0, 1.0], 0),
        ([1.0, 0.89], 1),
    ],
)
def test_reach_is_the_last_distance_before_the_first_fall(accuracy, reach):
    trained = Trained("", nn.Identity(), [], dict(enumerate(accuracy, start=1)))
    assert trained.reach == reach


def test_parameters_are_counted_once():
    twice = nn.Conv2d(5, 5, 1)  # 5·5 weights and 5 biases, used two times
    assert Trained("", nn.Sequential(twice, twice), [], {1: 1.0}).parameters == 30
