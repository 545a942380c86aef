"""Notebooks run from top to bottom, come out in one form, and are never lost."""

import sys

import pytest
from nbformat import v4
from normal_form import read
from run_notebooks import ROOT, main

DRAWS = """\
import matplotlib.pyplot as plt
plt.plot([1, 3, 2])
plt.show()"""
LOOKS_AROUND = """\
import importlib.util, os, sys
from pathlib import Path
print(Path.cwd().name, os.environ["OMP_NUM_THREADS"], sys.executable == "{python}")
module = Path(importlib.util.find_spec("nonlocal_tut").origin)
print(module == Path("{root}/nonlocal_tut/__init__.py"))"""


def notebook(*sources, **metadata):
    """The text of a notebook that was never run, with cells given as a source or (source, tags)."""
    nb = v4.new_notebook(metadata=metadata)
    for cell in sources:
        source, tags = (cell, []) if isinstance(cell, str) else cell
        nb.cells.append(v4.new_code_cell(source, metadata={"tags": tags} if tags else {}))
    return v4.writes_json(nb)


def page(folder, text):
    path = folder / "page.ipynb"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_page_runs_and_comes_out_in_one_form(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    nb = read(
        notebook(
            "print('one')\nimport sys; sys.stdout.flush()\nprint('two')",
            DRAWS,
            LOOKS_AROUND.format(root=ROOT, python=sys.executable),
            ("import json\njson.loads('{')", ["raises-exception"]),
            ("1 / 0", ["nbval-raises-exception"]),
            "   ",
            "6 * 7",
            kernelspec={"name": "my-own", "display_name": "Mine"},
            widgets={"state": {}},
        )
    )
    nb.cells[0].metadata = {"execution": {"iopub.status.busy": "now"}, "tags": []}
    nb.cells[2].id = nb.cells[1].id = "twice"
    del nb.cells[3]["id"]
    path = page(tmp_path, v4.writes_json(nb))
    path.chmod(0o640)

    assert main([str(path)]) == 0
    once = path.read_bytes()
    assert capsys.readouterr().out.count("\n") == 1
    assert main([str(path)]) == 0
    assert path.read_bytes() == once
    assert main(["--check", str(path)]) == 0
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]

    cells = read(once.decode()).cells
    assert [cell.execution_count for cell in cells] == [1, 2, 3, 4, 5, 6]
    assert [output.text for output in cells[0].outputs] == ["one\ntwo\n"]
    assert "image/png" in cells[1].outputs[0].data
    assert cells[2].outputs[0].text == f"{tmp_path.name} 1 True\nTrue\n"
    assert cells[3].outputs[0].ename == "JSONDecodeError"
    assert len(cells[3].outputs[0].traceback) == 4  # a rule, the name, the cell's line, the message
    assert cells[5].outputs[0].execution_count == 6
    assert cells[1].id == "twice" and len({cell.id for cell in cells}) == 6


def test_a_cell_that_raises_is_shown_and_the_file_is_left_alone(tmp_path, capsys, monkeypatch):
    path = page(tmp_path, notebook("x = 1", "y = x +\\\n 'two'", "print('never')"))
    before = path.read_bytes()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main([str(path)]) == 1
    said = capsys.readouterr()
    for words in ("page.ipynb", "code cell 2", "y = x +\\\n 'two'", "TypeError", "unsupported"):
        assert words in said.err
    assert "\x1b" not in said.err and "never" not in said.err
    assert "page.ipynb: code cell 2 of 3" in said.out and "\n" not in said.out
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_stderr_paths_and_stale_tags_are_refused_together(tmp_path, capsys):
    warns = "import warnings\nwarnings.warn('old')"
    path = page(tmp_path, notebook(warns, "print('/home/me')", ("1", ["raises-exception"])))
    before = path.read_bytes()
    assert main([str(path)]) == 1
    said = capsys.readouterr().err
    assert "code cell 1: it wrote to stderr" in said and "UserWarning: old" in said
    assert "code cell 2: its output shows a path of this machine, /home/me" in said
    assert "code cell 3: tagged to raise, it did not" in said
    assert path.read_bytes() == before


def test_an_edit_made_while_the_page_ran_is_kept(tmp_path, capsys):
    path = page(tmp_path, notebook("with open('page.ipynb', 'a') as file:\n    file.write(' ')"))
    before = path.read_bytes()
    assert main([str(path)]) == 1
    assert "edited while it ran" in capsys.readouterr().err
    assert path.read_bytes() == before + b" "
    assert list(tmp_path.iterdir()) == [path]


def test_a_kernel_that_dies_is_named(tmp_path, capsys):
    path = page(tmp_path, notebook("import os\nos._exit(1)"))
    assert main([str(path)]) == 1
    said = capsys.readouterr().err
    assert "code cell 1 failed" in said and "os._exit(1)" in said and "died" in said


def test_what_is_no_notebook_is_an_error(tmp_path, capsys):
    for text in ("hello", "[]", '{"nbformat": 3, "worksheets": []}'):
        path = page(tmp_path, text)
        assert main([str(path)]) == 1 and main(["--check", str(path)]) == 1
        assert path.read_text(encoding="utf-8") == text
    with pytest.raises(SystemExit):
        main([str(tmp_path / "none.ipynb")])
    assert "none.ipynb" in capsys.readouterr().err
