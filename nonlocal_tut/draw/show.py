"""How a figure gets into a notebook: as SVG, sharp at every size, its words as words."""

from io import StringIO

from matplotlib.figure import Figure

from nonlocal_tut import words
from nonlocal_tut.draw.look import plt

UNSIGNED = dict.fromkeys(("Creator", "Date", "Format", "Type"))
RASTER = 200  # dots per inch, of what stays a picture inside


def show() -> None:
    """Show the current figure: as SVG where it goes into a notebook, else as pyplot does."""
    if "inline" not in plt.get_backend():
        plt.show()
        return
    from IPython.display import display  # where pyplot draws inline, it is there

    figure = plt.gcf()
    display({"image/svg+xml": svg(figure), "text/plain": repr(figure)}, raw=True)
    plt.close(figure)


def svg(figure: Figure) -> str:
    """A figure's SVG, the same bytes each time, cut to what is drawn."""
    file = StringIO()
    figure.savefig(file, format="svg", dpi=RASTER, bbox_inches="tight", metadata=UNSIGNED)
    return words.markup(file.getvalue())
