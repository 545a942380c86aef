"""Every text that the module shows in a page: figures, what moves, tables, answers of `check`.

python tools/spoken.py    those that the Chinese catalogue words.po does not know
"""

import ast
import re
import sys
from html import unescape

from chinese_site import DRAWN, SHOWN
from figure_script import Script
from normal_form import read
from repository import ROOT
from still_frames import TELLING

from nonlocal_tut import figures, words
from nonlocal_tut.memory import calculator
from nonlocal_tut.memory.formulas import SYMBOLS

WORD = re.compile(r"[^\W\d_]{2}")
SIZE = rf"(\d+ )?({'|'.join(SYMBOLS)})"  # of a tensor, by name: "2 matrix"

# What stays as it is in Chinese: numbers, code, settings; then names; then what is never shown.
AS_IT_IS = (
    r"[\d,.]+ ?[KMG]i?B|[KMG]iB|10[⁻⁰¹²³⁴-⁹]+",  # a number with a unit; a unit; a power of ten
    r"(\w+, )?b?float\d+|A100 40GB|res\d",  # a dtype, of a card or a size; a card; a stage
    r"\(?(conv_)?theta[\w.·ᵀ()\[\] ]*",  # the weights of a block, by name
    r"((dims|scale|subsample|norm|inner_channels) \w[\w.]*(, )?)+",  # switches as they are set
    rf"{SIZE}( \+ {SIZE})*",  # sums of sizes
)
STAYS = {
    *"conv2d view permute bmm softmax mul add gamma phi phiᵀ".split(),  # what the code calls them
    *"SelfAttention2d NonLocalBlock".split(),  # the blocks
    *"mmcv alexhex7 tea1528 slowfast pytorchvideo timm biggan heykeetae".split(),  # code bases
    *("mmcv dot_product", "monai flash", "NonLocalBlock gaussian matmul"),  # with a setting
    *"He EM FSDP dB".split(),  # a person, two names, a unit: so in Chinese, too
}
NEVER_SHOWN = {
    *"site-packages matmul after sqrt qk tpg msy c,cij->ij {1}.chapter{2} {1}.weight".split(),
    "exercise must be one of {1}, got {2}",  # a ValueError: errors stay English
    # Pieces: the catalogue has the sentences that are made of them.
    *(", at “{1}”", "of {1}", "and", "shape {1}", "a whole number{1} is asked for, not {2}."),
    *("both cut", "make no row of it", "both build all of it, and as many copies"),
    "an object of type {1}",
    "returns {1}, not a tensor of shape {2}.",
    "is not made as {1}(16) is: {2}",
    "has other weights than the article's block.",
    "computes something else: outputs or gradients differ.",
}


def in_outputs():
    """The texts in the figures and tables that the notebooks hold."""
    for path in sorted((ROOT / "book").glob("*.ipynb")):
        for cell in read(path.read_text(encoding="utf-8")).cells:
            for output in cell.get("outputs", []):
                for kind in SHOWN:
                    yield from texts(output.get("data", {}).get(kind, ""))


def in_figures():
    """What the moving figures draw and say, with one switch at a time set anew."""
    for name in TELLING:
        script = Script(getattr(figures, name)())
        yield script.value("figure.name")
        choices = [script.first()]
        for switch, (label, values) in script.value("figure.choices").items():
            yield from [label, *values.values()]
            choices += [script.first() | {switch: value} for value in list(values)[1:]]
        for choice in choices:
            for frame in range(script.frames(choice)):
                shown = script.drawn(choice, frame)
                yield shown["says"]
                yield from texts(shown["svg"])


def in_check():
    """The hints of `check`: each string in its files that is a sentence, with holes."""
    for path in sorted((ROOT / "nonlocal_tut" / "check").glob("*.py")):
        yield from sentences(ast.parse(path.read_text(encoding="utf-8")))


def in_drawings():
    """The words of the figures that were drawn by hand."""
    for path in DRAWN:
        yield from texts(path.read_text(encoding="utf-8"))


def in_calculator():
    """What stands in for the calculator where no scripts run."""
    yield from texts(calculator.stand_in())


def sentences(tree):
    inner = {id(part) for node in ast.walk(tree) for part in parts_of(node)}
    for node in ast.walk(tree):
        if id(node) in inner:
            continue
        if isinstance(node, ast.JoinedStr):
            yield with_holes(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def parts_of(node):
    """What is no sentence of its own: pieces of an f-string, docstrings."""
    if isinstance(node, ast.JoinedStr):
        return [p for value in node.values for p in ast.walk(value) if isinstance(p, ast.Constant)]
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return [node.value]
    return []


def with_holes(node):
    """f"not {answer!r}." -> "not {1}." """
    holes, text = 0, ""
    for value in node.values:
        if isinstance(value, ast.Constant):
            text += value.value
        else:
            holes += 1
            text += f"{{{holes}}}"
    return text


def texts(markup):
    """What is read in HTML or SVG, labels for the ear included."""
    for piece in words.CODE.split(markup)[::3]:
        yield from (unescape(text) for text in words.TEXT.findall(piece))


def everything():
    """{text: where it is shown}; of those that differ in their numbers alone, the first."""
    found, met = {}, set()
    for source in (in_outputs, in_figures, in_check, in_drawings, in_calculator):
        for text in source():
            text = " ".join(text.split())
            form = re.sub(r"[\d.,]*\d", "#", text)
            if WORD.search(text) and form not in met:
                met.add(form)
                found[text] = source.__name__
    return found


def stays(text):
    """Whether a text is the same in Chinese, or is no text that anyone reads."""
    if text in STAYS | NEVER_SHOWN or any(re.fullmatch(p, text) for p in AS_IT_IS):
        return True
    try:
        ast.parse(text.replace("…", "..."))
    except SyntaxError:
        return False
    return any(mark in text for mark in ".(=")  # code


def main():
    words.use("zh")
    found = everything()
    unknown = {t: where for t, where in found.items() if words.say(t) == t and not stays(t)}
    for text, where in unknown.items():
        print(f"{where}: {text}")
    return int(bool(unknown))


if __name__ == "__main__":
    sys.exit(main())
