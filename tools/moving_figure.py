"""A Sphinx extension: a moving figure on a page that is no notebook.

```{moving-figure} live
```
"""

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from nonlocal_tut import figures


class MovingFigure(SphinxDirective):
    """What a cell that ends with `figures.live()` shows."""

    required_arguments = 1

    def run(self):
        name = self.arguments[0]
        if name not in figures.__all__:
            raise self.error(f"there is no figure {name!r}; there are {', '.join(figures.__all__)}")
        return [nodes.raw("", getattr(figures, name)()._repr_html_(), format="html")]


def setup(app):
    app.add_directive("moving-figure", MovingFigure)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
