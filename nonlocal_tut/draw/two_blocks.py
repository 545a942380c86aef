"""The book's two blocks side by side, from the input down, with what differs in color."""

from typing import NamedTuple

from nonlocal_tut.arguments import instance
from nonlocal_tut.blocks import NonLocalBlock, SelfAttention2d
from nonlocal_tut.draw.boxes import TENSORS, stacked
from nonlocal_tut.draw.look import COLORS, FAINT, INK, INPUT, PAPER, WIDTH, plt
from nonlocal_tut.draw.show import show

SIZE = WIDTH, 5.3  # inches
SAME = COLORS["input-fill"], FAINT  # fill and edge of what both blocks have
HEIGHT = 0.62  # of a box; rows are 1 apart
LINES = [(0.5, 0, 3), (1.5, 0, 7), (2.5, 0, 4)]  # of query, key and value: where, from row, to row


class Part(NamedTuple):
    """One box: its role among `TENSORS`, its text, and its place in a column 3 wide."""

    role: str
    text: str
    row: int
    left: float = 0
    width: float = 3


def two_blocks(article: SelfAttention2d, paper: NonLocalBlock) -> None:
    """The article's block and the paper's as two columns of boxes; what differs is in color.

    Widths, the pool and the last layers are read from the blocks. A dotted box stands where only
    the other block has something. Raises ValueError for a paper's block without the softmax and
    the embeddings that the figure shows. See chapter 3, "Same block, other names?".
    """
    instance("article", article, SelfAttention2d, "a SelfAttention2d")
    instance("paper", paper, NonLocalBlock, "a NonLocalBlock")
    if paper.pairwise != "embedded_gaussian":
        raise ValueError(f"paper must be of the form 'embedded_gaussian', not {paper.pairwise!r}")
    left, right = _article(article), _paper(paper)
    _, ax = plt.subplots(figsize=SIZE)
    for x, name, parts in (0, "the article's", left), (3.5, "the paper's", right):
        ax.text(x + 1.5, 0.75, name, ha="center", weight="bold")
        for at, top, bottom in LINES:
            ax.plot([x + at] * 2, [-top, -bottom], color=FAINT, lw=1, zorder=0)
        for part, mine, other in zip(parts, left, right, strict=True):
            _box(ax, x, part, differs=_what(mine) != _what(other))
    ax.set(xlim=(-0.05, 6.55), ylim=(-7.1, 1.15))
    ax.axis("off")
    show()


def _article(block: SelfAttention2d) -> list[Part]:
    convs = {"query": block.query_conv, "key": block.key_conv, "value": block.value_conv}
    widths = {name: _of(block.channels, conv.out_channels) for name, conv in convs.items()}
    return _column(widths, pool="", matrix="N × N", last="", zero="× γ, 0 at first")


def _paper(block: NonLocalBlock) -> list[Part]:
    convs = {"theta": block.theta, "phi": block.phi, "g": block.g}
    widths = {name: _of(block.channels, conv.out_channels) for name, conv in convs.items()}
    pool, matrix = ("2×2 max pool", "N × N/4") if block.subsample else ("", "N × N")
    zero = "batch norm, 0 at first" if hasattr(block, "norm") else "w_z is 0 at first"
    return _column(widths, pool, matrix, last=f"w_z: {widths['g']} → C", zero=zero)


def _column(widths: dict[str, str], pool: str, matrix: str, last: str, zero: str) -> list[Part]:
    """A block from top to bottom; every block has the same list of parts, some without text."""
    *_, value = widths.values()
    projections = [
        Part(role, f"{name}\n{width}", 1, left + 0.05, 0.9)
        for left, (role, (name, width)) in enumerate(
            zip(("query", "key", "value"), widths.items(), strict=True)
        )
    ]
    return [
        Part("input", "x: C", 0),
        *projections,
        Part("key", pool, 2, 1.05, 1.9),
        Part("matrix", f"scores, softmax\n{matrix}", 3),
        Part("value", f"weighted mean\n{value}", 4),
        Part("output", last, 5),
        Part("output", zero, 6),
        Part("input", "+ x: C", 7),
    ]


def _of(channels: int, width: int) -> str:
    """A width as a part of C: "C", "C/8", or a number where it is none."""
    if width == channels:
        return "C"
    return f"C/{channels // width}" if channels % width == 0 else str(width)


def _what(part: Part) -> str:
    """What a part does, whatever its name: its last line."""
    return part.text.split("\n")[-1]


def _box(ax, x: float, part: Part, differs: bool) -> None:
    if not part.text and not differs:
        return
    lit = differs and part.text
    fill, edge = TENSORS.get(part.role, (COLORS["input-fill"], INPUT)) if differs else SAME
    style = {"ec": edge, "lw": 2.2 if lit else 1, "ls": "-" if part.text else ":"}
    place = x + part.left, -part.row
    ax.add_patch(plt.Rectangle(place, part.width, HEIGHT, fc=fill if part.text else PAPER, **style))
    middle = place[0] + part.width / 2, place[1] + HEIGHT / 2
    stacked(ax, *middle, part.text or "none", 10, color=INK if lit else INPUT)
