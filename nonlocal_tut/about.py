"""`python -m nonlocal_tut.about`: what a report of a problem should begin with."""

import platform

import torch

import nonlocal_tut


def lines() -> list[str]:
    """The versions that matter, what the processor can do, and the GPU if there is one."""
    found = {
        "nonlocal_tut": f"{nonlocal_tut.__version__} in {nonlocal_tut.__path__[0]}",
        "torch": torch.__version__,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "processor": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
        "GPU": "none that torch can use",
    }
    if torch.cuda.is_available():
        major, minor = torch.cuda.get_device_capability()
        found["GPU"] = f"{torch.cuda.get_device_name()}, compute capability {major}.{minor}"
    return [f"{name:13} {value}" for name, value in found.items()]


if __name__ == "__main__":
    print("\n".join(lines()))
