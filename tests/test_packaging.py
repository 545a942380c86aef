"""What a stranger installs: the wheel alone."""

import email
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent


PACKED = (".py", ".js", ".json", "py.typed")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of what is built, so that no build folder is left in the working tree."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for folder in ("nonlocal_tut", "book/data"):
        shutil.copytree(ROOT / folder, source / folder)
    (source / "tests").mkdir()
    shutil.copy(__file__, source / "tests")
    return source


@pytest.fixture(scope="module")
def sdist(source, tmp_path_factory):
    """The source archive, unpacked."""
    out = tmp_path_factory.mktemp("sdist")
    build = f"from setuptools import build_meta; build_meta.build_sdist({str(out)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    (file,) = out.glob("*.tar.gz")
    shutil.unpack_archive(file, out, filter="data")
    return out / file.name.removesuffix(".tar.gz")


def built(source, out):
    """The wheel of a source tree."""
    here = ("--no-deps", "--no-build-isolation")  # nothing is downloaded
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", *here, "-w", out, source]
    subprocess.run(command, check=True, capture_output=True)
    (file,) = out.glob("*.whl")
    return zipfile.ZipFile(file)


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    return built(source, tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_the_module_and_asks_for_ranges(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    (info,) = tops - {"nonlocal_tut"}
    about = email.message_from_bytes(wheel.read(f"{info}/METADATA"))
    needs = {need for need in about.get_all("Requires-Dist") if "extra ==" not in need}
    assert needs == {"torch>=2.6", "numpy"}
    assert about["Requires-Python"] == ">=3.11"
    module = (ROOT / "nonlocal_tut").rglob("*")
    files = [p for p in module if p.name.endswith(PACKED)]
    data = {f"nonlocal_tut/data/{p.name}" for p in (ROOT / "book" / "data").glob("*.json")}
    packed = {name for name in wheel.namelist() if name.endswith(PACKED)}
    assert packed == {str(file.relative_to(ROOT)) for file in files} | data
    assert (
        wheel.read("nonlocal_tut/data/bench_cpu.json")
        == (ROOT / "book" / "data" / "bench_cpu.json").read_bytes()
    )


def test_the_citation_names_the_same_version(wheel):
    said = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"]
    assert f"nonlocal_tut-{said}.dist-info/METADATA" in wheel.namelist()


def test_the_source_archive_builds_the_same_wheel_and_holds_no_tests(sdist, wheel, tmp_path):
    again = built(sdist, tmp_path)
    assert {f.filename: f.CRC for f in again.infolist()} == {
        f.filename: f.CRC for f in wheel.infolist()
    }
    assert not (sdist / "tests").exists()  # setuptools would take some, without what they import


def test_the_wheel_runs_the_readme_without_the_book_s_environment(wheel, tmp_path):
    bare = tmp_path / "site"
    wheel.extractall(bare)
    book_only = re.compile(
        r"(nonlocal_tut|__editable__|_*matplotlib|mpl_toolkits|einops|pytest|nbval)"
    )
    for here in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(here).iterdir():
            if not book_only.match(entry.name) and not entry.name.endswith(".pth"):
                (bare / entry.name).symlink_to(entry)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    first, *more = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert len([line for line in first.splitlines() if line]) == 5
    code = first + "".join(more) + "\nimport nonlocal_tut\nprint(nonlocal_tut.__file__)"
    code += "\nfrom nonlocal_tut import convert, receptive_field, shapes, tasks"
    env = {"PYTHONPATH": str(bare), "PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"}
    # -S: no site-packages but the folder above
    told = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    *printed, where = told.stdout.strip().splitlines()
    assert where == str(bare / "nonlocal_tut" / "__init__.py")
    assert printed[0].startswith("predicted for cuda: peak ")
