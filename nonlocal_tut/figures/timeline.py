"""The bytes of one training step, allocation by allocation, for four forms of a block (chapter 4).

What is born and dies, and when, is `memory.predict`'s, asked when the figure is made. Each
allocation has the name of its size ("matrix", "query", …), so that the script knows the bytes of
any B, C and side; tests hold the script to `memory.predict` at sizes that were not asked here.
"""

from typing import Any

from nonlocal_tut.blocks import SelfAttention2d
from nonlocal_tut.figures.player import Figure
from nonlocal_tut.memory import VARIANTS, predict
from nonlocal_tut.memory.calculator import GPUS
from nonlocal_tut.memory.report import Allocation

ASKED = B, C, H, W = 2, 24, 17, 18  # so many positions that "fused" builds no matrix
N, WIDTH = H * W, C // 8
NUMBERS = {  # how many in each tensor, by which its size is known
    B * N * N: "matrix",
    B * C * N: "input",
    B * WIDTH * N: "query",
    B * N: "sums",
    C * C: "value_weight",
    C: "value_bias",
    C * WIDTH: "key_weight",
    WIDTH: "key_bias",
    1: "number",
    2: "double",  # 8 bytes, a Python number
}
IN_BLOCKS = {  # the tensors of the loop over blocks of the matrix
    ("means", "mul"): "block_rows",
    ("means", "sum"): "block_sums",
    ("p", "bmm"): "block",
    ("ds", "bmm"): "block",
}

# The block's lines, as the page shows them: under a name, the text and how the source begins.
Lines = dict[str, tuple[str, tuple[str, ...]]]
PROJECTIONS: Lines = {
    name: (f"{name} = self.{name}_conv(x).flatten(2)", (f"{name} = ",)) for name in ("query", "key")
}
LAST = "return self.gamma * out.unflatten(2, …) + x"
WRITTEN: Lines = PROJECTIONS | {
    "energy": ("energy = torch.bmm(query.mT, key)", ("energy = ",)),
    "attention": ("attention = energy.softmax(dim=-1)", ("return energy",)),
    "value": ("value = self.value_conv(x).flatten(2)", ("value = ",)),
    "out": ("out = torch.bmm(value, attention.mT)", ("out = ",)),
    "return": (LAST, ("return self.gamma",)),
}
FUSED: Lines = {
    name: (f"{name} = rows(self.{name}_conv(x))", (f"{name} = ",))
    for name in ("query", "key", "value")
} | {
    "kernel": ("out, sums = kernel(query, key, value)", ("y, sums = kernel", "return F.pad")),
    "return": ("return x + self.gamma * out", ("y = x +",)),
    "zeros": ("dquery, dkey, dvalue = dy.new_zeros(…), …", ("dtheta, dphi, dg =",)),
    "means": ("means = (dy_i * out_i).sum(dim=2)", ("means = ",)),
    "p": ("p = query_i.bmm(key_j).sub_(sums_i).exp_()", ("p = ",)),
    "ds": ("ds = dy_i.bmm(value_j).sub_(means).mul_(p)", ("ds = ",)),
}
LINES: dict[str, Lines] = {
    "article": WRITTEN,
    "swapped": WRITTEN | {"out": ("out = torch.bmm(attention, value.mT).mT", ("out = ",))},
    "dot_product": WRITTEN | {"attention": ("attention = energy / N", ("return energy",))},
    "fused": FUSED,
}

# What a line's operation makes, in order of birth: a name, and whose color it has.
TENSORS: dict[tuple[str, str], list[tuple[str, str]]] = {
    ("energy", "bmm"): [
        ("scores", "matrix"),
        ("key's gradient", "phi"),
        ("query's gradient", "theta"),
    ],
    ("attention", "_softmax"): [("weights", "matrix")],
    ("attention", "div"): [("weights", "matrix"), ("scores' gradient", "matrix")],
    ("attention", "_softmax_backward_data"): [("scores' gradient", "matrix")],
    ("attention", "hidden"): [("hidden copy of weights' gradient", "hidden")],
    ("out", "bmm input"): [("weighted mean", "out"), ("value's gradient", "g")],
    ("out", "bmm matrix"): [("weights' gradient", "matrix")],
    ("return", "mul"): [
        ("product with gamma", "out"),
        ("weighted mean's gradient", "out"),
        ("product for gamma's gradient", "out"),
    ],
    ("return", "add"): [("block's output", "out")],
    ("return", "sum"): [("gamma's gradient", "out")],
    ("value", "add"): [("gradient of x", "input")],
    ("value", "hidden"): [("hidden copy of the value's gradient", "hidden")],
    ("query", "hidden"): [("hidden copy of the query's gradient", "hidden")],
    ("query", "new_empty_strided"): [("gradient of x, laid out like x", "input")],
    ("kernel", "constant_pad_nd"): [
        ("query, padded to C", "theta"),
        ("key, padded to C", "phi"),
    ],
    ("kernel", "_scaled_dot_product_flash_attention_for_cpu"): [
        ("weighted mean", "out"),
        ("logarithms of the rows' sums", "out"),
    ],
    ("kernel", "hidden"): [("tile of scores inside the kernel", "hidden")],
    ("zeros", "new_zeros"): [
        ("query's gradient", "theta"),
        ("key's gradient", "phi"),
        ("value's gradient", "g"),
    ],
    ("means", "mul"): [("product for a block's sums", "out")],
    ("means", "sum"): [("block's sums", "out")],
    ("p", "bmm"): [("block of weights", "matrix")],
    ("ds", "bmm"): [("block of scores' gradients", "matrix")],
}
for layer, color in (("query", "theta"), ("key", "phi"), ("value", "g")):
    TENSORS[layer, "convolution"] = [(layer, color)]
    TENSORS[layer, "clone"] = [(f"{layer}, row by row", color)]
    TENSORS[layer, "convolution_backward"] = [
        (f"gradient of x, through {layer}", "input"),
        (f"gradient of {layer}_conv.weight", color),
        (f"gradient of {layer}_conv.bias", color),
    ]
NUMBER = ("number N, as a tensor", "hidden")


def timeline() -> Figure:
    """One training step of the article's block, of two variants and of the form without the matrix.

    The reader steps through its allocations, in float32 and as on a CPU, and chooses B, C, H = W
    and a card. The state stands in the address, as #timeline=swapped,1,64,96,T4,18. See chapter 4.
    """
    says = "the allocations of one training step of the block, in order, with the line that asks."
    return Figure("timeline", says, RUNS={form: run(form) for form in LINES}, GPUS=GPUS)


def run(form: str) -> dict[str, Any]:
    """A form's lines of code; its allocations' names, colors, sizes, lines, births, deaths."""
    lines, names = LINES[form], {key: iter(tensors) for key, tensors in TENSORS.items()}
    make = SelfAttention2d if form == "fused" else VARIANTS[form]
    found: list[list[Any]] = []
    seen: dict[tuple[str, str], list[Any]] = {}
    line = ""
    for a in predict(lambda: make(C), ASKED).timeline:
        line = next((n for n, (_, starts) in lines.items() if a.line.startswith(starts)), line)
        operation = "hidden" if a.hidden else a.operation
        if (line, operation) in seen:  # another turn of the loop over blocks: one is enough
            if operation == "sum":
                seen[line, operation][5] = a.died  # the last sums stay until all is over
            continue
        size = _size(line, operation, a)
        waiting = names.get((line, operation)) or names.get((line, f"{operation} {size}"), iter(()))
        name, color = NUMBER if a.shape == () else next(waiting, (a.operation, "input"))
        where = list(lines).index(line)
        found.append([name, color, size, where, a.born, a.died, int(a.backward)])
        if (line, operation) in IN_BLOCKS:
            seen[line, operation] = found[-1]
    steps = sorted(step for row in found for step in row[4:6] if step is not None)
    for row in found:  # without the turns left out
        row[4:6] = [None if step is None else steps.index(step) for step in row[4:6]]
    return {"lines": [text for text, _ in lines.values()], "allocations": found}


def _size(line: str, operation: str, a: Allocation) -> str:
    if (line, operation) == ("kernel", "hidden"):
        return "tile"
    return IN_BLOCKS.get((line, operation)) or NUMBERS[a.bytes // 4]
