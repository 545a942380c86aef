"""No file is read or written in the locale's encoding: where that is GBK, ours are UTF-8."""

import ast
import json
from pathlib import Path

import pytest
from IPython.core.inputtransformer2 import TransformerManager

ROOT = Path(__file__).resolve().parent.parent
TEXT = {"open", "read_text", "write_text"}
SAID = {"utf-8", "ascii", "rb", "wb", "ab"}  # an encoding, or that there is none


def unsaid(source):
    """The calls that open a text file and do not say in which encoding."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", None))
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            said = {value.value for value in given if isinstance(value, ast.Constant)}
            if name == "read_text" and node.args:  # its first argument is the encoding
                continue
            if ast.unparse(node.func).endswith(
                ("Image.open", "os.open")
            ):  # a picture, a descriptor
                continue
            if name in TEXT and not said & SAID:
                found.append(ast.unparse(node))
    return found


def sources():
    """Each Python file and the code of each notebook: its path, its source."""
    for folder in ("", "nonlocal_tut/**/", "tests/", "tools/", "bench/"):
        for path in sorted(ROOT.glob(f"{folder}*.py")):
            yield path, path.read_text(encoding="utf-8")
    plain = TransformerManager().transform_cell  # %pip and its like become Python
    for path in sorted(ROOT.glob("book/*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        yield path, "\n".join(map(plain, code))


def test_a_file_s_encoding_is_said():
    found = [
        f"{path.relative_to(ROOT)}: {call}" for path, code in sources() for call in unsaid(code)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("call", "good"),
    [
        ("path.read_text()", False),
        ("path.read_text('utf-8')", True),
        ("(root / 'a').write_text(text)", False),
        ("path.write_text(text, 'utf-8')", True),
        ("open(path, 'w')", False),
        ("open(path, encoding='utf-8')", True),
        ("path.open('rb')", True),
        ("path.read_bytes()", True),
    ],
)
def test_what_counts_as_said(call, good):
    assert unsaid(call) == ([] if good else [call])
