"""The ways in which people run modules, tried on every block: the table on the page of the API.

python tools/ways.py             tries all, and writes book/data/ways.json, and ways.txt from it
python tools/ways.py --short     all but torch.compile; ONNX stands in tests/test_ways.py

A way that works computes what the block computes on its own; another ends in a sentence.
`torch.compile` runs with the backend "aot_eager": the graph is made, and no code is generated.
"""

import copy
import json
import pickle
import platform
import sys
import warnings
from datetime import UTC, datetime

import torch
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint
from ways_table import PATH, TABLE, WORKS, rendered

from nonlocal_tut import NonLocalBlock, SelfAttention2d, parallel
from nonlocal_tut.pairwise import ATTENTION, PAIRWISE

FORMS = (*PAIRWISE, "SelfAttention2d")


def made(form, attention):
    """A block for x (B, 16, H, W), every parameter random, in eval mode."""
    if form == "SelfAttention2d":
        block = SelfAttention2d(16, attention=attention)
    else:
        block = NonLocalBlock(16, pairwise=form, attention=attention)
    for i, p in enumerate(block.parameters()):
        p.data = 0.3 * torch.randn(p.shape, generator=torch.Generator().manual_seed(i))
    return block.eval()


def numbers(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


SMALL, ODD = numbers(2, 16, 6, 4), numbers(3, 16, 5, 7)
SIDES = {2: torch.export.Dim("h", min=4, max=64), 3: torch.export.Dim("w", min=4, max=64)}
BATCH = {0: torch.export.Dim("b", min=1, max=64)}


def same(block, other, *inputs):
    for x in inputs or (ODD,):
        found, expected = other(x), block(x)
        assert torch.allclose(found, expected, atol=1e-5), "other values than the block's own"


def compiled(**options):
    def way(block):
        torch._dynamo.reset()
        same(block, torch.compile(block, backend="aot_eager", **options), SMALL, ODD)

    return way


def exported(block):
    program = torch.export.export(block, (SMALL,), dynamic_shapes=(SIDES | BATCH,))
    same(block, program.module(), ODD, ODD[:1])


def traced(block):
    same(block, torch.jit.trace(block, SMALL))


def gradients(block, call):
    """Those of a sum of sines, by any way of calling it."""
    leaves = [ODD.clone().requires_grad_(), *block.parameters()]
    return torch.autograd.grad(call(leaves[0]).sin().sum(), leaves)


def close(found, expected):
    pairs = zip(found, expected, strict=True)
    assert all(torch.allclose(f, e, atol=1e-4) for f, e in pairs), "other gradients"


def vmapped(block):
    same(block, lambda x: torch.vmap(lambda one: block(one[None])[0])(x))


def transformed(block):
    found = torch.func.grad(lambda x: block(x).sin().sum())(ODD)
    close([found], gradients(block, block)[:1])


def jacobian(block):
    x = ODD[:1]
    expected = torch.autograd.functional.jacobian(block, x)
    close([torch.func.jacrev(block)(x)], [expected])


def forward_mode(block):
    _, found = torch.func.jvp(block, (ODD,), (torch.ones_like(ODD),))
    step = 1e-3
    expected = (block(ODD + step) - block(ODD - step)) / (2 * step)
    assert torch.allclose(found, expected, atol=0.05), "another derivative"


def checkpointed(block):
    close(
        gradients(block, lambda x: checkpoint(block, x, use_reentrant=False)),
        gradients(block, block),
    )


def channels_last(block):
    last = copy.deepcopy(block).to(memory_format=torch.channels_last)
    same(block, lambda x: last(x.to(memory_format=torch.channels_last)))


def from_meta(block):
    empty = copy.deepcopy(block).to("meta").to_empty(device="cpu")
    empty.load_state_dict(block.state_dict())
    same(block, empty)


def parametrized(block):
    name = "g" if hasattr(block, "g") else "value_conv"
    normed = copy.deepcopy(block)
    parametrizations.weight_norm(getattr(normed, name))
    same(block, normed)


def synchronized(block):
    same(block, nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(block)))


def pickled(block):
    same(block, pickle.loads(pickle.dumps(block)))


def older(block):
    """A state dict that was saved under another `attention`."""
    form = next(f for f in FORMS if f in (type(block).__name__, getattr(block, "pairwise", "")))
    for attention in ATTENTION:
        other = made(form, attention)
        other.reset_parameters()
        other.load_state_dict(block.state_dict())
        same(block, other)


WAYS = {
    "torch.compile": compiled(),
    "torch.compile, fullgraph=True": compiled(fullgraph=True),
    "torch.compile, dynamic=True": compiled(dynamic=True),
    "torch.export, dynamic batch and sides": exported,
    "torch.jit.trace": traced,
    "torch.vmap": vmapped,
    "torch.func.grad": transformed,
    "torch.func.jacrev": jacobian,
    "torch.func.jvp": forward_mode,
    "gradient checkpointing": checkpointed,
    "channels_last": channels_last,
    "made on meta, then to_empty": from_meta,
    "a parametrization (weight_norm)": parametrized,
    "SyncBatchNorm": synchronized,
    "pickle": pickled,
    'the state dict of another attention="…"': older,
}
LONG = [way for way in WAYS if way.startswith("torch.compile")]  # minutes each
WRAPPED = {"DistributedDataParallel": DistributedDataParallel, "FSDP2 (fully_shard)": fully_shard}


def wrapped(device):
    """In each of several workers: what the two wrappers do, as {way: {attention: {form: …}}}."""
    return {
        way: {a: {f: outcome(_as_alone, f, a, wrap) for f in FORMS} for a in ATTENTION}
        for way, wrap in WRAPPED.items()
    }


def _as_alone(form, attention, wrap):
    """All workers have the same images, so their mean gradient is that of one process."""
    alone, wraps = made(form, attention), wrap(made(form, attention))
    alone(ODD).sin().sum().backward()
    wraps(ODD).sin().sum().backward()
    found = [p.grad for p in wraps.parameters()]
    full = [g.full_tensor() if hasattr(g, "full_tensor") else g for g in found]
    close(full, [p.grad for p in alone.parameters()])


def outcome(way, *args):
    """WORKS, or the sentence with which it ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            way(*args)
        except ImportError:
            raise
        except Exception as error:
            cause = error
            while cause.__cause__ is not None:
                cause = cause.__cause__
            return f"{type(cause).__name__}: " + " ".join(str(cause).split())[:400]
    return WORKS


def tried(ways=tuple(WAYS)):
    return {
        way: {a: {f: outcome(WAYS[way], made(f, a)) for f in FORMS} for a in ATTENTION}
        for way in ways
    }


def main(argv=()):
    ways = tried([way for way in WAYS if not (argv and way in LONG)])
    ways |= parallel.run(wrapped, workers=2, seconds=600)[0]
    data = {
        "provenance": {
            "command": " ".join(["python tools/ways.py", *argv]),
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "works": "The same values, or gradients, as the block's own, to 1e-5 and 1e-4.",
        },
        "ways": ways,
    }
    PATH.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    TABLE.write_text(rendered(data), encoding="utf-8")
    print(rendered(data))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
