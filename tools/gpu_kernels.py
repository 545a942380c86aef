"""The kernels part of `tools/gpu.py`: does the kernel run that `fused_backend` names?

    python tools/gpu_kernels.py OUT.json [--device cpu]

For a grid of widths and dtypes it calls SDPA under the profiler, forward and backward, and reads
from the operation's name which kernel took it. `names` keeps those of the GPU's own kernels.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.profiler import ProfilerActivity, profile

from nonlocal_tut.pairwise.backends import fused_backend, gpu_here

WIDTHS = (
    *((8, 64), (16, 96), (32, 32), (64, 64), (128, 128)),  # blocks of 64, 128 and 256 channels
    *((4, 4), (4, 12), (12, 12), (3, 5), (1, 1)),
    *((136, 136), (192, 128), (128, 192), (200, 200), (256, 256), (512, 512)),
)
DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
POSITIONS = 200
RAN = {  # the operation that each kernel is called through
    "aten::_scaled_dot_product_flash_attention": "flash",
    "aten::_scaled_dot_product_flash_attention_for_cpu": "flash",
    "aten::_scaled_dot_product_efficient_attention": "efficient",
    "aten::_scaled_dot_product_cudnn_attention": "cudnn",
    "aten::_scaled_dot_product_attention_math": "math",
}


def cases():
    """(d, dv, dtype, training, keys)."""
    for dtype in DTYPES:
        for d, dv in WIDTHS:
            for training in (True, False):
                yield d, dv, dtype, training, POSITIONS
        yield 32, 32, dtype, True, 1


def row(d, dv, dtype, training, keys, device):
    """What should run and what ran."""
    capability = gpu_here().capability if device == "cuda" else None
    options = {"dtype": dtype, "device": device, "requires_grad": training}
    q = torch.randn(2, 1, POSITIONS, d, **options)
    k, v = (torch.randn(2, 1, keys, width, **options) for width in (d, dv))
    ran, names = observed(q, k, v)
    return {
        "d": d,
        "dv": dv,
        "dtype": str(dtype).removeprefix("torch."),
        "training": training,
        "keys": keys,
        "expected": fused_backend(d, dv, dtype, capability, training=training, keys=keys).backend,
        "ran": ran,
        "names": names,
    }


def observed(q, k, v):
    """The kernel that ran, and the names of what ran on the GPU, the longest first."""
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * q.is_cuda
    try:
        with profile(activities=activities) as seen:
            y = F.scaled_dot_product_attention(q, k, v, scale=1.0)
            if y.requires_grad:
                y.sum().backward()
            if q.is_cuda:
                torch.cuda.synchronize()
    except RuntimeError as error:
        return "failed", [str(error).strip().split("\n")[0][:120]]
    found = {event.key for event in seen.key_averages()}
    ran = next((kernel for name, kernel in RAN.items() if name in found), "failed")
    on_gpu = [e for e in seen.events() if e.device_type == torch.autograd.DeviceType.CUDA]
    on_gpu.sort(key=lambda event: -event.time_range.elapsed_us())
    return ran, list(dict.fromkeys(event.name[:120] for event in on_gpu))[:3]


def main(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    args = parser.parse_args(argv)
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # else the profiler writes at each run
    rows = []
    for case in cases():
        rows.append(row(*case, args.device))
        if rows[-1]["expected"] != rows[-1]["ran"]:
            print(json.dumps(rows[-1]), flush=True)
        args.out.write_text(json.dumps({"kernels": rows}), encoding="utf-8")
    wrong = sum(row["expected"] != row["ran"] for row in rows)
    print(f"{len(rows) - wrong} of {len(rows)} ran the kernel that fused_backend names")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
