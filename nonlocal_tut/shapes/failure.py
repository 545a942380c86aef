"""The sentence for an operation that cannot take its shapes, in names where these say it better."""

from nonlocal_tut.shapes.names import Shape, Table, legend, named
from nonlocal_tut.shapes.rows import Ledger

PRODUCTS = ("bmm", "mm", "matmul")
CONVOLUTIONS = ("conv1d", "conv2d", "conv3d")


def sentence(
    error: Exception, operation: str, shapes: list[Shape], rows: Ledger, table: Table
) -> str:
    """What failed, on which shapes and why, then the last good row and the sizes."""
    said = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".!")
    verb, link, why = _mismatch(operation, shapes, table) or ("take", " · ", said)
    met = link.join(named(shape, table) for shape in shapes) or "no tensor"
    last = f" The last good row: {rows[-1]}." if rows else ""
    return f"{operation} cannot {verb} {met}: {why}.{last} Sizes: {legend(rows.sizes)}"


def _mismatch(operation: str, shapes: list[Shape], table: Table) -> tuple[str, str, str] | None:
    """The verb, the word between the shapes, and why; None where torch's own words have to do."""
    if len(shapes) != 2 or not all(shapes):
        return None

    def differ(what: str, *sides: int) -> str:
        return f"{what} {' and '.join(named((side,), table) for side in sides)} differ"

    a, b = shapes
    if operation in PRODUCTS and len(a) == len(b) > 1:
        if a[-1] != b[-2]:
            return "multiply", " by ", differ("inner sides", a[-1], b[-2])
        if a[0] != b[0]:
            return "multiply", " by ", differ("batches", a[0], b[0])
    if operation in (*CONVOLUTIONS, "linear") and len(a) >= len(b) - 1 > 0:
        wanted, got = b[1], a[1 - len(b)]  # C stands before as many sides as a kernel has
        if got % wanted:
            return "take", " · ", f"its weight wants {wanted} channels and gets {got}"
    if operation.rstrip("_") in ("add", "sub", "mul", "div"):
        for left, right in zip(a[::-1], b[::-1], strict=False):
            if left != right and 1 not in (left, right):
                return "combine", " with ", differ("sides", left, right)
    return None
