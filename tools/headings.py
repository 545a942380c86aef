"""Headings and targets of Markdown, and the names by which a link reaches them."""

import re

from docutils.nodes import make_id

HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
TARGET = re.compile(r"^\(([\w-]+)\)=$", re.MULTILINE)


def plain(heading):
    """A heading without marks of emphasis, code and formulas."""
    return re.sub(r"[`*$]", "", heading)


def titles(text):
    """The headings of a text, plain."""
    return [plain(heading) for heading in HEADING.findall(text)]


def targets(text):
    """Where a link to this text may lead: its headings as docutils names them, and its labels."""
    return [*map(make_id, titles(text)), *TARGET.findall(text)]
