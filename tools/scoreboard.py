"""A Sphinx extension: the verdicts of claims.md at a glance, one row each.

```{scoreboard}
```
"""

import re
from pathlib import Path

from language_switch import said
from sphinx.util.docutils import SphinxDirective

SEPARATOR = "\u00a0· "  # at no line's beginning
HEAD = "| verdict | claims | which |"
ROW = re.compile(r"^\| (A\d+) \| (.+?) \| (.+?) \| (.+) \|$", re.MULTILINE)
CELL = re.compile(r"\]\((#claim-[\w-]+)\)")  # the first link of a claim leads to what asserts it


def board(claims, head):
    """The text of claims.md -> a table in Markdown: verdict, how many, which, linked."""
    verdicts = {}
    for name, says, verdict, place in ROW.findall(claims):
        cell = CELL.search(place)
        link = f'[{name}]({cell[1] if cell else "claims.md"} "{says}")'
        verdicts.setdefault(verdict, []).append(link)
    rows = sorted(verdicts.items())
    lines = [f"| {verdict} | {len(links)} | {SEPARATOR.join(links)} |" for verdict, links in rows]
    return "\n".join([head, "|---|---|---|", *lines])


class Scoreboard(SphinxDirective):
    def run(self):
        file = Path(self.env.srcdir, "book", "claims.md")
        self.env.note_dependency(str(file))
        head = said(self.config, HEAD)
        return self.parse_text_to_nodes(board(file.read_text(encoding="utf-8"), head))


def setup(app):
    app.add_directive("scoreboard", Scoreboard)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
