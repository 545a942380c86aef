"""A Sphinx extension: how many mistakes made on purpose were noticed, from book/data.

```{broken-on-purpose} module
```
is a row for each part of the module; `pages` a row for each page of the book, `kinds` one for each
kind of mistake in it.
"""

import json
from collections import Counter
from functools import partial
from pathlib import Path

from language_switch import said
from sphinx.util.docutils import SphinxDirective


def share(part, whole):
    return f"{part:,}\u00a0·\u00a0{percent(part, whole)}" if whole else "–"


def percent(part, whole):
    return f"{100 * part / whole:.0f}\u00a0%" if whole else "–"


def table(head, rows):
    lines = [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join([head, "|---" + "|---:" * (head.count("|") - 2) + "|", *lines])


def of_module(data, head, words):
    """A row for each part of the module: mistakes shown to its tests, and to the pages."""

    def noticed(one):
        count, run = one["killed"] + one["timed_out"], one["run"]
        return f"{count}/{run}\u00a0·\u00a0{percent(count, run)}" if run else "–"

    return table(
        head,
        [
            (f"`{room}`", noticed(found["tests"]), noticed(found["pages"]))
            for room, found in data["rooms"].items()
            if found["tests"]["run"]
        ],
    )


def of_pages(data, head, words):
    """A row for each page: its numbers in sentences, captions, texts for the blind, and tables."""
    pages = sorted(data["numbers"].items(), key=lambda item: (".md" in item[0], item[0]))
    return table(
        head,
        [
            (f"[]({page.removeprefix('book/')})", n["made"], share(n["caught"], n["made"]))
            for page, n in pages
        ],
    )


def of_kinds(data, head, words):
    """A row for each kind of mistake, on all pages; words(kind) is its name for a reader.

    Five columns fit a phone with shares alone.
    """
    kinds = Counter()
    for page in data["pages"].values():
        for kind, count in page.items():
            kinds.update({(kind, field): n for field, n in count.items()})
    rows = []
    for kind in sorted({kind for kind, _ in kinds}):
        made, caught, run, in_run = (
            kinds[kind, field] for field in ("made", "caught", "run", "caught_in_run")
        )
        shares = percent(caught, made), run or "–", percent(in_run, run)
        rows.append((words(kind), f"{made:,}", *shares))
    return table(head, rows)


TABLES = {
    "module": (
        "mutants",
        of_module,
        "| part of the module | its tests noticed | the pages noticed |",
    ),
    "pages": (
        "mutants_book",
        of_pages,
        "| page | numbers changed | a rule noticed |",
    ),
    "kinds": (
        "mutants_book",
        of_kinds,
        "| the mistake | tried | a rule noticed | of the rest, run | noticed |",
    ),
}


class BrokenOnPurpose(SphinxDirective):
    required_arguments = 1

    def run(self):
        name, made, head = TABLES[self.arguments[0]]
        file = Path(self.env.srcdir, "book", "data", f"{name}.json")
        self.env.note_dependency(str(file))
        data = json.loads(file.read_text(encoding="utf-8"))
        words = partial(said, self.config)
        return self.parse_text_to_nodes(made(data, words(head), words))


def setup(app):
    app.add_directive("broken-on-purpose", BrokenOnPurpose)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
