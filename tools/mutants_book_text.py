"""A text of the book with one mistake at a time: numbers, words, links, citations."""

import random
import re

from number_binding import tells
from number_reading import FORMULA, in_words, quantities, readable

WORDS = "two three four five six seven eight nine ten eleven twelve".split()
REFERENCE = re.compile(
    r"\b(?:chapter|exercise|table|eq\.|equation|section|figure)s?[\s\[(]+$", re.I
)
SWAPS = (
    "more less|larger smaller|higher lower|fewer more|faster slower|most least|above below|"
    "before after|first last|always never|all none|few many|grows shrinks|rises falls|far near|"
    "deep shallow|early late|narrower wider|longer shorter|better worse|largest smallest|"
    "cheaper dearer|without with|less more|smaller larger|lower higher|slower faster|least most|"
    "below above|after before|last first|never always|none all|many few|near far|late early|"
    "wider narrower|shorter longer|worse better|smallest largest|with without"
)
SWAP = dict(pair.split() for pair in SWAPS.split("|"))
SWAPPED = re.compile(rf"\b(?:{'|'.join(SWAP)})\b")
LINK = re.compile(r"\]\((\w+\.(?:ipynb|md))?(#[\w.-]+)?\)")
CITATION = re.compile(r"\s?\{cite[^}]*\}`[^`]+`")


def text_mutants(text):
    """(kind, what was, what it becomes, the whole text after) for a Markdown text."""
    yield from numbers(text, "")
    yield from words(text)
    for m in CITATION.finditer(text):
        yield "citation gone", m[0].strip(), "", put(text, m, "")
    links = [m for m in LINK.finditer(text) if m[1] or m[2]]
    for m in links:
        page = m[1] or ""
        new = "intro.md" if page and page != "intro.md" else "glossary.md" if page else ""
        anchor = m[2] or ""
        if not page:  # one step further among the text's own, or nowhere
            elsewhere = [o[2] for o in links if o[2] and o[2] != anchor]
            anchor = elsewhere[0] if elsewhere else "#nowhere"
        moved = f"]({new}{'' if new else anchor})"
        yield "link elsewhere", m[0][2:-1], moved[2:-1], put(text, m, moved)
    for m in re.finditer(r"^:alt:.*\n", text, re.MULTILINE):
        yield "alt text gone", m[0].strip(), "", put(text, m, "")


def numbers(text, label):
    """Each number of a text with others in its place: two for one in digits, one for a word."""
    if not text:
        return
    shown = readable(text)
    for number in quantities(shown):
        kind, where = _kind(number, shown, text, label), slice(number.start, number.end)
        if number.kind in ("words", "part"):
            if number.text.lower() in WORDS[1:-1]:
                by = 1 if len(text) % 2 else -1
                new = WORDS[WORDS.index(number.text.lower()) + by]
                yield "number in words", number.text, new, _set(text, where, new)
            elif tells(number):
                new = "seventeen" if in_words(number.text) != 17 else "eighteen"
                yield kind, number.text, new, _set(text, where, new)
            continue
        for new in others(number.text, f"{text}{number.start}", 2):
            yield kind, number.text, new, _set(text, where, new)
    for formula in FORMULA.finditer(text):
        for m in re.finditer(r"(?<![\w.])\d+(?:\.\d+)?", formula[0]):
            start = formula.start() + m.start()
            for new in others(m[0], f"{text}{start}", 1):
                where = slice(start, start + len(m[0]))
                yield "number in a formula", m[0], new, _set(text, where, new)


def _kind(number, shown, text, label):
    if REFERENCE.search(shown[: number.start][-12:]) or text[number.end : number.end + 3] == "](0":
        return "reference"
    if not tells(number):
        return "small count"
    line = text[text.rfind("\n", 0, number.start) + 1 : number.start]
    return (
        f"number in {'a caption' if label == 'caption' else 'an alt text'}"
        if label
        else ("number in a table" if line.lstrip().startswith("|") else "number")
    )


def words(text):
    shown = readable(text)
    for m in SWAPPED.finditer(shown):
        new = SWAP[m[0]]
        yield "comparison word", m[0], new, put(text, m, new)


def others(shown, seed, count):
    """Other numbers with as many digits: the last digit moved by one, then any digit changed."""
    places = [k for k, digit in enumerate(shown) if digit.isdigit()]
    last = places[-1]
    found = [shown[:last] + str((int(shown[last]) + 1) % 10) + shown[last + 1 :]]
    luck = random.Random(seed)
    while len(found) < count:
        k, digit = luck.choice(places), luck.choice("0123456789")
        new = shown[:k] + digit + shown[k + 1 :]
        if new not in (shown, *found) and not re.match(r"0[\d,]", new):
            found.append(new)
    return found


def put(text, match, new):
    return text[: match.start()] + new + text[match.end() :]


def _set(text, where, new):
    return text[: where.start] + new + text[where.stop :]
