"""A Sphinx extension: what a page says of itself where somebody shows a link to it.

A description (its own, or its first paragraph), a title and the book's card, for search engines and
for messages that hold a link; and an icon for telephones. The site's address is `html.baseurl`.
"""

import re
import textwrap
from functools import cache
from html import escape, unescape
from pathlib import Path

from docutils import nodes
from PIL import Image

LENGTH = 200  # characters that are shown of a description


def own(document):
    """What `myst: html_meta: description:` says at the head of a page, or nothing."""
    found = [meta for meta in document.findall(nodes.meta) if meta.get("name") == "description"]
    return found[0]["content"] if found else ""


def first_words(document):
    """The beginning of the first paragraph that is no row of links, without citations."""
    for paragraph in document.findall(nodes.paragraph):
        if not isinstance(paragraph[0], nodes.reference):
            said = [n.astext() for n in paragraph if "bibtex-citation" not in classes(n)]
            text = re.sub(r"\s+(?=[,.;:])", "", "".join(said))
            return textwrap.shorten(text, LENGTH, placeholder=" …")
    return ""


def classes(node):
    return node.get("classes", []) if isinstance(node, nodes.Element) else []


@cache
def about(card):
    """A card's size and what it shows; every page asks."""
    with Image.open(card) as image:
        return image.size, image.text["Description"]


def describe(app, pagename, templatename, context, document):
    """Append to the page's head; an index has no text and stays as it is."""
    if document is None:
        return
    of_its_own = own(document)
    said = of_its_own or first_words(document)
    base = app.config.html_baseurl
    (width, height), shows = about(Path(app.srcdir, app.config.html_static_path[0], "card.png"))
    properties = {
        "og:title": unescape(re.sub("<[^>]+>", "", context["title"])),
        "og:description": said,
        "og:type": "article",
        "og:site_name": app.config.html_title,
        "og:url": f"{base}{pagename}.html",
        "og:image": f"{base}_static/card.png",
        "og:image:width": width,
        "og:image:height": height,
        "og:image:alt": shows,
    }
    lines = [f'<meta property="{n}" content="{escape(str(v))}" />' for n, v in properties.items()]
    lines += ['<meta name="twitter:card" content="summary_large_image" />']
    if not of_its_own:
        lines += [f'<meta name="description" content="{escape(said)}" />']
    icon = context["pathto"]("_static/touch-icon.png", 1)
    lines += [f'<link rel="apple-touch-icon" href="{icon}" />']
    context["metatags"] = context.get("metatags", "") + "\n    ".join(["", *lines])


def setup(app):
    app.connect("html-page-context", describe)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
