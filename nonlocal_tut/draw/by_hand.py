"""One row of attention with every number in its box, to be computed along by hand."""

from collections.abc import Sequence

from torch import Tensor

from nonlocal_tut.arguments import listed, tensor
from nonlocal_tut.draw.boxes import box
from nonlocal_tut.draw.look import BLACK, INPUT, WHITE, plt
from nonlocal_tut.draw.show import show

ROWS = {"key": 5.3, "score": 4.1, "exp": 3.1, "weight": 2.1, "value": 0.9}  # name: its height


def by_hand(names: Sequence[str], query: Tensor, keys: Tensor, values: Tensor) -> None:
    """What one position takes from N others: keys, scores, softmax in two steps, values, output.

    names: what stands at each position, N of them; query: (d,), of the one that asks; keys: (N, d);
    values: (N, C). A column per position; what a row sums to, and the output, stand on the right.

    Raises ValueError if there is not one key and one value per name. See chapter 1, "One row of
    attention, by hand".
    """
    if not isinstance(names, str):  # "abc" is three names
        listed("names", names, str, "texts")
    tensor("query", query, "(d,)", 1)
    tensor("keys", keys, "(N, d)", 2)
    tensor("values", values, "(N, C)", 2)
    query, values = query.to(keys.dtype), values.to(keys.dtype)
    if not len(names) == len(keys) == len(values):
        counts = len(names), len(keys), len(values)
        raise ValueError("names, keys and values must be as many, got {}, {}, {}".format(*counts))
    scores = keys @ query  # (N,)
    raised = scores.exp()  # (N,)
    weights = raised / raised.sum()  # (N,)
    n = len(names)
    _, ax = plt.subplots(figsize=(n + 2.1, 4.3))
    for x, name in enumerate(names):
        ax.text(x, 6.15, name, ha="center", va="center", fontsize=12)
        _box(ax, "key", x, ROWS["key"], keys[x].tolist())
        ax.text(x, ROWS["score"], f"{scores[x]:g}", ha="center", va="center", fontsize=13)
        ax.text(x, ROWS["exp"], f"{raised[x]:.1f}", ha="center", va="center", fontsize=13)
        _weight(ax, x, ROWS["weight"], weights[x].item())
        _box(ax, "value", x, ROWS["value"], values[x].tolist())
    for name, y in ROWS.items():
        label = "exp(score)" if name == "exp" else name
        ax.text(-0.6, y, label, ha="right", va="center", fontsize=12)
    _box(ax, "query", -1.72, ROWS["score"], query.tolist())
    ax.text(-1.72, ROWS["score"] + 0.42, "query", ha="center", va="bottom", fontsize=12)
    for row, total in (("exp", f"sum {raised.sum():.1f}"), ("weight", "sum 1")):
        ax.text(n - 0.3, ROWS[row], total, va="center", fontsize=12, color=INPUT)
    _box(ax, "output", n - 0.5, -0.35, (weights @ values).tolist(), digits=2)
    ax.text(n - 1.25, -0.35, "output: weights · values", ha="right", va="center", fontsize=12)
    ax.set(xlim=(-2.2, n + 0.35), ylim=(-0.8, 6.4))
    ax.axis("off")
    show()


def _box(ax, role: str, x: float, y: float, numbers: Sequence[float], digits: int = 0) -> None:
    """A vector around (x, y), a cell per number, in its role's color."""
    wide = 0.4 + 0.13 * digits
    for place, number in enumerate(numbers):
        left = x + (place - len(numbers) / 2) * wide
        text = f"{number:.{digits}f}" if digits else f"{number:g}"
        box(ax, role, left, y - 0.34, wide, 0.68, text, fontsize=13)


def _weight(ax, x: float, y: float, weight: float) -> None:
    color = plt.get_cmap("cividis")(weight)
    ax.add_patch(plt.Rectangle((x - 0.4, y - 0.34), 0.8, 0.68, fc=color, ec=INPUT, lw=1))
    ink = BLACK if weight > 0.5 else WHITE
    ax.text(x, y, f"{weight:.2f}", ha="center", va="center", fontsize=13, color=ink)
