"""Why one shared addition cannot answer two markers: it moves both, and keeps their distance."""

from collections.abc import Mapping

from nonlocal_tut.arguments import mapping, numbers
from nonlocal_tut.draw.look import INK, INPUT, OUTPUT, PAPER, PHI, WIDTH, G, plt
from nonlocal_tut.draw.show import show

SHAPES = "os"  # the first marker is round, the second square, as in `task`
LIFT = 0.42  # of what is without the context over what is with it


def one_context(own: Mapping[str, float], added: Mapping[str, float]) -> None:
    """Two markers on the line from one answer to the other, without and with a shared context.

    own: the markers' names and what each prefers by itself, logit of color 1 minus logit of 0: a
    number below zero answers 0, above zero 1. added: for a feature map and then its twin, under
    their names, what the context adds to both markers. The first marker should answer 1 on the
    first feature map and 0 on the second, the other marker the opposite.

    Raises ValueError unless there are two markers and two feature maps.
    See chapter 7, "Why can one context not answer both?".
    """
    for argument, given in ("own", own), ("added", added):
        mapping(argument, given, "numbers")
        numbers(argument, given)
    if len(own) != 2 or len(added) != 2:
        raise ValueError(
            f"two markers and two feature maps are drawn, not {len(own)}, {len(added)}: "
            f"own={dict(own)}, added={dict(added)}"
        )
    moved = {name: [p + shift for p in own.values()] for name, shift in added.items()}
    outermost = max(abs(p) for places in (own.values(), *moved.values()) for p in places)
    reach = outermost + 2.5  # its verdict stands beside it
    _, axes = plt.subplots(2, 1, figsize=(WIDTH, 3.9), sharex=True)
    for ax, (name, places), sign in zip(axes, moved.items(), (1, -1), strict=True):
        _line(ax, list(own.values()), places, [sign, -sign])
        ax.set(xlim=(-reach, reach), ylim=(-0.75, 0.72), yticks=[])
        ax.set_title(f"{name}: the context adds {_signed(added[name])}", loc="left", size=11)
        for side, answer in ((-1, 0), (1, 1)):
            corner = {"transform": ax.get_yaxis_transform(), "ha": "right" if side > 0 else "left"}
            ax.text(
                side > 0, -0.7, f"answers {answer}", color=INPUT, va="bottom", size=11, **corner
            )
        ax.spines["left"].set_visible(False)
        ax.axvline(0, color=INPUT, lw=1.2, zorder=0)
    axes[1].set_xlabel("logit of color 1 minus logit of color 0")
    show()


def _line(ax, own: list[float], places: list[float], wanted: list[int]) -> None:
    for shape, start, end, sign in zip(SHAPES, own, places, wanted, strict=True):
        right = end * sign > 0
        arrow = {"arrowstyle": "->", "color": OUTPUT, "lw": 1.4, "shrinkA": 8, "shrinkB": 9}
        ax.annotate("", (end, 0), (start, LIFT), arrowprops=arrow)
        ax.plot(start, LIFT, shape, ms=11, mfc=PAPER, mec=INPUT, mew=1.2, zorder=3)
        ax.plot(end, 0, shape, ms=14, mfc=PAPER, mec=INK, mew=1.4, zorder=3)
        text = {"ha": "center", "va": "center_baseline", "zorder": 4}
        ax.text(end, 0, "?", weight="bold", **text)
        ahead = 1 if end >= start else -1  # the arrow comes from the other side
        ax.annotate(
            "right" if right else "wrong",
            (end, 0),
            (13 * ahead, 0),
            textcoords="offset points",
            ha="left" if ahead > 0 else "right",
            va="center_baseline",
            size=11,
            bbox={"fc": PAPER, "ec": "none", "pad": 0.5},
            weight="normal" if right else "bold",
            color=G if right else PHI,
        )
    low, high = sorted(places)
    ax.annotate(
        "", (low, -0.3), (high, -0.3), arrowprops={"arrowstyle": "<->", "color": INK, "lw": 1.2}
    )
    label = f"D = {_signed(places[0] - places[1]).lstrip('+')}"
    box = {"fc": PAPER, "ec": "none", "pad": 0.5}  # over the line through zero
    ax.text((low + high) / 2, -0.36, label, ha="center", va="top", size=11, bbox=box)


def _signed(number: float) -> str:
    return f"{number:+g}".replace("-", "−")
