"""Every figure of the book, in one look. Importing this module sets matplotlib's style.

Each function draws, shows and returns nothing, so that a page's cell ends without a stray repr.
Colors mean things everywhere: theta/query, phi/key, g/value, output, input; never by color alone.
"""

try:
    import matplotlib.pyplot as plt
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "nonlocal_tut.draw needs matplotlib: pip install 'nonlocal_tut[draw]'"
    ) from missing

from matplotlib.colors import to_hex

# Curves are told apart in grey; not from 0, so that no curve has the color of a fill below.
LINES = [to_hex(plt.get_cmap("cividis")(0.02 + 0.44 * n / 7)) for n in range(8)]
# What a page of the book exchanges in the dark, by its CSS variable (see book/_static/book.css).
COLORS = {
    "theta": "#0072B2",
    "phi": "#D55E00",
    "g": "#009E73",
    "out": "#AA4499",
    "input": "#555555",
    "matrix": "#7C7B3A",
    "theta-fill": "#D6E6F2",
    "phi-fill": "#F8E0D1",
    "g-fill": "#D3EDE4",
    "out-fill": "#EFDCEC",
    "input-fill": "#EEEEEE",
    "matrix-fill": "#F3EECB",
    "affinity": "#00224E",  # cividis, its dark end
    "affinity-2": "#35456C",
    "ink": "#111111",
    "paper": "#FFFFFF",
    "faint": "#999999",
    "cell": "#BBBBBB",
    "grid": "#DDDDDD",
    **{f"line-{n}": color for n, color in enumerate(LINES)},
}
THETA, PHI, G, OUTPUT, INPUT = (COLORS[name] for name in ("theta", "phi", "g", "out", "input"))
INK, PAPER, FAINT = COLORS["ink"], COLORS["paper"], COLORS["faint"]
# On a picture, or on a fill that stays what it is, ink does too.
BLACK, WHITE = "#000000", "#FEFEFE"
# The remote-copy task's four dot colors, apart in grey too; each is also drawn with its number.
DOTS = ["#332288", "#117733", "#CC6677", "#DDCC77"]
# Inches: so narrow that its 10 pt are 11 px, to be read, in the 358 px that a phone has for it.
WIDTH = 4.5

plt.rcParams.update(
    {
        "figure.figsize": (WIDTH, 3.2),
        "savefig.pad_inches": 0.03,  # around what is drawn: the page has room of its own
        "figure.dpi": 110,
        "figure.constrained_layout.use": True,
        "font.size": 10,
        # Verdana is nearly as wide as DejaVu, and there on what has no DejaVu.
        "font.sans-serif": ["DejaVu Sans", "Verdana"],
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "axes.titlesize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": COLORS["grid"],
        "grid.linewidth": 0.6,
        "lines.linewidth": 1.8,
        "lines.markersize": 5,
        "image.cmap": "cividis",
        "image.interpolation": "none",  # a map's own pixels, which a page enlarges
        "svg.fonttype": "none",  # text is text
        "svg.hashsalt": "nonlocal_tut",  # the same names each time
    }
)


def y_label(ax: plt.Axes, text: str) -> None:
    """What the y axis shows, above it and not beside it: a phone has no width for that."""
    ax.set_ylabel(text, rotation="horizontal", ha="left", va="bottom")
    ax.yaxis.set_label_coords(0, 1.03)
