"""Matrix products as boxes that meet at the side that they share."""

from collections.abc import Mapping

from matplotlib.transforms import ScaledTranslation

from nonlocal_tut.arguments import is_number, mapping, said
from nonlocal_tut.draw.look import COLORS, plt
from nonlocal_tut.draw.show import show

ROLES = {"query": "theta", "key": "phi", "value": "g", "output": "out", "matrix": "matrix"}
# Fill and edge by the tensor's role.
TENSORS = {role: (COLORS[f"{name}-fill"], COLORS[name]) for role, name in ROLES.items()}


def box(
    ax, role: str, x: float, y: float, width: float, height: float, text: str, lw=1.6, **font
) -> None:
    """A box with its lower left corner at (x, y), in its role's color, and a text in the middle."""
    fill, edge = TENSORS[role]
    ax.add_patch(plt.Rectangle((x, y), width, height, fc=fill, ec=edge, lw=lw))
    ax.text(x + width / 2, y + height / 2, text, **{"ha": "center", "va": "center"} | font)


def stacked(ax, x: float, y: float, text: str, size: float, **font) -> None:
    """A text's lines around (x, y), each centered by itself, so that it is in any language.

    Of a text of several lines an SVG knows where each begins, and not its middle.
    """
    lines = text.split("\n")
    for n, line in enumerate(lines):
        up = ScaledTranslation(
            0, (len(lines) - 1 - 2 * n) * 0.6 * size / 72, ax.figure.dpi_scale_trans
        )
        ax.text(
            x, y, line, ha="center", va="center", size=size, transform=ax.transData + up, **font
        )


def product(left: str, right: str, result: str, scale: Mapping[str, float]) -> None:
    """A matrix product as three boxes: the left and the right one meet in the result's corner.

    left, right, result: "name rows columns", as "query N C/8"; the name's first word of `TENSORS`
    that fits gives the color; scale: how long each side is drawn, `{"N": 3, "C/8": 0.8}`, inches.

    Raises ValueError if the sides that meet differ. See chapter 2, "What does each bmm multiply?".
    """
    mapping("scale", scale, "inches")
    for name, text in ("left", left), ("right", right), ("result", result):
        if not isinstance(text, str) or not any(role in text for role in TENSORS):
            raise ValueError(f"{name} must be a tensor's name and sides, not {said(text)}")
        sides = text.rsplit(" ", 2)[1:]
        if len(sides) < 2 or not all(is_number(scale.get(s)) and scale[s] > 0 for s in sides):
            raise ValueError(
                f"{name} {text!r} needs two sides with a length, scale is {dict(scale)}"
            )
    boxes = [text.rsplit(" ", 2) for text in (left, right, result)]
    (_, rows, inner), (_, inner2, columns), (_, rows2, columns2) = boxes
    if (inner, rows, columns) != (inner2, rows2, columns2):
        raise ValueError(f"{left} times {right} is not {result}: sides that meet must agree")
    gap = 0.45
    height, shared, width = scale[rows], scale[inner], scale[columns]
    corners = [(-gap - shared, 0, shared, height), (0, height + gap, width, shared)]
    corners.append((0, 0, width, height))
    edges = (-gap - shared - 0.35, width + 0.05), (-0.05, height + gap + shared + 0.25)
    _, ax = plt.subplots(figsize=[high - low for low, high in edges])
    for (name, down, across), (x, y, w, h) in zip(boxes, corners, strict=True):
        role = next(role for role in TENSORS if role in name)
        edge = TENSORS[role][1]
        box(ax, role, x, y, w, h, name, rotation=90 if w < 1 else 0, rotation_mode="anchor")
        ax.text(x + w / 2, y + h + 0.06, across, ha="center", va="bottom", color=edge)
        ax.text(x - 0.06, y + h / 2, down, ha="right", va="center", color=edge)
    ax.set(xlim=edges[0], ylim=edges[1])
    ax.set_aspect("equal")
    ax.axis("off")
    show()
