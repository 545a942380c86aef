"""`make` on a new machine: which Python it takes, and where it gets torch.

The indexes are served on loopback and hold wheels of a few bytes.
"""

import io
import os
import shutil
import socket
import subprocess
import sys
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import install
import pytest
from every import some

ROOT = Path(__file__).resolve().parent.parent
CPU_BUILDS = "https://download.pytorch.org/whl/cpu"
PINNED = "2.13.0"
UV = Path(sys.executable).with_name("uv")

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def program(folder, name, script):
    """A shell script in `folder`, which is made if need be."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (folder / name).chmod(0o755)


@pytest.fixture
def clone(tmp_path):
    """What make reads before there is an environment."""
    (tmp_path / "tools").mkdir()
    read = ("Makefile", "requirements.txt", "constraints.txt", "pyproject.toml", "tools/install.py")
    for name in read:
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("found", ["3.9.2", None])
def test_without_a_usable_python_it_says_so_in_one_line(found, clone):
    programs = clone / "bin"
    programs.mkdir()
    for name in ("make", "sh"):
        (programs / name).symlink_to(shutil.which(name))
    arguments = ["make", "book"]
    if found:
        program(programs, "old-python", f'test "$1" = --version && echo "Python {found}"')
        arguments.append("PYTHON=old-python")
    before = set(clone.iterdir())
    env = {"PATH": str(programs)}
    told = subprocess.run(arguments, cwd=clone, env=env, capture_output=True, text=True)
    assert told.returncode != 0 and told.stdout == ""
    ours = [line for line in told.stderr.splitlines() if not line.startswith("make")]
    what = f"old-python is Python {found}" if found else "none was found"
    assert len(ours) == 1 and "needs Python 3.11 or newer" in ours[0] and what in ours[0]
    assert set(clone.iterdir()) == before


@pytest.mark.parametrize(
    ("system", "card", "chosen", "index"),
    [
        ("Linux", False, {}, CPU_BUILDS),
        ("Linux", True, {}, None),
        ("Darwin", False, {}, None),
        ("Linux", False, {"PIP_INDEX_URL": "https://mirror.example"}, None),
        ("Linux", False, {"PIP_EXTRA_INDEX_URL": "https://mirror.example"}, None),
        ("Linux", False, {"TORCH_INDEX": ""}, None),
        ("Linux", True, {"TORCH_INDEX": "https://mirror.example"}, "https://mirror.example"),
    ],
)
def test_the_index_for_torch(system, card, chosen, index, clone):
    program(clone / "bin", "uname", f"echo {system}")
    program(clone / "bin", "nvidia-smi", f"exit {0 if card else 9}")
    env = {"PATH": f"{clone / 'bin'}:{os.environ['PATH']}", **chosen}
    command = ["make", "--dry-run", f"PYTHON={sys.executable}", ".venv/.ready"]
    told = subprocess.check_output(command, cwd=clone, env=env, text=True)
    asked = [line for line in told.splitlines() if "--extra-index-url" in line]
    assert len(asked) == (index is not None)
    if index:
        assert f"--extra-index-url {index} " in asked[0] and "--no-deps" in asked[0]
    where = f"{index} if that answers" if index else "pip's own index"
    assert f"torch: from {where}. To choose otherwise:" in told


def wheel(name, version):
    """A wheel whose one module knows its version."""
    about, memory = f"{name}-{version}.dist-info", io.BytesIO()
    with zipfile.ZipFile(memory, "w") as file:
        for path, text in {
            f"{name}.py": f'__version__ = "{version}"\n',
            f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            f"{about}/RECORD": "",
        }.items():
            file.writestr(path, text)
    return memory.getvalue()


@contextmanager
def index(version=None):
    """An index with one version of torch, or one that answers 503. -> its address, the requests."""
    asked = []
    file = f"torch-{version}-py3-none-any.whl"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            page = f'<a href="/{file.replace("+", "%2B")}">{file}</a>'.encode()
            self.send_response(200 if version else 503)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(wheel("torch", version) if self.path.endswith(".whl") else page)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def closed():
    """An address at which nobody answers."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{held.getsockname()[1]}"


CASES = ["answers-uv", "503-pip", "closed-uv", "closed-pip", "answers-pip", "503-uv"]


@pytest.mark.parametrize("case", some(CASES, 3))
def test_torch_comes_from_there_or_silently_from_the_ordinary_index(case, clone):
    cpu_builds, tool = case.split("-")
    path = os.environ["PATH"]
    if tool == "uv":
        (clone / "bin").mkdir()
        (clone / "bin" / "uv").symlink_to(UV)
        path = f"{clone / 'bin'}:{path}"
    (clone / "requirements.txt").write_text(f"torch=={PINNED}\n", encoding="utf-8")
    (clone / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n', "utf-8"
    )
    (clone / "ours-0-py3-none-any.whl").write_bytes(wheel("ours", "0"))
    (clone / "backend.py").write_text(
        "import os, shutil\n\ndef build_editable(folder, *settings):\n"
        "    return os.path.basename(shutil.copy('ours-0-py3-none-any.whl', folder))\n",
        encoding="utf-8",
    )
    has = f"{PINNED}+cpu" if cpu_builds == "answers" else None
    with index(PINNED) as (ordinary, _), index(has) as (other, asked):
        (clone / "pip.conf").write_text(
            f"[global]\nindex-url = {ordinary}\nextra-index-url =\nfind-links =\n", encoding="utf-8"
        )
        env = {"PATH": path, "PIP_CONFIG_FILE": str(clone / "pip.conf")}
        env["UV_CACHE_DIR"] = str(clone / "cache")
        where = closed() if cpu_builds == "closed" else other
        command = ["make", f"PYTHON={sys.executable}", f"TORCH_INDEX={where}", ".venv/.ready"]
        told = subprocess.run(command, cwd=clone, env=env, capture_output=True, text=True)
    assert told.returncode == 0 and told.stderr == ""
    assert told.stdout.splitlines()[-1] == f"torch {has or PINNED} is in .venv"
    (installer,) = clone.glob(".venv/lib/*/site-packages/torch-*.dist-info/INSTALLER")
    assert installer.read_text(encoding="utf-8").strip() == tool
    pages = [path for path in asked if path.endswith("/")]
    assert pages == ([] if cpu_builds == "closed" else ["/torch/"])  # for torch alone, and once


def test_uv_is_told_what_pip_is_set_to():
    listed = """:env:.cert='/a/file'
freeze.find-links='not this'
global.extra-index-url='https://one.example https://two.example'
global.find-links='/one\\n/two'
global.index-url='https://not-this.example'
global.timeout='9'
install.index-url='https://mirror.example'
install.retries=''"""
    assert install.settings(listed) == {
        "SSL_CERT_FILE": "/a/file",
        "UV_EXTRA_INDEX_URL": "https://one.example https://two.example",
        "UV_FIND_LINKS": "/one,/two",
        "UV_DEFAULT_INDEX": "https://mirror.example",
    }
    assert install.settings("") == {}


def test_an_index_of_its_own_can_be_left_out():
    asked = ["--no-deps", "--extra-index-url", "https://one.example", "torch==1"]
    assert install.without_index(asked) == ["--no-deps", "torch==1"]
    assert install.without_index(["torch==1"]) == ["torch==1"]
