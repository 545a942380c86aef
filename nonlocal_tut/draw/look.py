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

THETA, PHI, G, OUTPUT, INPUT = "#0072B2", "#D55E00", "#009E73", "#AA4499", "#555555"
# The remote-copy task's four dot colors, apart in grey too; each is also drawn with its number.
DOTS = ["#332288", "#117733", "#CC6677", "#DDCC77"]
WIDTH, WIDE = 6.4, 8.5  # inches: 640 px of text width, and the one wide format

plt.rcParams.update(
    {
        "figure.figsize": (WIDTH, 3.2),
        "figure.dpi": 110,
        "figure.constrained_layout.use": True,
        "font.size": 10,
        "axes.titlesize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#DDDDDD",
        "grid.linewidth": 0.6,
        "lines.linewidth": 1.8,
        "lines.markersize": 5,
        "image.cmap": "cividis",
    }
)
