"""A Sphinx extension: what pages may link to in notebooks, names of folds, links in docstrings.

A cell tagged claim-A9 in chapter 2 gets the target claim-a9-2, so that the page of claims leads to
the cell itself, and a notebook opened on Colab shows nothing of it. A folded cell is named after
its first comment. "See chapter 5" in a docstring becomes a link, as does "the appendix on bytes".
In the Chinese edition a docstring begins in Chinese. A default value in a signature is what one
would write.
"""

import dataclasses
import re

from docutils import nodes
from language_switch import said
from sphinx.errors import ExtensionError

PAGE = re.compile(r"\bchapter \d\b|\bappendix on \w+\b")  # as docstrings name one
TAG = "tag_claim-"  # what myst-nb puts among a cell's classes


def mark_claims(app, document):
    """Give each tagged cell its target, by which `[text](#claim-a9-2)` finds it in chapter 2."""
    chapter = re.match(r"book/0(\d)_", app.env.docname)
    for cell in document.findall(nodes.container):
        for name in [c.removeprefix(TAG) for c in cell["classes"] if c.startswith(TAG)]:
            target = f"claim-{name.lower()}-{chapter[1]}"
            cell["ids"].append(target)
            app.env.get_domain("std").anonlabels[target] = app.env.docname, target


def mark_headings(app, document):
    """Let `[text](02_shape_algebra.ipynb#which-dimension)` find a notebook's heading.

    MyST does so for Markdown pages; for notebooks MyST-NB leaves its list empty. The names are
    those that the page's HTML has.
    """
    slugs = app.env.metadata[app.env.docname].setdefault("myst_slugs", {})
    for section in document.findall(nodes.section):
        title = section.next_node(nodes.title)
        for name in section["ids"] if title else []:
            slugs.setdefault(name, (section.line, name, title.astext()))


def name_folds(app, document):
    """A folded cell says what it holds: "# @title Set-up: find …" -> "Set-up"."""
    for cell in document.findall(lambda node: isinstance(node, nodes.container)):
        code = cell.next_node(nodes.literal_block) if "prompt_show" in cell else None
        if code and (comment := re.match(r"# (?:@title )?([^:(\n]+)", code.astext())):
            name = said(app.config, comment[1].strip().rstrip(".")).replace("'", "’")
            cell["prompt_show"] = cell["prompt_hide"] = name


def begin_in_chinese(app, what, name, obj, options, lines):
    """A docstring's first paragraph in the page's language, if its catalogue has it."""
    end = lines.index("") if "" in lines else len(lines)
    first = " ".join(line.strip() for line in lines[:end])
    if (told := said(app.config, first)) != first:
        lines[:end] = [told]


def link_pages(app, what, name, obj, options, lines):
    """Turn "chapter 5" and "appendix on weights" in a docstring's lines into links."""
    pages = {}
    for doc in app.env.found_docs:
        doc_name = re.sub(r"^book/0(\d)_.*", r"chapter \1", doc)
        pages[re.sub(r"^book/appendix_", "appendix on ", doc_name)] = doc
    for number, line in enumerate(lines):
        for page in set(PAGE.findall(line)) - set(pages):
            raise ExtensionError(f"{name}: its docstring names the {page}, and none is there")
        line = line.replace("|", r"\|")  # a norm, not a substitution
        lines[number] = PAGE.sub(lambda m: f":doc:`{m[0]} </{pages[m[0]]}>`", line)


def readable(app, what, name, obj, options, signature, returns):
    """A default as one would write it: {} for <factory>, Module for <class 'torch.nn.Module'>.

    Sphinx parses no signature that holds one, and shows the types in it as `~torch.Tensor`, too.
    """
    if not signature:
        return None
    signature = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", signature)
    if dataclasses.is_dataclass(obj):
        for made in (field.default_factory for field in dataclasses.fields(obj) if field.init):
            if made is not dataclasses.MISSING:
                signature = signature.replace("<factory>", repr(made()), 1)
    return signature, returns


def setup(app):
    app.connect("doctree-read", mark_claims)
    app.connect("doctree-read", mark_headings)
    app.connect("doctree-read", name_folds)
    app.connect("autodoc-process-docstring", begin_in_chinese)
    app.connect("autodoc-process-docstring", link_pages)
    app.connect("autodoc-process-signature", readable)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
