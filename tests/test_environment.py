"""What conftest.py arranges for every kernel, on a machine that is not as expected."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KERNEL = "import matplotlib.font_manager"  # what a page's first figure imports
PARENT = f"""\
import conftest, subprocess, sys
told = subprocess.run([sys.executable, "-c", {KERNEL!r}], capture_output=True)
sys.exit(len(told.stderr) + told.returncode)"""


def test_a_kernel_says_nothing_of_matplotlib_where_home_cannot_be_written():
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MPL", "XDG"))}
    env["HOME"] = "/dev/null"
    alone = [sys.executable, "-c", KERNEL]
    warned = subprocess.run(alone, env=env, capture_output=True, text=True, encoding="utf-8")
    assert "MPLCONFIGDIR" in warned.stderr
    subprocess.run([sys.executable, "-c", PARENT], cwd=ROOT, env=env, check=True)
