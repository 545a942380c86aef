"""One row of attention with every number in its box, to be computed along by hand."""

from collections.abc import Sequence

from torch import Tensor

from nonlocal_tut.arguments import listed, tensor
from nonlocal_tut.draw.boxes import box
from nonlocal_tut.draw.look import BLACK, INPUT, WHITE, WIDTH, plt
from nonlocal_tut.draw.show import show

ROWS = {"key": 5.3, "score": 4.1, "exp": 3.1, "weight": 2.1, "value": 1.1}  # name: its height
COLUMN, LINE = WIDTH / 5.3, 0.6  # inches: four positions and what stands on their left; a row


def by_hand(names: Sequence[str], query: Tensor, keys: Tensor, values: Tensor) -> None:
    """What one position takes from N others: keys, scores, softmax in two steps, values, output.

    names: what stands at each position, N of them; query: (d,), of the one that asks; keys: (N, d);
    values: (N, C). A column per position; what a row sums to is under its name, the output below.

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
    _, ax = plt.subplots(figsize=((n + 1.3) * COLUMN, 6.9 * LINE))
    for x, name in enumerate(names):
        ax.text(x, 6.05, name, ha="center", va="center")
        _box(ax, "key", x, ROWS["key"], keys[x].tolist())
        ax.text(x, ROWS["score"], f"{scores[x]:g}", ha="center", va="center", fontsize=11)
        ax.text(x, ROWS["exp"], f"{raised[x]:.1f}", ha="center", va="center", fontsize=11)
        _weight(ax, x, ROWS["weight"], weights[x].item())
        _box(ax, "value", x, ROWS["value"], values[x].tolist())
    for name, y in ROWS.items():
        label = "exp(score)" if name == "exp" else name
        ax.text(-0.55, y, label, ha="right", va="center")
    _box(ax, "query", -1.43, ROWS["score"], query.tolist())
    ax.text(-1.43, ROWS["score"] + 0.42, "query", ha="center", va="bottom")
    for row, total in (("exp", f"sum {raised.sum():.1f}"), ("weight", "sum 1")):
        ax.text(-0.55, ROWS[row] - 0.36, total, ha="right", va="center", color=INPUT)
    _box(ax, "output", n - 1.1, 0, (weights @ values).tolist(), digits=2)
    ax.text(n - 1.75, 0, "output: weights · values", ha="right", va="center")
    ax.set(xlim=(-1.8, n - 0.5), ylim=(-0.45, 6.25))
    ax.axis("off")
    show()


def _box(ax, role: str, x: float, y: float, numbers: Sequence[float], digits: int = 0) -> None:
    """A vector around (x, y), a cell per number, in its role's color."""
    wide = 0.36 + 0.1 * digits
    for place, number in enumerate(numbers):
        left = x + (place - len(numbers) / 2) * wide
        text = f"{number:.{digits}f}" if digits else f"{number:g}"
        box(ax, role, left, y - 0.34, wide, 0.68, text, fontsize=11)


def _weight(ax, x: float, y: float, weight: float) -> None:
    color = plt.get_cmap("cividis")(weight)
    ax.add_patch(plt.Rectangle((x - 0.4, y - 0.34), 0.8, 0.68, fc=color, ec=INPUT, lw=1))
    ink = BLACK if weight > 0.5 else WHITE
    ax.text(x, y, f"{weight:.2f}", ha="center", va="center", fontsize=11, color=ink)
