"""The runs on other machines: what each process gets, what is counted, and the table of it."""

import copy
import json
import os
import re
import subprocess
import sys
from html import unescape

import portable
import pytest
import releases
import tested_on

ENDS = """\
import os, pytest
def test_passes(): pass
def test_fails(): assert 0
@pytest.mark.skip
def test_is_skipped(): pass
@pytest.fixture
def broken(): raise ValueError
def test_errs(broken): pass
def test_sees():
    mask = os.umask(0)
    assert (oct(mask), os.environ["HOME"], os.path.basename(os.getcwd())) == {seen!r}
"""


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A working tree with one test in it."""
    root = tmp_path / "root"
    (root / "tests").mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet", root], check=True)
    (root / ".gitignore").write_text("ignored\n", encoding="utf-8")
    (root / "ignored").write_text("", encoding="utf-8")
    monkeypatch.setattr(portable, "ROOT", root)
    monkeypatch.setattr(portable, "processor", lambda: "a processor")
    monkeypatch.setattr(portable, "SUITES", ("tests",))
    return root


@pytest.mark.parametrize("name", ["plain", "stranger"])
def test_a_machine_is_what_it_says_and_all_ends_are_counted(name, small):
    machine = portable.MACHINES[name]
    if not machine.network and subprocess.run([*portable.ALONE, "true"]).returncode:
        pytest.skip("no process may have a network of its own here")
    home = machine.env.get("HOME", os.environ.get("HOME"))
    seen = (oct(machine.umask), home, machine.folder)
    (small / "tests" / "test_ends.py").write_text(ENDS.format(seen=seen), encoding="utf-8")
    row = portable.tried(name, sys.executable)
    failed = ["tests.test_ends: test_fails", "tests.test_ends: test_errs"]
    found = {key: row["tests"][key] for key in ("passed", "failed", "skipped", "failures")}
    assert found == {"passed": 2, "failed": 2, "skipped": 1, "failures": failed}
    assert row["threads"] == int(machine.env["OMP_NUM_THREADS"])


def test_ignored_files_stay_behind(small, tmp_path):
    portable.copy_tree(small, tmp_path / "copy")
    assert [path.name for path in (tmp_path / "copy").iterdir()] == [".gitignore"]


def test_a_run_without_a_report_has_failed(small, tmp_path, monkeypatch):
    monkeypatch.setattr(portable, "SECONDS", 1)
    (small / "tests" / "test_a.py").write_text("import time\ntime.sleep(60)", encoding="utf-8")
    row = portable.tried("plain", sys.executable)
    assert row["tests"]["failed"] == 1 and "no report after 1 s" in row["tests"]["failures"][0]
    assert row["tests"]["minutes"] < 0.5


def test_nothing_of_this_process_s_machine_is_handed_on(tmp_path, monkeypatch):
    for name in ("ATEN_CPU_CAPABILITY", "LC_CTYPE", "PYTEST_ADDOPTS", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "mine")
    env = portable.surroundings(portable.MACHINES["plain"], tmp_path)
    assert "mine" not in env.values() and env["PATH"] == os.environ["PATH"]
    assert env["OMP_NUM_THREADS"] == "1"


def test_each_value_is_tried_at_least_once():
    tried = {key: set() for key in ("ATEN_CPU_CAPABILITY", "OMP_NUM_THREADS", "PYTHONHASHSEED")}
    for machine in portable.MACHINES.values():
        for key, values in tried.items():
            values.add(machine.env.get(key))
    assert tried["ATEN_CPU_CAPABILITY"] == {None, "avx2", "default"}
    assert tried["OMP_NUM_THREADS"] == {"1", "2", "4"} and len(tried["PYTHONHASHSEED"]) == 4
    for name in portable.LEFT_OUT:
        assert (tested_on.FILE.parents[2] / "tests" / f"test_{name}.py").is_file()


# --- other releases


def test_other_releases_take_the_place_of_the_pins():
    pinned = releases.requirements("colab")
    assert "torch==2.11.0" in pinned and "ipython==7.34.0" in pinned and "einops==0.8.2" in pinned
    assert sum(line.startswith("torch==") for line in pinned) == 1
    assert not any("==" in line for line in releases.requirements("newest"))
    assert "jupyter-book>=1.0.4.post1,<2" in releases.requirements("newest")
    with pytest.raises(ValueError, match="'old' is none of oldest, colab, newest"):
        releases.requirements("old")


def test_the_oldest_torch_is_the_one_that_the_module_takes():
    project = (tested_on.FILE.parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert releases.OTHER["oldest"]["torch"] == "==2.6.0" and '"torch>=2.6"' in project


# --- the table


@pytest.fixture
def row():
    suite = {"passed": 1234, "failed": 0, "skipped": 2, "failures": [], "minutes": 2.6}
    return {
        **{"machine": "plain", "told": "one thread", "date": "2026-11-27", "capability": "AVX2"},
        **{"python": "3.11.7", "torch": "2.13.0", "numpy": "2.4.6", "matplotlib": "3.11.2"},
        **{"threads": 1, "system": "Linux", "processor": "a processor"},
        **{"notebooks": suite, "tests": copy.deepcopy(suite)},
    }


def test_a_row_is_written_once_and_the_table_follows(row, tmp_path):
    file = tmp_path / "tested_on.json"
    other = row | {"python": "3.12.1"}
    for again in (row, other, row | {"date": "2026-11-28", "python": "3.11.9"}):
        tested_on.write(again, file)
    data = json.loads(file.read_text(encoding="utf-8"))
    assert [r["python"] for r in data["rows"]] == ["3.11.9", "3.12.1"]
    assert data["provenance"]["date"] == "2026-11-28"
    table = file.with_suffix(".txt").read_text(encoding="utf-8")
    passed = "1,234/1,234"
    assert f"| plain | 2.13.0, 3.12 | {passed} | {passed} |\n" in table
    assert table.count("- plain: one thread\n") == 1
    assert "- plain: Python 3.12.1, torch 2.13.0, numpy 2.4.6, matplotlib 3.11.2\n" in table
    assert "A run takes 5 minutes." in table and "What failed" not in table


def test_a_failure_is_named_and_the_report_fails(row, tmp_path, capsys):
    tested_on.write(row, tmp_path / "good.json")
    assert tested_on.main([str(tmp_path / "good.json")]) == 0
    assert "failed" not in capsys.readouterr().out
    bad = ["tests.test_a: test_b[{'c': 1}]", "tests.test_a: test_d[<e>]"]
    row["tests"] |= {"failed": 2, "failures": bad}
    row["notebooks"] |= {"failed": 1, "failures": ["book.a.ipynb: Cell 2"]}
    tested_on.write(row, tmp_path / "bad.json")
    assert tested_on.main([str(tmp_path / name) for name in ("good.json", "bad.json")]) == 1
    said = capsys.readouterr().out
    assert "| 1,234/1,236 |" in said
    assert "- torch 2.13.0, plain: 1 cell, 2 tests\n" in said and said.count("<details>") == 1
    block = said[said.index("<details>") : said.index("</details>")]
    assert "\n\n" not in block, "an empty line ends a block of HTML, and the rest would be Markdown"
    shown = re.findall("<code>(.*?)</code>", block.replace("<wbr>", ""))
    assert [unescape(name) for name in shown] == ["book.a.ipynb: Cell 2", *bad]
    assert "test_<wbr>b[{'c': 1}]" in block


def test_a_run_that_did_not_end_fails_the_report(row, tmp_path, capsys):
    (tmp_path / "empty.json").write_text("", encoding="utf-8")
    tested_on.write(row, tmp_path / "good.json")
    assert tested_on.main([str(tmp_path / name) for name in ("empty.json", "good.json")]) == 1
    assert "empty.json: no result" in capsys.readouterr().out
    assert tested_on.main([str(tmp_path / "none.json")]) == 1


def test_the_page_s_table_is_made_from_the_data():
    data = json.loads(tested_on.FILE.read_text(encoding="utf-8"))
    table = tested_on.table_of(tested_on.FILE)
    assert table.read_text(encoding="utf-8") == tested_on.rendered(data)
