"""What a cell shows for a moving figure: its scripts, the data they need, and a still frame.

`NAME.js` beside this file holds the figure, a pure function from a state to SVG and a sentence (see
`player.js` for its shape); `NAME.html` is one frame of it, written by tools/still_frames.py, which
stands on the page where scripts are off, in the same colors (`player.css`).
"""

import json
from importlib.resources import files

from nonlocal_tut import words


class Figure:
    """Shows itself as HTML in a notebook, and as its sentence elsewhere.

    name: of the script; says: what the figure is about, in one sentence; packed: whether the script
    unpacks data (unpack.js); data: constants that it uses by their names, as JSON has them.
    """

    def __init__(self, name: str, says: str, *, packed: bool = False, **data: object) -> None:
        self.name, self.says, self.packed, self.data = name, says, packed, data

    def __repr__(self) -> str:
        return f"a figure to touch, in a page with scripts: {self.says}"

    def _repr_html_(self) -> str:
        style, still = read("player.css"), read(f"{self.name}.html")
        return words.live(
            f'<div class="touch-figure" data-figure="{self.name}">\n'
            f"<style>\n{style}</style>\n{still}</div>\n"
            f'<script>(() => {{\n"use strict";\n{self.script()}{read("player.js")}'
            f"document.querySelectorAll('[data-figure=\"{self.name}\"]:not([data-ready])')"
            ".forEach((root) => play(root, figure));\n})();</script>"
        )

    def script(self) -> str:
        """The data and the figure, which need no page: tests run them without one."""
        constants = "".join(
            f"const {name} = {json.dumps(value, ensure_ascii=False)};\n"
            for name, value in self.data.items()
        )
        return constants + read("unpack.js") * self.packed + read(f"{self.name}.js")


def read(name: str) -> str:
    """A file beside this one."""
    return files("nonlocal_tut.figures").joinpath(name).read_text(encoding="utf-8")
