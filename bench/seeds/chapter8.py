"""Chapter 8's nets on the moving-copy task: who meets in space, in time, in both, in turn.

By question, how often each is right, and whether its logits depend on the number at all. For
spacetime: how much of its row the question, asked later, gives to the position of the number.
"""

from functools import partial

import torch
from torch import nn

from nonlocal_tut import NonLocalBlock
from nonlocal_tut.tasks import answers, moving


def over_frames(block, x, f):  # groups of f frames; 1: space, T: all
    groups = x.unflatten(2, (-1, f)).transpose(1, 2)  # (B, T/f, C, f, H, W)
    y = block(groups.flatten(0, 1))  # (B·T/f, C, f, H, W): more examples
    return y.unflatten(0, groups.shape[:2]).transpose(1, 2).flatten(2, 3)


def over_time(block, x):  # each place by itself: a sequence of T positions
    places = x.permute(0, 3, 4, 1, 2)  # (B, H, W, C, T)
    y = block(places.flatten(0, 2)[..., None, None])  # (B·H·W, C, T, 1, 1)
    return y.reshape(places.shape).permute(0, 3, 4, 1, 2)


class Meet(nn.Module):
    def __init__(self, block, over, *given):
        super().__init__()
        self.block, self.over, self.given = block, over, given

    def forward(self, x):
        return self.over(self.block, x, *self.given)


def block(channels=32, scale="sqrt"):  # half as many channels inside
    switches = {"scale": scale, "norm": False, "attention": "matmul"}
    return NonLocalBlock(channels, dims=3, **switches)


def convolution(channels=32, inside=8):  # with x added, as in the block
    first = nn.Conv3d(channels, inside, 1)
    wide = nn.Conv3d(inside, inside, 3, padding=1)
    branch = nn.Sequential(first, wide, nn.Conv3d(inside, channels, 1))
    return Meet(branch, lambda branch, x: x + branch(x))


def net(middle):  # write a vector, meet, read four logits
    return nn.Sequential(nn.Conv3d(7, 32, 1), middle, nn.Conv3d(32, 4, 1))


def hears(model, asked):  # do the logits at the question depend on it?
    luck = torch.Generator().manual_seed(1)
    clips = moving.moving_copy(256, asked=asked, generator=luck)
    with torch.no_grad():
        here = answers(model, clips)
        there = answers(model, moving.twin(clips))
    return not torch.equal(here, there)


def on_the_number(model, clips):  # what the question's row gives to it
    write, middle, _ = model
    with torch.no_grad():
        _, rows = middle(write(clips.maps), return_attention=True)
    asking = rows[torch.arange(len(rows)), clips.marker]  # (B, N)
    number = clips.maps[:, :4].sum(1).flatten(1)  # (B, N): 1 where it is
    return (asking * number).sum(1)  # (B,)


def space():
    return Meet(block(), over_frames, 1)


def time():
    return Meet(block(), over_time)


def of_net(middle, seed):
    trained = moving.train(lambda: net(middle()), seed=seed)
    model = trained.model.cpu()
    found = {
        "accuracy": list(trained.accuracy.values()),
        "hears": [hears(model, asked) for asked in moving.ASKED],
    }
    if middle is block:
        luck = torch.Generator().manual_seed(1)
        later = moving.moving_copy(256, asked="later", generator=luck)
        found["on_the_number"] = on_the_number(model, later).mean().item()
    return found


EXPERIMENTS = {
    "space": partial(of_net, space),
    "time": partial(of_net, time),
    "3×3×3": partial(of_net, convolution),
    "spacetime": partial(of_net, block),
    "in turn": partial(of_net, lambda: nn.Sequential(space(), time())),
}
SHOWN = [over_frames, over_time, Meet, block, convolution, net, hears, on_the_number]
