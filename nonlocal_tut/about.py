"""`python -m nonlocal_tut.about`: what a report of a problem should begin with."""

import platform
from importlib.metadata import PackageNotFoundError, version

import torch

import nonlocal_tut
from nonlocal_tut.pairwise.backends import cudnn_here, fused_backend

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
WIDTH = 64  # of queries, keys and values: every kernel takes it, if it takes the dtype


def lines() -> list[str]:
    """The versions that matter, what the processor can do, the GPU, and which kernels would run."""
    found = {
        "nonlocal_tut": f"{nonlocal_tut.__version__} in {nonlocal_tut.__path__[0]}",
        "torch": f"{torch.__version__}, built for {_built_for()}",
        "numpy": _installed("numpy"),
        "matplotlib": _installed("matplotlib"),
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "processor": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
        "GPU": "none that torch can use",
    }
    capability = None
    if torch.cuda.is_available():
        capability = torch.cuda.get_device_capability()
        name = f"{torch.cuda.get_device_name()}, compute capability {capability[0]}.{capability[1]}"
        found["GPU"] = f"{name}, cuDNN {cudnn_here() or 'none'}"
    kernels = [
        f"{fused_backend(WIDTH, WIDTH, dtype, capability).backend} in {str(dtype)[6:]}"
        for dtype in DTYPES
    ]
    found["kernels"] = ", ".join(kernels) + f", at a width of {WIDTH}"
    return [f"{name:13} {value}" for name, value in found.items()]


def _built_for() -> str:
    if torch.version.cuda:
        return f"CUDA {torch.version.cuda}"
    return "the CPU" if torch.version.hip is None else f"ROCm {torch.version.hip}"


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    print("\n".join(lines()))
