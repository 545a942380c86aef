"""Lets the tests import the tools, which are scripts and not a package; spares them old garbage.

Tests marked `gpu` run on a GPU and are skipped without one; with --gpu-device cpu they run there.
"""

import gc
import locale
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import older_torch
import pytest
import torch

from nonlocal_tut.pairwise import small

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))


def pytest_addoption(parser):
    parser.addoption(
        "--gpu-device",
        choices=("cuda", "cpu"),
        default="cuda",
        help="where the tests marked gpu run",
    )


# Half a minute or more each. A file stays with one worker: begun last, it would leave a core idle.
LONG = "blocks colab data_files make memory_exact parallel receptive_field ways ways_table".split()


def pytest_collection_modifyitems(config, items):
    items.sort(key=_when)
    if config.getoption("--gpu-device") == "cuda" and not torch.cuda.is_available():
        _mark(items, "gpu", pytest.mark.skip(reason="no GPU; --gpu-device cpu tries it out"))
    if locale.getpreferredencoding(False).lower() not in ("utf-8", "utf8", "ascii"):
        why = "torch reads its compiler's templates in the locale's encoding, which is not theirs"
        _mark(items, "compiles", pytest.mark.skip(reason=why))
    if torch.__version__.startswith(older_torch.RELEASE):
        known = {f"tests/{test}": why for why, tests in older_torch.FAILS.items() for test in tests}
        for item in items:
            if item.nodeid in known:
                item.add_marker(pytest.mark.xfail(reason=known[item.nodeid], strict=True))


def _when(item):
    """Pages first, then the long files, then the rest."""
    page = item.path.suffix == ".ipynb"
    return not page, item.path.stem.removeprefix("test_") not in LONG


def _mark(items, name, marker):
    for item in items:
        if name in item.keywords:
            item.add_marker(marker)


@pytest.fixture(scope="session")
def device(pytestconfig):
    """Where a test marked gpu runs."""
    return pytestconfig.getoption("--gpu-device")


@pytest.fixture(scope="module", autouse=True)
def only_new_garbage():
    """memory.measure collects garbage each time; what was imported before need not be looked at."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def no_small_maps(monkeypatch):
    """ "fused" takes the kernel at every size: a test's maps are small, and it means the kernel."""
    monkeypatch.setattr(small, "SMALL", 0)


@pytest.fixture
def shown(monkeypatch):
    """Every figure that a test shows; each is drawn to the end, so that it can fail."""
    figures = []

    def show():
        plt.gcf().canvas.draw()
        figures.append(plt.gcf())

    monkeypatch.setattr(plt, "show", show)
    yield figures
    plt.close("all")
