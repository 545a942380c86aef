"""What the module says, in another language: hints, labels in figures, sentences of what moves.

A catalogue (zh.json) has sentences with holes, "{1} of {2} fit"; what stands in a hole is
translated in its turn, if it can be, and else stays: numbers do. `say.js` does so in a page.
"""

import json
import re
from collections.abc import Callable
from functools import cache
from html import escape, unescape
from importlib.resources import files

from nonlocal_tut.arguments import one_of

LANGUAGES = ("en", "zh")
HOLE = re.compile(r"\{\d+\}")
CODE = re.compile(r"(<(script|style|code)\b.*?</\2>)", re.DOTALL)
TEXT = re.compile(r'(?<=>)[^<>]+(?=<)|(?<= aria-label=")[^"]+(?=")')

_spoken = "en"


def use(language: str) -> None:
    """Let hints, figures and what moves speak this language, "en" or "zh", from now on.

    The Chinese notebooks call it in their second cell. Raises ValueError for another; see
    chapter 1.
    """
    global _spoken
    one_of("language", language, LANGUAGES)
    _spoken = language


def say(text: str) -> str:
    """A sentence or a label in the language in use; as it is if the catalogue has none."""
    return text if _spoken == "en" else translated(text, _spoken)


def markup(text: str) -> str:
    """HTML or SVG with its texts and its labels for the ear in the language in use."""
    if _spoken == "en":
        return text
    pieces = CODE.split(text)  # between two texts: a script, style or code, and its name
    texts = (TEXT.sub(lambda m: escape(say(unescape(m[0]))), t) for t in pieces[::3])
    return "".join(text + code for text, code in zip(texts, [*pieces[1::3], ""], strict=True))


def live(html: str) -> str:
    """HTML whose scripts write English: in another language, with what translates it.

    A page has many figures; the first one's script translates all that any of them writes.
    """
    if _spoken == "en":
        return html
    call = f"listen(document, speaker({json.dumps(catalogue(_spoken), ensure_ascii=False)}));"
    once = "if (document.isTranslated) return;\ndocument.isTranslated = true;\n"
    return (
        f'{markup(html)}<script>(() => {{\n"use strict";\n{once}{script()}{call}\n}})();</script>'
    )


def script() -> str:
    """What translates in a page."""
    return files("nonlocal_tut.words").joinpath("say.js").read_text(encoding="utf-8")


@cache
def catalogue(language: str) -> dict[str, str]:
    """{sentence with holes: its translation}."""
    file = files("nonlocal_tut.words").joinpath(f"{language}.json")
    found: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return found


@cache
def translated(text: str, language: str) -> str:
    """A text in a language, or as it is; white space around it stays."""
    words = " ".join(text.split())
    if not words:
        return text
    before, behind = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    return before + _translated(words, language) + behind


def _translated(words: str, language: str) -> str:
    if words in catalogue(language):
        return catalogue(language)[words]
    for pattern, translation in _with_holes(language):
        if found := pattern.fullmatch(words):
            held = [translated(part, language) for part in found.groups()]
            return HOLE.sub(_filler(held), translation)
    return words


def _filler(held: list[str]) -> Callable[[re.Match[str]], str]:
    return lambda hole: held[int(hole[0][1:-1]) - 1]


@cache
def _with_holes(language: str) -> list[tuple[re.Pattern[str], str]]:
    """[(pattern, translation)]: what has most letters of its own is tried first.

    But last what begins with a hole, which would swallow how another sentence begins: in
    "✗ 1.3 not yet: 63 wide, …" it is not all before "wide" that is a width.
    """
    found = [s for s in catalogue(language) if HOLE.search(s)]
    found.sort(key=lambda s: (bool(HOLE.match(s)), -len(HOLE.sub("", s))))
    return [
        (re.compile("(.+?)".join(map(re.escape, HOLE.split(s)))), catalogue(language)[s])
        for s in found
    ]
