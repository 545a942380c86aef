"""A page's Markdown, line by line: what stays as it is, and the words that a translation replaces.

The book has one paragraph a line, so that a line is a message: a heading, a paragraph, an item of
a list, a row of a table, a term. Code, labels, options of directives and formulas without words
are no messages.
"""

import re

VERBATIM = (
    "eval-rst",
    "broken-on-purpose",
    "bibliography",
    "scoreboard",
    "moving-figure",
    "include",
    "solution-end",
)
FENCE = re.compile(r"^(\s*)(`{3,}|:{3,})(?:\{([\w-]+)\})?[ ]*(.*)$")
LINE = re.compile(
    r"^(\s*(?:[-*] |\d+\. |> |#+ |:alt: |description: |<details[^>]*><summary>|<summary>)?)"
    r"(.*?)((?:</summary>)?\s*)$"
)
NO_WORDS = re.compile(
    r"^\s*(?:\([\w-]+\)=|[-|: ]+|:[\w-]+:.*|</?[\w]+[^>]*>|\{[^}]*\}|myst:|html_meta:|)\s*$"
)
WORD = re.compile(r"[^\W\d_]{2}")
TEXT_IN_MATH = re.compile(r"\\text\{[^}]*[^\W\d_]{2}")


def parts(markdown):
    """Each line as (before, message, behind); what has no words has an empty message."""
    fences, math = [], False
    for line in markdown.split("\n"):
        if fence := FENCE.match(line):
            yield _fence(line, fence, fences)
        elif fences and fences[-1][1]:
            yield line, "", ""
        elif line.strip() == "$$":
            math = not math
            yield line, "", ""
        elif math:
            yield ("", line, "") if TEXT_IN_MATH.search(line) else (line, "", "")
        elif (NO_WORDS.match(line) and ":alt:" not in line) or not WORD.search(line):
            yield line, "", ""
        else:
            yield LINE.match(line).groups()


def _fence(line, fence, fences):
    """A fence that opens or closes; the title behind a directive's name is a message."""
    indent, marks, name, title = fence.groups()
    if fences and not name and not title and marks.startswith(fences[-1][0]):
        fences.pop()
        return line, "", ""
    if fences and fences[-1][1]:
        return line, "", ""
    fences.append((marks, name is None or name in VERBATIM))
    if name in ("exercise", "admonition") and title:
        return f"{indent}{marks}{{{name}}} ", title, ""
    return line, "", ""


def messages(markdown):
    """The messages of a text, in its order, each once."""
    return list(dict.fromkeys(message for _, message, _ in parts(markdown) if message))


def rewritten(markdown, translate):
    """The text with each message replaced by `translate(message)`."""
    lines = (b + (translate(m) if m else "") + behind for b, m, behind in parts(markdown))
    return "\n".join(lines)
