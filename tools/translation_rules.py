"""What a translation must keep of its English sentence, and how its Chinese is written.

Each rule takes both and returns what is wrong, in words, or nothing.
"""

import re
from collections import Counter

from nonlocal_tut.words import translated

HANZI = "\u3400-\u9fff"
ROLE = re.compile(r"\{([\w:-]+)\}`([^`]*)`")
CODE = re.compile(r"(?<!\})(`+)(?!`)(.+?)(?<!`)\1(?!`)")
MATH = re.compile(r"(?<![\\$])\$([^$]+)\$(?!\$)")
WORDS_IN_MATH = re.compile(r"\\text\{[^}]*\}")
LINK = re.compile(r'\]\(([^)\s]*)(?: "[^"]*")?\)')
TERM = re.compile(r"\{term\}`[^`]*`")
TARGET = re.compile(r"^.*<([^>]+)>$")
NUMBER = re.compile(r"(?<!top-)\d(?:[\d,]*\d)?(?:\.\d+)?")
HALF_WIDTH = re.compile(rf"[{HANZI}]\s*[,;:?!](?!\S*\)`)|[,;:?!]\s*[{HANZI}]|[{HANZI}]\.(?:\s|$)")
TOO_CLOSE = re.compile(rf"[{HANZI}][A-Za-z0-9]|[A-Za-z0-9][{HANZI}]")
SPACED = re.compile(r" [，。；：？！、（）“”]|[，。；：？！、（“”] (?!$)")


def without(text, *patterns):
    """The text with a bullet where something was that no rule for prose looks at."""
    for pattern in patterns:
        text = pattern.sub("•", text)
    return text


def said_by(role):
    """The words of a role: those of a term without its target, of others a bullet."""
    return re.sub(r"\s*<[^>]*>$", "", role[2]) if role[1] == "term" else "•"


def prose(text):
    """What is read as sentences: no code, formulas, addresses, roles' names and marks."""
    text = without(ROLE.sub(said_by, text), CODE, MATH)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return re.sub(r"<[^>]+>|\{[^}]*\}|https?://\S+", "•", text)


def kept(text):
    """{kind: the things of it} that both sentences must have alike."""
    outside_roles = without(text, ROLE)
    outside_code = without(outside_roles, CODE)
    math = MATH.findall(outside_code)
    return {
        "code": Counter(code for _, code in CODE.findall(outside_roles)),
        "formulas": Counter(" ".join(WORDS_IN_MATH.sub("", m).split()) for m in math),
        "links": Counter(LINK.findall(outside_code)),
        "references": Counter(
            (name, (TARGET.match(what) or [0, what])[1].lower() if name == "term" else what)
            for name, what in ROLE.findall(text)
        ),
        "numbers": Counter(NUMBER.findall(prose(without(text, TERM)))),
        "bold": text.count("**"),
        "cells of a table": text.count("|") if text.startswith("|") else 0,
    }


def shown(code):
    """How a Chinese page may quote code: as it is, or as a table or a figure there shows it.

    Of a row of a table its name and a value: "the block yes".
    """
    yield code
    for at in [len(code), *(gap.start() for gap in re.finditer(" ", code))]:
        yield f"{translated(code[:at], 'zh')} {translated(code[at:].strip(), 'zh')}".strip()


def differences(source, translation):
    """What one of both has and the other has not."""
    wanted, got = kept(source), kept(translation)
    wanted["code"] = Counter(
        next((told for told in shown(code) if told in got["code"]), code)
        for code in wanted["code"].elements()
    )
    for kind, things in wanted.items():
        if things != got[kind]:
            if isinstance(things, Counter):
                lost, new = things - got[kind], got[kind] - things
                yield f"{kind}: lost {sorted(lost.elements())}, new {sorted(new.elements())}"
            else:
                yield f"{kind}: {things}, and {got[kind]} in the translation"


def typography(translation):
    """How Chinese is set: full-width marks, no space beside them, one beside what is Latin."""
    text = "|".join(cell.strip() for cell in prose(translation).split("|"))
    for found in HALF_WIDTH.findall(text):
        yield f"a half-width mark beside Chinese: {found!r}"
    for found in TOO_CLOSE.findall(text):
        yield f"no space between Chinese and Latin: {found!r}"
    for found in SPACED.findall(text):
        yield f"a space beside a full-width mark: {found!r}"


def terms(source, translation, glossary):
    """Each term of the glossary is rendered by its translation there; {term: translation}."""
    for name, what in ROLE.findall(source):
        if name != "term":
            continue
        term = (TARGET.match(what) or [0, what])[1].lower()
        wanted = glossary[term]
        told = [w.lower() for n, w in ROLE.findall(translation) if n == "term"]
        if not any(wanted.lower() in w and (term == w or f"<{term}>" in w) for w in told):
            yield f"{{term}} {term}: {wanted} is asked for"
    said, told = prose(source).lower(), prose(translation).lower()
    for term, wanted in glossary.items():
        met = " " in term and re.search(rf"\b{re.escape(term)}s?\b", said)
        if met and wanted.lower() not in told:
            yield f"{term}: {wanted} is asked for"


def faults(source, translation, glossary, *, may_be_latin=False):
    """All that is wrong with one translation."""
    found = [*differences(source, translation), *typography(translation)]
    found += terms(source, translation, glossary)
    if not re.search(f"[{HANZI}]", translation) and not may_be_latin:
        found.append("not a Chinese character")
    return found
