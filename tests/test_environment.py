"""What conftest.py arranges for every kernel, on a machine that is not as expected."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DRAWS = "import matplotlib.font_manager"
COUNTS = """\
import sys, torch
torch.version.cuda, sys.modules["triton.runtime.jit"] = "13.0", None
import torch.utils.flop_counter"""
PARENT = """\
import conftest, subprocess, sys
told = subprocess.run([sys.executable, "-c", {kernel!r}], capture_output=True)
sys.exit(len(told.stderr) + told.returncode)"""


@pytest.mark.parametrize(
    ("kernel", "home", "warning"),
    [
        pytest.param(DRAWS, "/dev/null", "MPLCONFIGDIR", id="HOME cannot be written"),
        pytest.param(COUNTS, os.environ.get("HOME", "/"), "triton not found", id="no triton"),
    ],
)
def test_a_kernel_keeps_a_warning_about_the_machine_to_itself(kernel, home, warning):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MPL", "XDG", "TORCH_LOGS"))}
    env["HOME"] = home
    alone = subprocess.run([sys.executable, "-c", kernel], env=env, capture_output=True)
    assert alone.returncode == 0 and warning in alone.stderr.decode()
    under = [sys.executable, "-c", PARENT.format(kernel=kernel)]
    subprocess.run(under, cwd=ROOT, env=env, check=True)
