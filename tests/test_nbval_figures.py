"""nbval asks whether a figure is there, not where each machine puts the ends of its curves."""

import subprocess
import sys
from pathlib import Path

import pytest
from nbformat import v4

ROOT = Path(__file__).resolve().parent.parent
DRAWS = """\
from nonlocal_tut import draw
draw.lines({"a": ([1, 2], [1, 3])}, x="x", y="y")"""
ANOTHER = '<?xml version="1.0"?>\n<svg>\n<path d="M 1 2"/>\n</svg>\n'
KIND = "<Figure size 495x352 with 1 Axes>"


@pytest.mark.parametrize(
    ("stored", "passes"),
    [
        ({"image/svg+xml": ANOTHER, "text/plain": KIND}, True),
        ({"image/svg+xml": ANOTHER, "text/plain": KIND.replace("1 Axes", "2 Axes")}, False),
        ({"image/png": "aGVsbG8=", "text/plain": KIND}, False),
        ({"text/html": "<svg></svg>", "text/plain": KIND}, False),
        (None, False),
    ],
    ids=["another machine's", "another figure", "a PNG", "a moving figure", "none"],
)
def test_a_stored_figure(stored, passes, tmp_path):
    outputs = [v4.new_output("display_data", stored)] if stored else []
    nb = v4.new_notebook(cells=[v4.new_code_cell(DRAWS, outputs=outputs, execution_count=1)])
    (tmp_path / "page.ipynb").write_text(v4.writes_json(nb), encoding="utf-8")
    sanitized = f"--nbval-sanitize-with={ROOT / 'tests' / 'sanitize.cfg'}"
    options = ["--nbval", "--nbval-current-env", sanitized, "-q", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, str(tmp_path)]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (told.returncode == 0) == passes, told.stdout
    assert "1 passed" in told.stdout if passes else "1 failed" in told.stdout
