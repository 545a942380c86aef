"""The times part of `tools/gpu.py`: a training step of our blocks and of others, in turns.

    python tools/gpu_times.py OUT.json

The article's block, SDPA called plainly, the plain form under torch.compile, FlexAttention, and
MONAI's and timm's blocks where they can be imported; each as a multiple of the block of ours that
computes the same, in the same round. Weights are random; `bench/` holds who computes what.
"""

import argparse
import gc
import json
import statistics
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

from bench.clock import in_turns, ratio
from bench.contestants import CHANNELS, monai, timm
from bench.peers import Missing
from bench.same import draw
from nonlocal_tut import SelfAttention2d
from nonlocal_tut.memory.variants import VARIANTS

SIDES, COMPILED_SIDES = (32, 64, 128, 256), (64, 128)
DTYPES = (torch.float32, torch.bfloat16)
ROUNDS = 5
OURS = "SelfAttention2d"


class With(SelfAttention2d):
    """The article's layers around one way to average."""

    def forward(self, x):
        """x: (B, C, H, W) -> (B, C, H, W)."""
        convs = self.query_conv, self.key_conv, self.value_conv
        q, k, v = (conv(x).flatten(2).mT[:, None] for conv in convs)  # (B, 1, N, …)
        return x + self.gamma * self.average(q, k, v)[:, 0].mT.unflatten(2, x.shape[2:])


class PlainSdpa(With):
    """As it is called first: on transposed views."""

    def average(self, q, k, v):
        """(B, 1, N, d) twice, (B, 1, N, C) -> (B, 1, N, C)."""
        return F.scaled_dot_product_attention(q, k, v, scale=1.0)


class Flex(With):
    """FlexAttention, which is meant to be compiled."""

    def average(self, q, k, v):
        """(B, 1, N, d) twice, (B, 1, N, C) -> (B, 1, N, C)."""
        from torch.nn.attention.flex_attention import flex_attention

        q, k, v = (t.contiguous() for t in (q, k, v))
        return flex_attention(q, k, v, scale=1.0)


def contestants(side):
    """{name: (what makes it, the one of ours that computes the same)}, ours before the others."""
    found = {
        OURS: (lambda: SelfAttention2d(CHANNELS), OURS),
        "the article's two bmm": (lambda: VARIANTS["article"](CHANNELS), OURS),
        "SDPA, called plainly": (lambda: PlainSdpa(CHANNELS), OURS),
    }
    for c in (*timm(), *monai()):
        found[c.name] = (c.make, c.like or c.name)
    if side in COMPILED_SIDES:
        plain = {"attention": "matmul"}
        found["torch.compile of the plain form"] = (
            lambda: torch.compile(SelfAttention2d(CHANNELS, **plain)),
            OURS,
        )
        found["FlexAttention, compiled"] = (lambda: torch.compile(Flex(CHANNELS)), OURS)
    return found


def rows(side, dtype, device, rounds=ROUNDS):
    """A row for each contestant on one map, and why where it did not run."""
    shape = (1, CHANNELS, side, side)
    found, runs, of_ours = {}, {}, {}
    for name, (make, like) in contestants(side).items():
        status, run, peak = "ok", None, None
        try:
            run = training_step(make(), shape, dtype, device)
            run()
            peak = peak_of(run, device)
        except Missing:
            status = "left out: not installed"
        except Exception as error:  # whatever another's block raises is its row
            first = str(error).strip().split("\n")[0][:120]
            status, run = f"failed: {type(error).__name__}: {first}", None
        if run is not None:
            runs[name], of_ours[name] = run, like
        found[name] = {
            "contestant": name,
            "shape": list(shape),
            "dtype": str(dtype).removeprefix("torch."),
            "status": status,
            "peak_bytes": peak,
            "milliseconds": None,
            "time_ratio": None,
            "bytes_ratio": None,
        }
    times = in_turns(runs, rounds, device)
    for name, took in times.items():
        found[name]["milliseconds"] = [round(t, 4) for t in took]
        ours = of_ours[name]
        if ours in times:
            found[name]["time_ratio"] = float(f"{ratio(took, times[ours]):.4g}")
            if found[name]["peak_bytes"] and found[ours]["peak_bytes"]:
                share = found[name]["peak_bytes"] / found[ours]["peak_bytes"]
                found[name]["bytes_ratio"] = float(f"{share:.4g}")
    return list(found.values())


def training_step(module, shape, dtype, device):
    """A function that runs one: forward, backward, gradients dropped."""
    generator = torch.Generator().manual_seed(0)
    draw(module, generator)
    module = module.to(device, dtype)
    x = (0.5 * torch.randn(shape, generator=generator)).to(device, dtype).requires_grad_()
    gradient = torch.randn(shape, generator=generator).to(device, dtype)

    def run():
        module(x).backward(gradient)
        for tensor in (x, *module.parameters()):
            tensor.grad = None

    return run


def peak_of(run, device):
    """Bytes in the allocator's blocks above what was there before; None on a CPU."""
    if device != "cuda":
        return None
    torch.cuda.synchronize()
    base = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    run()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - base


def main(argv=None, sides=SIDES):
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    args = parser.parse_args(argv)
    gc.freeze()
    found = []
    for compiled in (False, True):  # what compiles takes longest, so comes last
        for side in sides:
            for dtype in DTYPES:
                if compiled == (side in COMPILED_SIDES):
                    more = rows(side, dtype, args.device)
                    found += more
                    args.out.write_text(json.dumps({"times": found}), encoding="utf-8")
                    print(f"{side}×{side} {dtype}", flush=True)
                    print(*map(line, more), sep="\n", flush=True)
    return 0


def line(row):
    """A row in words."""
    if row["milliseconds"] is None:
        return f"  {row['contestant']}: {row['status']}"
    took = f"{statistics.median(row['milliseconds']):.2f} ms"
    ratios = f"× {row['time_ratio']} the time, × {row['bytes_ratio']} the bytes"
    return f"  {row['contestant']}: {took}, {ratios}"


if __name__ == "__main__":
    sys.exit(main())
