"""What a product costs: its multiply-adds, from the shapes alone (of einsum, its letters, too).

One multiply-add is one multiplication and one addition, which torch's FlopCounterMode counts as
two flops. See chapter 2, "What does each bmm multiply?".
"""

import math
from typing import Any

from nonlocal_tut.shapes.names import Shape

PRODUCTS = ("bmm", "mm", "matmul")
CONVOLUTIONS = ("conv1d", "conv2d", "conv3d")


def multiply_adds(operation: str, args: Any, operands: list[Shape], result: Shape) -> int | None:
    """One for each term of each sum that comes out; None where no formula is here."""
    if operation in (*PRODUCTS, "linear"):  # each number that comes out is a sum over one side
        return math.prod(result) * operands[0][-1]
    if operation in ("addmm", "baddbmm"):
        return math.prod(result) * operands[1][-1]
    if operation in CONVOLUTIONS:  # ... or over a filter, its channels and its places
        return math.prod(result) * math.prod(operands[1][1:])
    if operation == "scaled_dot_product_attention":  # theta times phi, then the map times g
        theta, phi, g = operands[:3]
        return math.prod(result[:-1]) * phi[-2] * (theta[-1] + g[-1])
    if operation == "einsum" and len(operands) == 2 and isinstance(args[0], str):
        terms, _, out = args[0].replace(" ", "").partition("->")
        first, second = map(_letters, terms.split(","), operands)
        summed = (first.keys() & second.keys()) - set(out)
        return math.prod(result) * math.prod(first[i] for i in summed) if summed else None
    return None


def _letters(term: str, shape: Shape) -> dict[str, int]:
    head, _, tail = term.partition("...")
    return dict([*zip(head, shape, strict=False), *zip(tail[::-1], shape[::-1], strict=False)])
