"""A Sphinx extension: Chinese text says that it is Chinese, to the voice that reads it aloud.

Each run of Chinese characters outside code gets a span with lang="zh", wherever a page has one, so
that no page needs to mark its own. `book/_static/search.js` does the same for what it finds.
"""

import re

from docutils import nodes
from language_switch import is_chinese

RUN = re.compile("([\u3400-\u9fff]+)")
CODE = (nodes.FixedTextElement, nodes.literal, nodes.math, nodes.raw)


def mark(app, document, docname):
    for text in list(document.findall(nodes.Text)):
        if not isinstance(text.parent, CODE):
            parts = [written(part, at % 2) for at, part in enumerate(RUN.split(text)) if part]
            if len(parts) > 1 or RUN.fullmatch(text):
                text.parent.replace(text, parts)


def written(part, chinese):
    """docutils writes a class of this form as the element's language."""
    return nodes.inline("", part, classes=["language-zh"]) if chinese else nodes.Text(part)


def begin(app):
    if not is_chinese(app.config):  # else the page as a whole says it
        app.connect("doctree-resolved", mark)


def setup(app):
    app.connect("builder-inited", begin)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
