"""python -m bench.nets: chapter 1's trained nets, for the figure in which one can ask them.

Seed 0 of each net that the page trains, in half precision, into book/data/nets.json. The figure and
its tests run the rounded weights, so that both have the same net. It takes half a minute.
"""

import base64
import json
import os
import sys
from functools import partial
from pathlib import Path

from torch import nn

from bench.machine import origin
from bench.seeds.chapter1 import he, stack, with_block
from nonlocal_tut import SelfAttention2d, receptive_field, tasks

PATH = Path(__file__).resolve().parent.parent / "book" / "data" / "nets.json"
SEED = 0


def makers():
    """{the net's name on the page: what builds it}."""
    stacks = {1: "1 conv", 2: "2 convs"}
    found = {"1 conv + block": with_block}
    return found | {name: partial(lambda n: he(stack(n)), n) for n, name in stacks.items()}


def layers(net):
    """[kind, name, kernel] for each layer, in the order in which they run."""
    found = []
    for name, layer in net.named_modules():
        if isinstance(layer, SelfAttention2d):
            found.append(["block", f"{name}.", None])
        elif isinstance(layer, nn.ReLU):
            found.append(["relu", name, None])
        elif isinstance(layer, nn.Conv2d) and not found_in_block(name, found):
            found.append(["conv", name, layer.kernel_size[0]])
    return found


def found_in_block(name, found):
    return any(kind == "block" and name.startswith(prefix) for kind, prefix, _ in found)


def packed(tensor):
    """A tensor's numbers in half precision, low byte first, as base64."""
    numbers = tensor.detach().cpu().half().flatten().numpy().astype("<f2")
    return base64.b64encode(numbers.tobytes()).decode("ascii")


def described(net):
    """What the figure needs of a net: layers, weights, how far it sees (null: everywhere)."""
    block = any(isinstance(layer, SelfAttention2d) for layer in net.modules())
    return {
        "layers": layers(net),
        "radius": None if block else receptive_field.theoretical(net).size // 2,
        "weights": {name: packed(tensor) for name, tensor in net.state_dict().items()},
    }


def main() -> int:
    nets = {}
    for name, build in makers().items():
        trained = tasks.train(build, seed=SEED, label=name)
        nets[name] = described(trained.model)
    provenance = origin("python -m bench.nets") | {"seed": SEED}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(net)}" for name, net in nets.items())
    text = f'{{\n"provenance": {json.dumps(provenance)},\n"nets": {{\n{lines}\n}}}}\n'
    PATH.write_text(text, encoding="utf-8")
    print(f"written: {os.path.relpath(PATH)}, {len(text):,d} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
