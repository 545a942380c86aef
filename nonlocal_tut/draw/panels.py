"""Panels in rows: a figure is as narrow as a phone, and what does not fit stands below."""

from matplotlib.axes import Axes

from nonlocal_tut.draw.look import plt


def panels(count: int, columns: int, width: float, height: float) -> list[Axes]:
    """So many axes in rows of `columns`, each of width and height inches with its title."""
    rows = -(-count // columns)
    size = {"figsize": (columns * width, rows * height), "squeeze": False}
    figure, axes = plt.subplots(rows, columns, **size)
    figure.get_layout_engine().set(wspace=0.05)  # of a panel's width, between two
    for ax in axes.flat[count:]:
        figure.delaxes(ax)
    return list(axes.flat[:count])
