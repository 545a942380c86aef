"""Chapter 6's nets: denoisers with and without a block, stages, remote copy, stereo, and gamma.

Decibels by picture; how often a net is right, at all distances or for each texture; how much weight
all rows of remote copy put on the dot or beside it, and how far apart two rows are; the share of
stereo rows that are largest at the true match; and the size of gamma after its 60 steps.
"""

from functools import partial

import torch
from skimage import data
from torch import nn
from torch.nn import functional as F

from nonlocal_tut import NonLocalBlock, SelfAttention2d, tasks
from nonlocal_tut.attention_maps import attention_maps, distance_between_rows
from nonlocal_tut.insert import insert_after
from nonlocal_tut.tasks import stereo
from nonlocal_tut.tasks.denoise import noisy_crops, psnr


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def picture(name):  # half size, each pixel the mean of four
    full = torch.from_numpy(getattr(data, name)()) / 255  # (512, 512)
    return F.avg_pool2d(full[None], 2)[0]  # (256, 256)


textures = ("brick", "grass", "gravel")
pictures = {name: picture(name) for name in (*textures, "camera")}
NOISE, halves = 0.15, [pictures[name][:, :128] for name in textures]


def train(net, loss_of_a_batch, steps, rate=1e-2):
    optimizer = torch.optim.AdamW(net.parameters())  # the block is in
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps)
    for step in range(steps):
        optimizer.zero_grad()
        loss_of_a_batch().backward()
        optimizer.step()
        cycle.step()
        yield step


def gammas(seed, steps=60):
    torch.manual_seed(seed)
    look, block = nn.Conv2d(5, 24, 3, 1, 1), SelfAttention2d(24)
    net = nn.Sequential(look, nn.ReLU(), block, nn.Conv2d(24, 4, 1))
    next_batch = partial(tasks.remote_copy, 32, 9, generator=seeded(seed))

    def loss():
        batch = next_batch()
        return F.cross_entropy(tasks.answers(net, batch), batch.color)

    return [0.0] + [block.gamma.item() for _ in train(net, loss, steps)]


class Denoiser(nn.Sequential):
    def __init__(self, *middle):
        first, last = nn.Conv2d(4, 16, 3, 1, 1), nn.Conv2d(16, 4, 3, 1, 1)
        nn.init.kaiming_normal_(first.weight)
        nn.init.zeros_(last.weight)
        net = nn.PixelUnshuffle(2), first, *middle, last, nn.PixelShuffle(2)
        super().__init__(*net)

    def forward(self, noisy):  # (B, 1, H, W) -> same
        return noisy - super().forward(noisy)


class Skip(nn.Sequential):
    def __init__(self):
        first, last = nn.Conv2d(16, 16, 3, 1, 1), nn.Conv2d(16, 16, 3, 1, 1)
        nn.init.kaiming_normal_(first.weight)
        nn.init.zeros_(last.weight)
        super().__init__(first, nn.ReLU(), last)

    def forward(self, x):
        return x + super().forward(x)


def trained(middle, seed):
    torch.manual_seed(seed)
    net, given = Denoiser(*middle()), {"generator": seeded(seed)}

    def loss():
        noisy, clean = noisy_crops(halves, 6, 48, noise=NOISE, **given)
        return F.mse_loss(net(noisy), clean)

    return list(train(net, loss, 150)) and net


def crops(pictures):  # 8 of 96×96: noisy, clean
    given = {"noise": NOISE, "generator": seeded(99)}
    return noisy_crops(pictures, 8, 96, **given)


@torch.no_grad()
def decibels(net, test):
    return [psnr(net(noisy), clean) for noisy, clean in test.values()]


def strided(after=None):
    sizes = (5, 1), (24, 2), (24, 2)  # channels in, stride
    net = nn.Sequential()
    for c, s in sizes:
        conv = nn.Conv2d(c, 24, 3, s, 1, bias=False)
        net.append(nn.Sequential(conv, nn.BatchNorm2d(24), nn.ReLU()))
    block = partial(NonLocalBlock, scale="sqrt", norm=False)
    insert_after(net, {after: block} if after else {})
    return net.extend([nn.Upsample(scale_factor=4), nn.Conv2d(24, 4, 1)])


def finder(planes, size):  # look, find, answer
    block = NonLocalBlock(32, 32, scale="sqrt", norm=False)
    look = nn.Conv2d(planes, 32, size, padding=size // 2)
    return nn.Sequential(look, block, nn.Conv2d(32, 4, 1))


def on_the_dot(rows, maps):  # (B, N, N) -> the weight on and beside it
    dot = F.max_pool2d(maps[:, :4].sum(1), 3, 1, 1)  # (B, H, W)
    return (rows * dot.flatten(1)[:, None]).sum(2).mean().item()


def local():  # convolutions alone
    look = nn.Conv2d(20, 48, 3, padding=1), nn.ReLU()
    return nn.Sequential(*look, nn.Conv2d(48, 4, 3, padding=1))


def colors(net, asked):  # the share of right colors
    right = tasks.answers(net, asked).argmax(1) == asked.color  # (B, 64)
    return right.float().mean().item()


def peaks(net, asked, match):  # the share of rows largest at their match
    (rows,) = attention_maps(net, asked.maps).values()
    there = rows.weights.argmax(2).gather(1, asked.marker)  # (B, 64)
    return (there == match).float().mean().item()


short = {"side": 16, "batch": 32, "steps": 150, "learning_rate": 1e-2}
test = {name: crops([p[:, 128:]]) for name, p in pictures.items()}


def rows_apart(net, x):
    (rows,) = attention_maps(net, x).values()
    return distance_between_rows(rows.weights).mean().item()


def of_gamma(seed):
    return {"size": abs(gammas(seed)[-1])}


def of_denoiser(middle, looks, seed):
    net = trained(middle, seed)
    found = {"decibels": decibels(net, test)}
    return found | {"rows_apart": rows_apart(net, test["brick"][0])} if looks else found


def of_stage(after, seed):
    net = tasks.train(partial(strided, after), seed=seed, **short)
    return {"right": sum(net.accuracy.values()) / len(net.accuracy)}


def of_remote_copy(seed):
    net = tasks.train(lambda: finder(5, 3), seed=seed, **short | {"side": 9})
    asked = tasks.remote_copy(32, 9, generator=seeded(1))
    look, block, _ = net.model.cpu()
    with torch.no_grad():
        rows = block(look(asked.maps), return_attention=True)[1]
    return {
        "least_right": min(net.accuracy.values()),
        "on_the_dot": on_the_dot(rows, asked.maps),
        "rows_apart": distance_between_rows(rows).mean().item(),
    }


def of_stereo(build, looks, seed):
    net = stereo.train(build, halves, seed=seed).cpu()
    pairs = [stereo.stereo([pictures[name][:, 128:]], 32, generator=seeded(7)) for name in textures]
    found = {"right": [colors(net, asked) for asked, _, _ in pairs]}
    if looks:
        found["peaks"] = [peaks(net, asked, match) for asked, match, _ in pairs]
        found["rows_apart"] = [rows_apart(net, asked.maps) for asked, _, _ in pairs]
    return found


EXPERIMENTS = {
    "gamma": of_gamma,
    "denoise, convolutions": partial(of_denoiser, lambda: (Skip(), Skip(), Skip()), False),
    "denoise, with a block": partial(
        of_denoiser, lambda: (Skip(), NonLocalBlock(16, norm=False), Skip()), True
    ),
    "no block": partial(of_stage, None),
    "stage 1": partial(of_stage, "0"),
    "stage 2": partial(of_stage, "1"),
    "stage 3": partial(of_stage, "2"),
    "remote copy": of_remote_copy,
    "stereo, convolutions": partial(of_stereo, local, False),
    "stereo, with a block": partial(of_stereo, lambda: finder(20, 1), True),
}
SHOWN = [
    *(seeded, picture, train, gammas, Denoiser, Skip, trained, crops, decibels, strided),
    *(finder, on_the_dot, local, colors, peaks),
]
