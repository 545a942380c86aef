"""The cheat sheet's shapes, costs and bytes are those of the module, at several sizes."""

import re
from fractions import Fraction

import pytest
import torch
from book_pages import Book
from data_files import ROOT

from nonlocal_tut import NonLocalBlock, SelfAttention2d, memory, shapes

TEXT = Book(ROOT).text("book/cheatsheet.md")
ARTICLE, PAPER = 0, 1
MAKE = {ARTICLE: SelfAttention2d, PAPER: NonLocalBlock}
SIZES = [(2, 64, 14, 22), (1, 16, 9, 13), (3, 32, 26, 10)]


def rows(heading):
    """{first cell: the other cells} of the table below a heading."""
    section = TEXT.split(f"## {heading}")[1].split("\n## ")[0]
    lines = [line.strip().strip("|").split("|") for line in section.splitlines() if "|" in line]
    return {line[0].strip(): [cell.strip().strip("`") for cell in line[1:]] for line in lines[2:]}


def ledger(which, b, c, h, w):
    block = MAKE[which](c, attention="matmul")
    return shapes.ledger(block, torch.empty(b, c, h, w))


@pytest.mark.parametrize("which", [ARTICLE, PAPER])
def test_shapes(which):
    table, found = rows("Shapes"), ledger(which, *SIZES[0])
    query, key, value = [row.output for row in found if row.operation == "mT"][:3]
    scores, output = [row.output for row in found if row.operation == "matmul"]
    (weights,) = [row.output for row in found if row.operation == "softmax"]
    shown = {name.split(",")[0].split(":")[0]: cells[which] for name, cells in table.items()}
    named = {"query": query, "key": key, "value": value, "scores": scores, "weights": weights}
    for name, shape in (named | {"output": output}).items():
        assert shown[name].replace("×", "") == shape.replace("×", ""), name
    assert (shown["fourth projection"] == "none") == (which == ARTICLE)


@pytest.mark.parametrize("which", [ARTICLE, PAPER])
@pytest.mark.parametrize("size", SIZES)
def test_multiply_adds(which, size):
    table = rows("Multiply-adds, for each image")
    found, (b, c, h, w) = ledger(which, *size), size
    counted = {
        "projections": sum(r.multiply_adds for r in found if r.operation == "conv2d"),
        "query · key": next(r.multiply_adds for r in found if r.operation == "matmul"),
        "weights · value": [r.multiply_adds for r in found if r.operation == "matmul"][1],
    }
    assert set(counted) == set(table)
    for part, cells in table.items():
        assert b * value(cells[which], N=h * w, C=c) == counted[part], part


def value(formula, **names):
    """A product of names and numbers, divided by numbers: "N*C*C*5/4"."""
    result = Fraction(1)
    for sign, factor in re.findall(r"([*/]?)(\w+)", formula):
        number = Fraction(names[factor] if factor in names else int(factor))
        result = result / number if sign == "/" else result * number
    return result


VARIANTS = {
    "the article's code": memory.VARIANTS["article"],
    "the paper's block": memory.VARIANTS["paper"],
    "the paper's, pooled keys": memory.VARIANTS["paper_pooled"],
    "dot product, Eq. 4, as written": memory.VARIANTS["dot_product"],
    "either block, fused": NonLocalBlock,
}


@pytest.mark.parametrize("form", VARIANTS)
def test_bytes(form):
    """Between two batches, or two sizes, what grows like the matrix is what the table says."""
    shown = [float(Fraction(cell)) for cell in rows("Bytes, above parameters and input")[form]]
    b, c, side = 2, 8, 96
    matrix = b * side**4 * 4
    training = memory.predict(lambda: VARIANTS[form](c), (b, c, side, side))
    inference = memory.predict(lambda: VARIANTS[form](c), (b, c, side, side), training=False)
    found = [training.peak_bytes, training.saved_bytes, inference.peak_bytes]
    assert [figure / matrix for figure in found] == pytest.approx(shown, abs=0.03)


def test_the_table_of_bytes_has_no_other_form():
    assert set(rows("Bytes, above parameters and input")) == set(VARIANTS)


def code(heading):
    return TEXT.split(f"## {heading}")[1].split("```python\n")[1].split("```")[0]


def test_the_four_checks_tell_a_right_one_from_a_wrong_one():
    def attend(q, k, v):
        return (q @ k.mT).softmax(-1) @ v

    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 6, 4, generator=generator) for _ in range(3))
    p = torch.randperm(6, generator=generator)
    lines = [line.split("#")[0].strip() for line in code("Is mine right?").splitlines()]
    names = {"torch": torch, "attend": attend, "q": q, "k": k, "v": v, "p": p}
    names |= {"weights": (q @ k.mT).softmax(-1), "x": torch.ones(1, 8, 3, 3)}
    names["block"] = SelfAttention2d(8)
    sums, ones, shuffled, same = (eval(line, names) for line in lines)
    assert torch.allclose(sums, torch.ones(2, 6)) and torch.allclose(ones, torch.ones(2, 6, 4))
    assert torch.allclose(shuffled, attend(q, k, v)[:, p], atol=1e-6) and same.all()


def test_the_recipe_runs():
    from nonlocal_tut.attention_maps import attention_maps
    from nonlocal_tut.insert import insert_after, remove

    stage = torch.nn.Sequential(*[torch.nn.Identity() for _ in range(6)])
    stem = torch.nn.Sequential(torch.nn.Conv2d(3, 1024, 1, 16))
    net = torch.nn.Sequential()
    net.add_module("stem", stem)
    net.add_module("layer3", stage)
    x = torch.randn(1, 3, 224, 224)
    names = {"net": net, "NonLocalBlock": NonLocalBlock, "memory": memory, "x": x}
    names |= {"insert_after": insert_after, "attention_maps": attention_maps, "remove": remove}
    before = sorted(net.state_dict())
    lines = [line.split("  #")[0].strip() for line in code("Into a network").splitlines()]
    results = [eval(line, names) for line in lines]
    assert results[1].peak_bytes > 0 and results[2].shape == (14, 14)
    assert sorted(net.state_dict()) == before
