"""What is kept, installed and run has been named beforehand, and the module fetches nothing."""

import ast
import re
import sys

import constraints
import pytest
import yaml
from normal_form import read
from repository import git
from run_notebooks import ROOT

REQUIREMENTS = sorted(ROOT.glob("requirements*.txt"))
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
MODULE = sorted(ROOT.glob("nonlocal_tut/**/*.py"))
PAGES = sorted(ROOT.glob("book/*.ipynb"))
PIN = r"[\w.-]+==\d[\w.]*"


# --- what git keeps

TOP = {
    *(".ci", ".github", ".gitignore", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE"),
    *("MANIFEST.in", "Makefile", "README.md", "README.zh.md", "_config.yml", "_toc.yml", "bench"),
    *("book", "conftest.py", "constraints.txt", "locale", "nonlocal_tut", "pyproject.toml"),
    *("setup.py", "tests", "tools", *(file.name for file in REQUIREMENTS)),
}
LARGEST = 500_000  # bytes; a page has less than 400,000, as a rule of the book says
ALL = 10_000_000  # more than twice what there is


def strays(root):
    """What a repository tracks and should not: 1,536 pictures once lay in a folder `--help`."""
    names = [name for name in git("ls-files", "-z", root=root).split("\0") if name]
    bytes_of = {name: (root / name).lstat().st_size for name in names if (root / name).exists()}
    found = [f"{top} has no place here" for top in sorted({n.split("/")[0] for n in names} - TOP)]
    found += [f"{name} has {size:,} bytes" for name, size in bytes_of.items() if size > LARGEST]
    if sum(bytes_of.values()) > ALL:
        found.append(f"all files have {sum(bytes_of.values()):,} bytes")
    return found


def test_git_keeps_small_files_in_known_places():
    if not (ROOT / ".git").exists():
        pytest.skip("a copy of the files alone")
    assert strays(ROOT) == []
    assert {path.name for path in ROOT.iterdir()} >= TOP


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"README.md": 9, "book/intro.md": LARGEST}, []),
        ({"--help/index-390-dark-00.png": 9}, ["--help has no place here"]),
        ({"notes.txt": 9, "tests/a.py": 9}, ["notes.txt has no place here"]),
        ({"book/data/a.json": LARGEST + 1}, ["book/data/a.json has 500,001 bytes"]),
        (
            {f"tests/{i}": LARGEST for i in range(20)} | {"LICENSE": 1},
            ["all files have 10,000,001 bytes"],
        ),
    ],
)
def test_a_file_that_strayed_is_found(files, told, tmp_path):
    git("init", "--quiet", root=tmp_path)
    for name, size in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_bytes(bytes(size))
    git("add", "--all", root=tmp_path)
    found = strays(tmp_path)
    assert len(found) == len(told) and all(
        f.startswith(t) for f, t in zip(found, told, strict=True)
    )


# --- packages


def pins(file):
    lines = file.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("file", [*REQUIREMENTS, ROOT / "constraints.txt"], ids=lambda f: f.name)
def test_requirements_stay_pinned(file):
    lines = pins(file)
    loose = [line for line in lines if not re.fullmatch(PIN, line)]
    assert len(lines) > 1
    assert loose in ([], ["jupyter-book>=1.0.4.post1,<2"])  # 1.x is closed, but for repairs
    assert len({line.split("=")[0].lower() for line in lines}) == len(lines)


def test_all_that_the_requirements_need_is_pinned_too():
    wanted = constraints.named(ROOT / "requirements.txt")
    pinned = {name for name, said in wanted.items() if said.startswith("==")}
    pinned |= constraints.named(ROOT / "constraints.txt").keys()
    assert len(constraints.needed(wanted)) > len(wanted) + 50
    assert constraints.needed(wanted).keys() - pinned == set(), "python tools/constraints.py"


def test_what_another_package_needs_is_found(tmp_path):
    assert {"numpy", "pluggy", "iniconfig"} <= constraints.needed(["numpy", "pytest"]).keys()
    (tmp_path / "r.txt").write_text("# why\nA_b.c==1\n\njupyter-book>=1,<2\n", encoding="utf-8")
    assert constraints.named(tmp_path / "r.txt") == {"a-b-c": "==1", "jupyter-book": "<2,>=1"}
    assert constraints.CUDA.match("nvidia-cublas") and constraints.CUDA.match("triton")
    assert not constraints.CUDA.match("tritonclient")


# --- workflows


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_actions_are_pinned_and_may_little(file):
    text = file.read_text(encoding="utf-8")
    said = yaml.safe_load(text)
    uses = re.findall(r"uses: (.*)", text)
    assert uses and all(
        re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use) for use in uses
    )
    assert set(said["permissions"].values()) <= {"read"}
    for job in said["jobs"].values():
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            if "actions/checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False
            assert "${{" not in step.get("run", "")  # a value goes in through env, as no code


def test_the_same_action_has_the_same_version_everywhere():
    texts = [file.read_text(encoding="utf-8") for file in WORKFLOWS]
    uses = {use for text in texts for use in re.findall(r"uses: (.*)", text)}
    assert len({use.split("@")[0] for use in uses}) == len(uses)


# --- the module and the pages

THIRD_PARTIES = {"torch", "numpy", "matplotlib"}
NETWORK = {
    *("aiohttp", "asyncio", "ftplib", "http", "httpx", "huggingface_hub", "requests", "smtplib"),
    *("socket", "socketserver", "ssl", "telnetlib", "urllib", "urllib3", "webbrowser", "xmlrpc"),
}
PICKLES = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
RUNS_TEXT = {"eval", "exec", "compile", "__import__"}
FETCHES = {"hub", "load_state_dict_from_url", "download_url_to_file", "load_url", "urlopen"}


def told(source):
    """What a program does that a reader would not expect of it."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        found += [f"imports {n}" for n in names if n.split(".")[0] in NETWORK | PICKLES]
        found += [f"imports {n}" for n in names if FETCHES & {*n.split(".")}]
        if isinstance(node, ast.Attribute) and node.attr in FETCHES:
            found.append(f"has .{node.attr}")
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in RUNS_TEXT:
                found.append(f"calls {called}")
            said = {word.arg: ast.unparse(word.value) for word in node.keywords}
            safe = said.get("weights_only") == "True"
            if called.split(".")[-1] == "load" and called != "json.load" and not safe:
                found.append(f"loads without weights_only=True: {ast.unparse(node)}")
    return found


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from urllib import request",
        "import urllib.request as r",
        "from torch import hub",
        "from torch.hub import load_state_dict_from_url",
        "torch.hub.list('a/b')",
        "eval('1')",
        "exec(text)",
        "torch.load(file)",
        "torch.load(file, weights_only=False)",
        "numpy.load(file, allow_pickle=True)",
        "def f():\n    import requests",
    ],
)
def test_the_check_finds_it(source):
    assert told(source)


def test_the_check_leaves_the_rest():
    assert told("import json\nnet.eval()\ntorch.load(file, weights_only=True)\njson.load(f)") == []


def test_the_module_fetches_nothing_and_runs_no_text():
    found = {
        str(file.relative_to(ROOT)): said
        for file in MODULE
        if (said := told(file.read_text(encoding="utf-8")))
    }
    # Workers and the process that started them, through a folder that is theirs alone.
    workers = found.pop("nonlocal_tut/parallel/workers.py")
    assert len(workers) == 2 and all("{folder}/" in line for line in workers)
    assert found == {}


def test_the_module_imports_what_it_asks_for_and_nothing_else():
    found = set()
    for file in MODULE:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module.split(".")[0])
    found -= {"IPython"}  # which a figure imports inside a notebook alone, where it is already
    assert found - sys.stdlib_module_names == THIRD_PARTIES | {"nonlocal_tut"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_fetches_the_module_and_nothing_else(page):
    cells = [c for c in read(page.read_text(encoding="utf-8")).cells if c.cell_type == "code"]
    for cell in cells[1:]:  # the first is the set-up cell, which tests/book_rules.py knows
        lines = [line for line in cell.source.splitlines() if not line.lstrip().startswith("%")]
        assert told("\n".join(lines)) == [], cell.source
