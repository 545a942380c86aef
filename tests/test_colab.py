"""Each chapter runs as on Colab: alone in an empty folder, in an environment without the module.

The set-up cell is the page's own. Git is told that the repository's address is a snapshot of this
working tree, with the tag that the cell asks for, so it installs what is here; the rest of the
environment is linked, not downloaded, setuptools included: the tests pass without a network.

nbval runs every page already, so one runs here as a whole, which has figures, and behind it what
the others import first, and two workers: their set-up cell is the same. The module that they get is
this tree's, byte for byte. EVERY=1 runs all as a whole, as on main.
"""

import ast
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from every import EVERY
from nbformat import v4
from normal_form import output_text, read
from repository import copy_tree
from run_notebooks import ROOT, execute
from set_repository import present_address, tag

CHAPTERS = sorted(ROOT.glob("book/[0-9]*.ipynb"))
WHOLE = "02_shape_algebra"
WHERE = """\
import json, nonlocal_tut, numpy, torch
print(json.dumps({m.__name__: m.__file__ for m in (nonlocal_tut, numpy, torch)}))"""
WORKERS = (
    "%%writefile work.py\ndef two(device): return 2",
    "import work; assert parallel.run(work.two, workers=2) == [2, 2]",
)


def git(folder, *arguments):
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    author = ("-c", "user.name=Nobody", "-c", "user.email=nobody@example.org")
    command = ["git", *author, *arguments]
    return subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True).stdout


def pictures(cell):
    kinds = [kind for output in cell.outputs for kind in output.get("data", {})]
    return sum(kind.startswith("image/") for kind in kinds)


def printed(cell):
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    """A repository whose one commit is this working tree, ignored files aside."""
    folder = tmp_path_factory.mktemp("snapshot")
    copy_tree(ROOT, folder)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--no-gpg-sign", "--no-verify", "--message=snapshot")
    git(folder, "tag", "--no-sign", tag(ROOT))
    return folder


@pytest.fixture
def linked(tmp_path):
    """A folder with links to all that is installed here, but for the module.

    It is outside the new environment, so that pip takes nothing in it for its own to replace:
    a set-up cell that asks for too much cannot reach through a link into this environment.
    """
    folder = tmp_path / "linked"
    folder.mkdir()
    for here in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(here).iterdir():
            if "nonlocal_tut" not in entry.name and entry.name != "__pycache__":
                (folder / entry.name).symlink_to(entry)
    return folder


@pytest.fixture
def environment(tmp_path, linked):
    """A new environment that sees the linked packages."""
    folder = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages(folder) / "linked.pth").write_text(f"{linked}\n", encoding="utf-8")
    return folder


def packages(environment):
    return Path(sysconfig.get_path("purelib", "venv", {"base": environment}))


def code(nb):
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def set_up(nb):
    return code(nb)[0]


def first_imports(nb):
    return next(filter(imports, code(nb)[1:])).source


def imports(cell):
    return "import " in cell.source and any(
        isinstance(line, (ast.Import, ast.ImportFrom)) for line in ast.parse(cell.source).body
    )


def files(folder):
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def chosen():
    """The chapters that run as a whole."""
    found = [chapter for chapter in CHAPTERS if EVERY or chapter.stem == WHOLE]
    assert found
    return found


@pytest.fixture
def run(snapshot, linked, environment, tmp_path):
    """run(nb) runs a notebook, whose first code cell is the set-up, alone in an empty folder."""

    def run(nb):
        folder = tmp_path / "empty"
        folder.mkdir()
        python, own = environment / "bin" / "python", packages(environment)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "PYTHON"))}
        env |= {
            "PIP_NO_BUILD_ISOLATION": "0",  # pip's double negation: 0 is --no-build-isolation
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{snapshot.as_uri()}.insteadOf",
            "GIT_CONFIG_VALUE_0": present_address(ROOT),
        }
        find = "from importlib.util import find_spec; print(find_spec('nonlocal_tut'))"
        found = subprocess.check_output([python, "-c", find], cwd=folder, env=env, text=True)
        assert found == "None\n"
        nb.cells.append(v4.new_code_cell(WHERE))
        try:
            execute(nb, folder, python=python, env=env)
        finally:
            print("The set-up cell said:", *map(output_text, set_up(nb).outputs))
        assert json.loads(nb.cells.pop().outputs[0].text) == {
            "nonlocal_tut": str(own / "nonlocal_tut" / "__init__.py"),
            "numpy": str(linked / "numpy" / "__init__.py"),
            "torch": str(linked / "torch" / "__init__.py"),
        }
        data = {f"data/{path.name}": path.read_bytes() for path in ROOT.glob("book/data/*.json")}
        assert files(own / "nonlocal_tut") == files(ROOT / "nonlocal_tut") | data
        installed = {entry.name.split("-")[0] for entry in own.iterdir()}
        assert installed == {"linked.pth", "nonlocal_tut"}
        (origin,) = own.glob("nonlocal_tut-*.dist-info/direct_url.json")
        commit = git(snapshot, "rev-parse", "HEAD").decode().strip()
        assert json.loads(origin.read_text(encoding="utf-8"))["vcs_info"]["commit_id"] == commit

    return run


@pytest.mark.parametrize("chapter", chosen(), ids=lambda chapter: chapter.stem)
def test_a_chapter_runs_alone(chapter, run):
    committed, nb = (read(chapter.read_text(encoding="utf-8")) for _ in range(2))
    books = [read(other.read_text(encoding="utf-8")) for other in CHAPTERS]
    assert {set_up(book).source for book in books} == {set_up(nb).source}
    behind = [*map(first_imports, books), "assert records.read('seeds')", *WORKERS]
    nb.cells += map(v4.new_code_cell, behind)
    run(nb)
    for shown, there in zip(committed.cells, nb.cells, strict=False):
        if shown.cell_type == "code" and pictures(shown):
            assert pictures(there) == pictures(shown), shown.source
            assert printed(there) == printed(shown)  # what the picture shows
