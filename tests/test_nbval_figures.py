"""nbval asks whether a figure is there, not where each machine puts the ends of its curves."""

import re
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


STORED = {  # what stands there, and whether it may
    "another machine's": ({"image/svg+xml": ANOTHER, "text/plain": KIND}, True),
    "another figure": (
        {"image/svg+xml": ANOTHER, "text/plain": KIND.replace("1 Axes", "2 Axes")},
        False,
    ),
    "a PNG": ({"image/png": "aGVsbG8=", "text/plain": KIND}, False),
    "a moving figure": ({"text/html": "<svg></svg>", "text/plain": KIND}, False),
    "none": (None, False),
}


@pytest.fixture(scope="module")
def passed(tmp_path_factory):
    """{stored: whether nbval lets it pass}, of a cell each."""
    folder, cells = tmp_path_factory.mktemp("page"), []
    for stored, _ in STORED.values():
        outputs = [v4.new_output("display_data", stored)] if stored else []
        cells.append(v4.new_code_cell(DRAWS, outputs=outputs, execution_count=len(cells) + 1))
    page = v4.writes_json(v4.new_notebook(cells=cells))
    (folder / "page.ipynb").write_text(page, encoding="utf-8")
    sanitized = f"--nbval-sanitize-with={ROOT / 'tests' / 'sanitize.cfg'}"
    options = ["--nbval", "--nbval-current-env", sanitized, "-q", "-rA", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, str(folder)]
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout
    found = re.findall(r"^(PASSED|FAILED) \S+::Cell (\d)", told, re.MULTILINE)
    ends = {int(cell): end == "PASSED" for end, cell in found}
    assert sorted(ends) == [*range(len(cells))], told
    return {name: ends[number] for number, name in enumerate(STORED)}


@pytest.mark.parametrize("name", STORED)
def test_a_stored_figure(name, passed):
    assert passed[name] == STORED[name][1]
