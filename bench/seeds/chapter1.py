"""Chapter 1's nets on the remote-copy task: stacks of 1, 2 and 4 convolutions, one with a block.

By distance, how often each is right. For the block: how much weight its rows put on the dot or
beside it, the marker's row and all rows, and how far they are from the mean row (total variation).
"""

from functools import partial

import torch
from torch import nn

from nonlocal_tut import SelfAttention2d, tasks


def he(net):
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return net


def stack(depth, channels=24):
    layers = [nn.Conv2d(5, channels, 3, padding=1), nn.ReLU()]
    for _ in range(depth - 1):
        layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(channels, 4, 1))  # 4 logits


def with_block(channels=24):
    look = nn.Sequential(nn.Conv2d(5, channels, 3, padding=1), nn.ReLU())
    block, last = SelfAttention2d(channels), nn.Conv2d(channels, 4, 1)
    return nn.Sequential(look, block, last)


@torch.no_grad()
def rows_of(net, test):
    look, block, _ = net.cpu()
    return block(look(test.maps), return_attention=True)[1]  # (B, N, N)


def near_the_dot(maps):
    dot = maps[:, :4].sum(1)  # (B, H, W)
    return nn.functional.max_pool2d(dot, 3, 1, 1).flatten(1)  # (B, N)


def apart(rows):
    middle = rows.mean(1, keepdim=True)  # (B, 1, N): the mean row
    return (rows - middle).abs().sum(2) / 2  # (B, N)


def of_depth(number, seed):
    net = tasks.train(lambda: he(stack(number)), seed=seed)
    return {"accuracy": list(net.accuracy.values())}


def of_block(seed):
    net = tasks.train(with_block, seed=seed)
    test = tasks.remote_copy(256, generator=torch.Generator().manual_seed(7))
    rows, markers = rows_of(net.model, test), (torch.arange(256), test.marker)
    on_the_dot = (rows * near_the_dot(test.maps)[:, None]).sum(2)  # (B, N)
    return {
        "accuracy": list(net.accuracy.values()),
        "marker_on_the_dot": on_the_dot[markers].mean().item(),
        "all_on_the_dot": on_the_dot.mean().item(),
        "marker_apart": apart(rows)[markers].mean().item(),
        "all_apart": apart(rows).mean().item(),
    }


EXPERIMENTS = {
    "1 conv": partial(of_depth, 1),
    "2 convs": partial(of_depth, 2),
    "4 convs": partial(of_depth, 4),
    "1 conv + block": of_block,
}
SHOWN = [he, stack, with_block, rows_of, near_the_dot, apart]
