"""python -m bench.wall: chapter 6's stereo block, new and trained, for the figure of the wall.

In that net nothing stands before the block but 1×1 convolutions, so queries and keys are linear in
the 16 pixels of a cell: 32×17 numbers each, the last column a constant. Seed 0, in half precision,
into book/data/wall.json. The figure and its tests run the rounded numbers, so that both have the
same block. It takes ten seconds.
"""

import json
import os
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.machine import origin
from bench.nets import packed
from bench.seeds.chapter6 import finder, halves
from nonlocal_tut.tasks import stereo

PATH = Path(__file__).resolve().parent.parent / "book" / "data" / "wall.json"
SEED = 0


@torch.no_grad()
def linear(net: nn.Sequential, name: str) -> Tensor:
    """What a cell's 16 pixels and a 1 become in `theta` or `phi`: (32, 17). No cell has a color.

    The factor of the scores is in theta.
    """
    look, block, _ = net.cpu()
    into = torch.cat([look.weight.flatten(1)[:, : stereo.CELL**2], look.bias[:, None]], 1)
    layer = getattr(block, name)
    out = layer.weight.flatten(1) @ into  # (32, 17)
    out[:, -1] += layer.bias
    return out * block.inner_channels**-0.5 if name == "theta" else out


def described(net: nn.Sequential) -> dict[str, str]:
    return {name: packed(linear(net, name)) for name in ("theta", "phi")}


def main() -> int:
    torch.manual_seed(SEED)
    blocks = {"new": described(finder(stereo.CHANNELS, 1))}
    net = stereo.train(lambda: finder(stereo.CHANNELS, 1), halves, seed=SEED, label="block")
    blocks["trained"] = described(net)
    provenance = origin("python -m bench.wall") | {"seed": SEED}
    text = json.dumps({"provenance": provenance, "blocks": blocks}, indent=0) + "\n"
    PATH.write_text(text, encoding="utf-8")
    print(f"written: {os.path.relpath(PATH)}, {len(text):,d} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
