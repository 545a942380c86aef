"""The wheel alone in a clean environment, and `make` where Python is too old."""

import importlib.metadata
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parent.parent
NOT_SOURCE = shutil.ignore_patterns(".*", "_build", "build", "dist", "__pycache__", "*.egg-info")
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

MAKE = shutil.which("make")
needs_make = pytest.mark.skipif(MAKE is None, reason="make is not installed")


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, **{"env": CLEAN, **options})


def closure(*names):
    """The installed distributions that these need, and they themselves."""
    found, todo = {}, list(names)
    while todo:
        name = re.sub(r"[-_.]+", "-", todo.pop()).lower()
        if name not in found:
            found[name] = importlib.metadata.distribution(name)
            needed = map(Requirement, found[name].requires or [])
            todo += [r.name for r in needed if not r.marker or r.marker.evaluate({"extra": ""})]
    return found


# The wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, so that no build/ of an earlier day gets in and none is left behind."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, folder / "source", ignore=NOT_SOURCE)
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "-w", folder]
    built = run(*pip, folder / "source")
    assert built.returncode == 0, built.stderr
    (found,) = folder.glob("*.whl")
    return zipfile.ZipFile(found)


@pytest.fixture(scope="module")
def metadata(wheel):
    (name,) = (n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


@pytest.fixture(scope="module")
def alone(wheel, tmp_path_factory):
    """The python of a new environment that holds the wheel and what torch and numpy need."""
    folder = tmp_path_factory.mktemp("alone")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": folder}))
    for distribution in closure("torch", "numpy").values():
        for top in {file.parts[0] for file in distribution.files} - {"..", "__pycache__"}:
            if not (packages / top).exists():  # several may share a folder, as nvidia's do
                (packages / top).symlink_to(distribution.locate_file(top))
    wheel.extractall(packages)
    return folder / "bin" / "python", packages


def test_the_wheel_holds_the_module_and_nothing_else(wheel):
    own = {n for n in wheel.namelist() if ".dist-info/" not in n}
    sources = (ROOT / "nonlocal_tut").rglob("*.py")
    assert own == {path.relative_to(ROOT).as_posix() for path in sources}
    assert {n.split("/")[0].split("-")[0] for n in wheel.namelist()} == {"nonlocal_tut"}
    assert any(n.endswith("/LICENSE") for n in wheel.namelist())


def test_the_wheel_asks_for_ranges_and_takes_any_newer_torch(metadata):
    required = [Requirement(line) for line in metadata.get_all("Requires-Dist")]
    needed = {r.name: r.specifier for r in required if not r.marker}
    assert needed == {"torch": SpecifierSet(">=2.6"), "numpy": SpecifierSet("")}
    assert "2.5.1" not in needed["torch"]
    assert all(version in needed["torch"] for version in ("2.6.0", "2.11.0+cu128", "3.0"))
    optional = {r.name: str(r.marker) for r in required if r.marker}
    assert optional == {"matplotlib": 'extra == "draw"'}
    assert metadata["Requires-Python"] == ">=3.11"


def test_the_books_pins_satisfy_the_module(metadata):
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    versions = {r.name: s.version for r in pins for s in r.specifier if s.operator == "=="}
    assert {r.name for r in pins} - set(versions) == {"jupyter-book"}
    assert "2.0" not in next(r.specifier for r in pins if r.name == "jupyter-book")
    for needed in map(Requirement, metadata.get_all("Requires-Dist")):
        assert versions[needed.name] in needed.specifier


def test_the_wheel_works_alone(alone, tmp_path):
    python, packages = alone
    code = (ROOT / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    assert sum(bool(line.strip()) for line in code.splitlines()) == 5
    code += """
import importlib.util, nonlocal_tut, sys
print(nonlocal_tut.__file__)
print(importlib.util.find_spec("matplotlib"), "nonlocal_tut.draw" in sys.modules)"""
    ran = run(python, "-c", code, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [str(packages / "nonlocal_tut/__init__.py"), "None False"]


def test_drawing_there_says_what_is_missing(alone, tmp_path):
    ran = run(alone[0], "-c", "import nonlocal_tut.draw", cwd=tmp_path)
    assert ran.stderr.splitlines()[-1].endswith("pip install 'nonlocal_tut[draw]'")


# make


@pytest.fixture
def house(tmp_path):
    """A folder with what make reads, and an empty one to be the PATH."""
    folder, path = tmp_path / "house", tmp_path / "path"
    folder.mkdir()
    path.mkdir()
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    return folder, path


def fake_python(place, version):
    """A script that claims this version: what make may ask of it, and no more."""
    old = "1" if tuple(map(int, version.split("."))) < (3, 11) else "0"
    place.write_text(
        f'#!/bin/sh\ncase "$1" in -V|--version) echo Python {version};; '
        f"-c) exit {old};; *) exit 99;; esac\n"
    )
    place.chmod(place.stat().st_mode | stat.S_IXUSR)
    return place


def refusal(house, *arguments):
    """What make says when it refuses, but for its own `make: ***`; it must leave nothing behind."""
    folder, path = house
    before = sorted(folder.rglob("*"))
    ran = run(MAKE, *arguments, cwd=folder, env={"PATH": str(path)})
    assert ran.returncode != 0 and ran.stdout == ""
    assert sorted(folder.rglob("*")) == before
    (line,) = (ln for ln in ran.stderr.splitlines() if not re.match(r"make(\[\d+\])?: \*\*\*", ln))
    assert "Python 3.11 or newer" in line
    return line


@needs_make
@pytest.mark.parametrize("target", ["book", "test", "notebooks"])
def test_make_refuses_an_old_python_in_one_line(target, house):
    python = fake_python(house[1] / "python3.9", "3.9.18")
    assert "3.9.18" in refusal(house, target, f"PYTHON={python}")


@needs_make
def test_make_refuses_a_python_that_is_not_there_in_one_line(house):
    assert "no-such-python" in refusal(house, "book", "PYTHON=no-such-python")


@needs_make
@pytest.mark.parametrize("old", [(), ("python3",), ("python3", "python")])
def test_make_without_any_usable_python_says_so_in_one_line(old, house):
    for name in old:
        fake_python(house[1] / name, "3.9.18")
    line = refusal(house, "book")
    assert "none was found" in line and "PYTHON=" in line


@needs_make
@pytest.mark.parametrize("newer", ["python3.13", "python3.12", "python3.11", "python"])
def test_make_looks_behind_an_old_python3_for_a_newer_one(newer, house):
    folder, path = house
    fake_python(path / "python3", "3.10.4")
    fake_python(path / newer, "3.11.0")
    planned = run(MAKE, "--dry-run", "book", cwd=folder, env={"PATH": str(path)})
    assert f"{newer} -m venv .venv" in planned.stdout, planned.stderr
