"""Each chapter runs as on Colab: alone in an empty folder, in an environment without the module.

The set-up cell is the page's own. Git is told that the repository's address is a snapshot of this
working tree, with the tag that the cell asks for, so it installs what is here; the rest of the
environment is linked, not downloaded, setuptools included: the tests pass without a network.

nbval runs every page already, so three run here as a whole: one with kept data and figures, a short
one, and the one that starts processes. Of the others the set-up and the first imports run, and the
module that they get is this tree's, byte for byte. EVERY_CHAPTER=1 runs all as a whole, as on main.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from nbformat import v4
from normal_form import output_text, read
from repository import copy_tree
from run_notebooks import ROOT, execute
from set_repository import present_address, tag

CHAPTERS = sorted(ROOT.glob("book/[0-9]*.ipynb"))
WHOLE = ("01_receptive_field", "02_shape_algebra", "09_many_devices")
WHERE = """\
import json, nonlocal_tut, numpy, torch
print(json.dumps({m.__name__: m.__file__ for m in (nonlocal_tut, numpy, torch)}))"""


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


def imports(cell):
    return "import " in cell.source and any(
        isinstance(line, (ast.Import, ast.ImportFrom)) for line in ast.parse(cell.source).body
    )


def files(folder):
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_there_are_chapters():
    assert CHAPTERS and {*WHOLE} <= {chapter.stem for chapter in CHAPTERS}


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.stem)
def test_a_chapter_runs_alone(chapter, snapshot, linked, environment, tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    shutil.copy(chapter, folder)
    python, own = environment / "bin" / "python", packages(environment)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "PYTHON"))}
    env |= {
        "PIP_NO_BUILD_ISOLATION": "0",  # pip's double negation: 0 is --no-build-isolation
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{snapshot.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": present_address(ROOT),
    }
    find = [python, "-c", "from importlib.util import find_spec; print(find_spec('nonlocal_tut'))"]
    assert subprocess.check_output(find, cwd=folder, env=env, text=True) == "None\n"

    nb = read((folder / chapter.name).read_text(encoding="utf-8"))
    set_up = next(cell for cell in nb.cells if cell.cell_type == "code")
    whole = chapter.stem in WHOLE or os.environ.get("EVERY_CHAPTER")
    if not whole:
        code = [cell for cell in nb.cells if cell.cell_type == "code" and cell is not set_up]
        nb.cells = [set_up, next(filter(imports, code))]
    nb.cells.append(v4.new_code_cell(WHERE))
    try:
        execute(nb, folder, python=python, env=env)
    finally:
        print("The set-up cell said:", *map(output_text, set_up.outputs))

    committed = read((folder / chapter.name).read_text(encoding="utf-8"))
    for shown, there in zip(committed.cells, nb.cells[:-1], strict=True) if whole else ():
        if shown.cell_type == "code" and pictures(shown):
            assert pictures(there) == pictures(shown), shown.source
            assert printed(there) == printed(shown)  # what the picture shows

    assert json.loads(nb.cells[-1].outputs[0].text) == {
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
