"""A Sphinx extension: what the search box looks through, one entry per section and glossary term.

Sphinx's own index finds pages; a reader who asks for "softmax dim" wants the heading. The entries
go into _static/sections.js, a script and no data file, since a page that was opened from a disk may
run a script and may not fetch. `book/_static/search.js` asks it.
"""

import json
from pathlib import Path

from docutils import nodes

LEFT_OUT = (nodes.raw, nodes.math, nodes.math_block, nodes.comment, nodes.image, nodes.title)


def entries(docname, document):
    """[page's title, heading, address, text] of each section, and of each glossary term."""
    found, page = [], None
    for section in document.findall(nodes.section):
        title = section.next_node(nodes.title)
        if not title or not section["ids"]:
            continue
        page = page or title.astext()
        text = " ".join(_text(child) for child in section.children)
        found.append([page, title.astext(), f"{docname}.html#{section['ids'][0]}", _plain(text)])
    for item in document.findall(nodes.definition_list_item):
        for term in item.findall(nodes.term):
            if term["ids"]:
                text = _plain(" ".join(d.astext() for d in item.findall(nodes.definition)))
                heading = f"{term.astext()} · {text.partition('.')[0]}"  # its Chinese comes first
                found.append([page, heading, f"{docname}.html#{term['ids'][0]}", text])
    return found


def _text(node):
    """A node's text without subsections, formulas and what is no text."""
    if isinstance(node, (nodes.section, nodes.definition_list, *LEFT_OUT)):
        return ""
    if isinstance(node, nodes.Text):
        return node.astext()
    return " ".join(_text(child) for child in node.children)


def _plain(text):
    return " ".join(text.split())


def write(app, error):
    if error or app.builder.name != "html":
        return
    found = []
    for docname in sorted(app.env.found_docs):
        found += entries(docname, app.env.get_doctree(docname))
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in found)
    script = f"window.SECTIONS = [\n{lines}\n];\n"
    Path(app.outdir, "_static", "sections.js").write_text(script, encoding="utf-8")


def setup(app):
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
