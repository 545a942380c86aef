"""The normal form of a notebook: what is amiss is said in words, what can be mended is."""

import json

import pytest
from nbformat import v4
from normal_form import normalise, problems, read, write
from run_notebooks import main


def stream(text, name="stdout"):
    return v4.new_output("stream", text=text, name=name)


def notebook():
    """A page in the normal form, as if it had been run: a heading, `1 + 1`, `print(2)`."""
    result = v4.new_output("execute_result", {"text/plain": "2"}, execution_count=1)
    nb = v4.new_notebook()
    nb.cells = [
        v4.new_markdown_cell("# One", id="cell-0"),
        v4.new_code_cell("1 + 1", id="cell-1", execution_count=1, outputs=[result]),
        v4.new_code_cell("print(2)", id="cell-2", execution_count=2, outputs=[stream("2\n")]),
    ]
    normalise(nb)
    return nb


# What `--check` says: how the page above comes to deserve it, given the page and its cells.
AMISS = {
    "code cell 1: not executed": lambda nb, md, one, two: one.update(execution_count=None),
    "code cell 2: executed out of order, as number 7": lambda nb, md, one, two: two.update(
        execution_count=7
    ),
    "code cell 1: executed out of order, as number 1": lambda nb, md, one, two: one.outputs[
        0
    ].update(execution_count=3),
    "code cell 2: it wrote to stderr": lambda nb, md, one, two: two.outputs.append(
        stream("3", "stderr")
    ),
    "code cell 2: its output shows a path of this machine, C:\\Users": lambda nb, md, one, two: (
        two.outputs[0].update(text="C:\\Users")
    ),
    "code cell 2: it raised": lambda nb, md, one, two: two.outputs.append(
        v4.new_output("error", ename="E", evalue="", traceback=["E"])
    ),
    "code cell 2: its traceback leaves the page": lambda nb, md, one, two: two.outputs.append(
        v4.new_output("error", traceback=["\x1b[1mFile \x1b[2m/home/x.py\x1b[0m"])
    ),
    "code cell 2: tagged to raise": lambda nb, md, one, two: two.metadata.update(
        tags=["raises-exception"]
    ),
    "code cell 2: metadata 'collapsed'": lambda nb, md, one, two: two.metadata.update(
        collapsed=True
    ),
    "code cell 2: an empty list of tags": lambda nb, md, one, two: two.metadata.update(tags=[]),
    "code cell 2: key 'note'": lambda nb, md, one, two: two.update(note=1),
    "code cell 2: its id, 'cell-0'": lambda nb, md, one, two: two.update(id="cell-0"),
    "code cell 2: its id, None": lambda nb, md, one, two: two.pop("id"),
    "markdown cell 1: its id, 'a b'": lambda nb, md, one, two: md.update(id="a b"),
    "markdown cell 1: empty": lambda nb, md, one, two: md.update(source=" \n"),
    "markdown cell 1: key 'outputs'": lambda nb, md, one, two: md.update(outputs=[]),
    "code cell 2: stdout in several pieces": lambda nb, md, one, two: two.outputs.append(
        stream("3")
    ),
    "code cell 1: a widget": lambda nb, md, one, two: one.outputs[0].data.update(
        {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}
    ),
    "code cell 1: output metadata 'x'": lambda nb, md, one, two: one.outputs[0].metadata.update(
        x=1
    ),
    "notebook: key 'more'": lambda nb, md, one, two: nb.update(more=1),
    "notebook: metadata 'widgets'": lambda nb, md, one, two: nb.metadata.update(widgets={}),
    "notebook: kernelspec": lambda nb, md, one, two: nb.metadata.kernelspec.update(name="mine"),
    "notebook: language_info": lambda nb, md, one, two: nb.metadata.language_info.update(
        version="3.11"
    ),
    "nbformat is 4.4": lambda nb, md, one, two: nb.update(nbformat_minor=4),
}


@pytest.mark.parametrize("words", AMISS)
def test_check_says_in_words_what_is_amiss(words, tmp_path, capsys):
    nb = notebook()
    assert problems(write(nb)) == []
    AMISS[words](nb, *nb.cells)
    path = tmp_path / "page.ipynb"
    path.write_text(v4.writes_json(nb) + "\n", encoding="utf-8")
    before = path.read_bytes()
    assert main(["--check", str(path)]) == 1
    assert f"\n  {words}" in capsys.readouterr().out
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda text: text.rstrip("\n"),
        lambda text: json.dumps(json.loads(text), indent=2) + "\n",
        lambda text: text.replace("\n", "\r\n"),
    ],
)
def test_check_sees_the_form_of_the_text(rewrite, tmp_path, capsys):
    path = tmp_path / "page.ipynb"
    path.write_bytes(rewrite(write(notebook())).encode())
    assert main(["--check", str(path)]) == 1
    assert "indentation or the last newline" in capsys.readouterr().out


def test_normalising_twice_changes_nothing_more():
    for edit in AMISS.values():
        nb = notebook()
        edit(nb, *nb.cells)
        normalise(nb)
        once = write(nb)
        assert normalise(nb) == [] and write(nb) == once


def test_new_ids_follow_the_source_not_the_position():
    def ids(*sources):
        nb = v4.new_notebook()
        nb.cells = [v4.new_code_cell(source) for source in sources]
        for cell in nb.cells:
            del cell["id"]
        normalise(nb)
        return [cell.id for cell in nb.cells]

    assert ids("a", "b") == ids("new", "a", "b")[1:]
    assert len(set(ids("a", "a", "a"))) == 3


@pytest.mark.parametrize("text", ["hello", "[]", "4", '{"nbformat": 3, "worksheets": []}'])
def test_what_is_no_notebook_is_a_value_error(text):
    with pytest.raises(ValueError):
        read(text)
