"""The moving-copy task counted by hand, the twin's proof, and what `train` promises."""

from itertools import pairwise, product

import pytest
import torch
from drawn_data import assert_the_generator_alone_decides, seeded
from torch import nn

from nonlocal_tut import NonLocalBlock
from nonlocal_tut.tasks import COLORS, answers
from nonlocal_tut.tasks.moving import ASKED, moving_copy, train, twin


def read(maps):
    """The dot's path, and (frame, row, column) of the color and of the marker, and the color."""
    path, found = [], {}
    for plane, clip in enumerate(maps):
        for t, row, column in product(*map(range, (len(clip), len(clip[0]), len(clip[0])))):
            if clip[t][row][column] == 0.0:
                continue
            assert clip[t][row][column] == 1.0
            if plane > COLORS:
                path.append((t, row, column))
                assert (plane == COLORS + 1) == (found["shown"] == path[-1])
            else:
                kind = "marker" if plane == COLORS else "shown"
                assert kind not in found
                found[kind] = t, row, column
                found["color"] = plane if kind == "shown" else found["color"]
    path.sort()
    assert [t for t, _, _ in path] == list(range(len(maps[0]))), "one dot in each frame"
    return path, found["shown"], found["marker"], found["color"]


def apart(here, there):
    """Frames, and positions, between two places."""
    return there[0] - here[0], max(abs(a - b) for a, b in zip(here[1:], there[1:], strict=True))


@pytest.mark.parametrize(("frames", "side"), [(4, 5), (3, 4), (3, 9), (6, 6)])
def test_a_dot_moves_one_step_a_frame_along_a_line_and_shows_its_color_once(frames, side):
    examples = moving_copy(200, frames, side, generator=seeded())
    assert examples.maps.shape == (200, COLORS + 3, frames, side, side)
    assert examples.maps.dtype == torch.float32
    assert examples.marker.shape == examples.color.shape == (200,)
    for maps, marker, color in zip(*(t.tolist() for t in examples), strict=True):
        path, shown, asks, seen = read(maps)
        steps = {(b[1] - a[1], b[2] - a[2]) for a, b in pairwise(path)}
        assert len(steps) == 1 and (0, 0) not in steps
        assert all(abs(way) <= 1 for step in steps for way in step)
        assert shown in path and seen == color
        assert marker == (asks[0] * side + asks[1]) * side + asks[2]


@pytest.mark.parametrize("asked", ASKED)
def test_where_it_is_asked_is_where_it_says(asked):
    for maps in moving_copy(300, asked=asked, generator=seeded()).maps.tolist():
        path, shown, asks, _ = read(maps)
        frames, places = apart(shown, asks)
        if asked == "same frame":
            assert frames == 0 and places >= 2
        elif asked == "same place":
            assert frames >= 2 and places == 0 and asks not in path
        elif asked == "next frame":
            assert frames == 1 and asks in path
        else:
            assert frames >= 2 and asks in path


def test_the_same_clips_are_drawn_by_every_torch():
    """As torch 2.6, 2.11 and 2.13 drew them; multinomial would differ."""
    drawn = moving_copy(8, generator=seeded(0))
    assert drawn.marker.tolist() == [3, 85, 79, 73, 88, 68, 93, 76]
    assert drawn.color.tolist() == [2, 3, 0, 1, 1, 3, 1, 1]


def test_all_questions_steps_frames_and_colors_are_drawn():
    drawn = moving_copy(3000, generator=seeded())
    kinds, ways, when, colors = [], set(), {}, set()
    for maps in drawn.maps.tolist():
        path, shown, asks, color = read(maps)
        frames, places = apart(shown, asks)
        kind = {0: 0, 1: 2}.get(frames, 1 if places == 0 else 3)
        kinds.append(kind)
        ways.add((path[1][1] - path[0][1], path[1][2] - path[0][2]))
        when.setdefault(kind, set()).add((shown[0], asks[0]))
        colors.add(color)
    assert all(600 < kinds.count(kind) < 900 for kind in range(4))
    assert len(ways) == 8 and len(colors) == COLORS
    later = {(0, 2), (0, 3), (1, 3)}
    assert when == {0: {(t, t) for t in range(4)}, 1: later, 2: {(0, 1), (1, 2), (2, 3)}, 3: later}
    assert (torch.bincount(drawn.marker, minlength=4 * 25) > 0).all()


def test_the_generator_alone_decides():
    assert_the_generator_alone_decides(lambda generator: moving_copy(50, generator=generator))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"asked": "never"}, "asked must be None or one of same frame, .*got 'never'"),
        ({"frames": 2}, "frames must be 3 or more to ask later, got 2"),
        ({"frames": 5, "side": 4}, "side must be 5 or more for 5 frames, got 4"),
        ({"frames": 3, "side": 3}, "side must be 4 or more for 3 frames, got 3"),
    ],
)
def test_what_does_not_fit_is_an_error(wrong, message):
    with pytest.raises(ValueError, match=message):
        moving_copy(1, **wrong, generator=seeded())


def test_a_twin_differs_in_the_color_and_in_nothing_else():
    examples = moving_copy(100, generator=seeded())
    other = twin(examples)
    for before, after, color in zip(
        examples.maps.tolist(), other.maps.tolist(), other.color.tolist(), strict=True
    ):
        (*rest, old), (*same, new) = read(before), read(after)
        assert rest == same and new == color == (old + 1) % COLORS
    assert torch.equal(examples.marker, other.marker)


# The proof: what cannot be heard, and what can


class Folded(nn.Module):
    """A block over positions that share a frame ("space") or a place ("time"), one by one."""

    def __init__(self, block, over):
        super().__init__()
        self.block, self.over = block, over

    def forward(self, x):  # (B, C, T, H, W)
        if self.over == "space":
            return torch.cat([self.block(frame) for frame in x.split(1, dim=2)], dim=2)
        rows = [torch.cat([self.block(p) for p in r.split(1, 4)], 4) for r in x.split(1, 3)]
        return torch.cat(rows, dim=3)


def net(middle, channels=8):
    return nn.Sequential(nn.Conv3d(COLORS + 3, channels, 1), middle, nn.Conv3d(channels, COLORS, 1))


def middles():
    def block():
        return NonLocalBlock(8, 8, dims=3, norm=False)

    return {
        "space": (Folded(block(), "space"), {"same frame"}),
        "time": (Folded(block(), "time"), {"same place"}),
        "convolution": (nn.Conv3d(8, 8, 3, padding=1), {"next frame"}),
        "spacetime": (block(), set(ASKED)),
        "space, then time": (
            nn.Sequential(Folded(block(), "space"), Folded(block(), "time")),
            set(ASKED),
        ),
    }


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("name", middles())
@pytest.mark.parametrize("seed", range(3))
def test_whether_the_question_can_hear_of_the_color(name, asked, seed):
    torch.manual_seed(seed)
    middle, hears = middles()[name]
    model = net(middle).double()
    for p in model.parameters():
        nn.init.normal_(p, std=0.3)
    examples = moving_copy(10, asked=asked, generator=seeded(seed))
    examples = examples._replace(maps=examples.maps.double())
    here, there = answers(model, examples), answers(model, twin(examples))  # (B, COLORS)
    differs = (here != there).any(1)
    assert differs.all() if asked in hears else torch.equal(here, there)


class Knows(nn.Module):
    """Names, everywhere, whatever color was shown. Nothing to learn but how sure to be."""

    def __init__(self):
        super().__init__()
        self.sure = nn.Parameter(torch.ones(()))
        self.asked = []

    def forward(self, maps):
        self.asked.append((self.training, maps.cpu()))
        shown = maps[:, :COLORS].sum((2, 3, 4), keepdim=True)  # (B, COLORS, 1, 1, 1)
        return self.sure * shown.expand(-1, -1, *maps.shape[2:])


def test_a_net_that_knows_is_right_wherever_it_is_asked():
    trained = train(Knows, steps=2, batch=4, label="knows")
    assert trained.accuracy == dict.fromkeys(ASKED, 1.0) and trained.label == "knows"
    assert [mode for mode, _ in trained.model.asked] == [True] * 2 + [False] * 4
    for (_, maps), asked in zip(trained.model.asked[2:], ASKED, strict=True):
        assert len(maps) >= 200
        frames = {apart(*read(m)[1:3])[0] for m in maps.tolist()}
        assert frames == {"same frame": {0}, "next frame": {1}}.get(asked, {2, 3})


def test_a_single_convolution_learns_the_next_frame_and_guesses_elsewhere():
    trained = train(lambda: net(nn.Conv3d(8, 8, 3, padding=1)), side=5)
    good = trained.accuracy.pop("next frame")
    assert good > 0.9 and all(0.1 < a < 0.4 for a in trained.accuracy.values())


def test_the_seed_alone_decides_and_the_global_random_state_is_untouched(capsys):
    before = torch.get_rng_state()

    def short(**given):
        build = lambda: net(nn.Conv3d(8, 8, 3, padding=1))  # noqa: E731
        return train(build, steps=3, batch=4, frames=3, side=4, **given)

    first = short(label="one")
    assert torch.equal(torch.get_rng_state(), before)
    assert short().losses == first.losses != short(seed=1).losses
    assert not first.model.training
    assert capsys.readouterr().out.startswith("one ·········· trained\n")


def test_logits_of_another_shape_are_an_error():
    with pytest.raises(ValueError, match="logits must be"):
        train(lambda: nn.Conv3d(COLORS + 3, 3, 1), steps=1, batch=2)
