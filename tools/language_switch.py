"""A Sphinx extension: each page leads to the same page in the other language.

A link above the page, which needs no script (with one, `book.js` adds the section that is read),
and `hreflang` for search engines. The Chinese edition lies in zh/ below the English one, and its
sections have the English addresses, so that a link to a section holds in both.
"""

import json
from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform

LANGUAGES = {"en": "English", "zh-CN": "中文"}
ADDRESSES = "addresses.json"  # beside the Chinese sources: {page: the English ids of its sections}


def is_chinese(config):
    return (config.language or "en").startswith("zh")


def add_switch(app, pagename, templatename, context, document):
    up = "../" * pagename.count("/")
    page, base = f"{pagename}.html", app.config.html_baseurl
    if is_chinese(app.config):
        other, href, english = "en", f"{up}../{page}", base.removesuffix("zh/")
    else:
        other, href, english = "zh-CN", f"{up}zh/{page}", base
    context["other_language"] = {"lang": other, "href": href, "name": LANGUAGES[other]}
    if document is not None:
        places = {"en": english, "zh-CN": f"{english}zh/", "x-default": english}
        links = [
            f'<link rel="alternate" hreflang="{n}" href="{p}{page}" />' for n, p in places.items()
        ]
        context["metatags"] = context.get("metatags", "") + "\n    ".join(["", *links])


class EnglishAddresses(SphinxTransform):
    """The n-th section of a Chinese page has the address of the English page's n-th section."""

    default_priority = 870  # when labels have been given to sections, before anything asks for them

    def apply(self):
        if not is_chinese(self.config):
            return
        known = json.loads(Path(self.app.srcdir, ADDRESSES).read_text(encoding="utf-8"))
        everything = self.document.findall(nodes.section)
        sections = [s for s in everything if isinstance(s[0], nodes.title)]  # no exercise
        addresses = known[self.env.docname]
        if len(addresses) != len(sections):
            raise ExtensionError(
                f"{self.env.docname}: {len(sections)} sections, addresses of {len(addresses)}"
            )
        for section, address in zip(sections, addresses, strict=True):
            for name in section["ids"]:
                self.document.ids.pop(name, None)
            own = [name for name in section["ids"] if name in self.document.nametypes]
            section["ids"] = list(dict.fromkeys([address, *own]))
            self.document.ids |= dict.fromkeys(section["ids"], section)


def said(config, words):
    """What an extension of the book writes itself, in the language of the page."""
    return config.written_by_extensions.get(words, words)


def setup(app):
    app.add_config_value("written_by_extensions", {}, "env", [dict])
    app.connect("html-page-context", add_switch)
    app.add_transform(EnglishAddresses)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
