"""Each number of the prose repeats what its page computes, or what its source says: by value."""

import json
import re
from functools import cache
from itertools import pairwise
from pathlib import Path

from book_rules import rule
from number_binding import repeats, tells
from number_facts import in_tables
from number_places import places
from number_reading import quantities, readable, sentences
from number_sources import formulas, of_formulas, sides

PLAIN = Path(__file__).parent / "plain_numbers.json"
REFERENCE = re.compile(  # book_references.py looks at these
    r"\b(?:chapters?|exercises?|tables?|eqs?\.|equations?|sections?|figure)[\s\[(]+"
    r"(?:\d[\w.]*(?:,| and| to)[\s\[(]*)*$",
    re.IGNORECASE,
)
OTHERS = {  # what other rules look at, by what is in the text: predictions.py, book_problems.py
    'class="predict"': re.compile(r"<summary>.*?</summary>|^- \*\*.*?\*\*", re.MULTILINE),
    "\n→ ": re.compile(r"`[^`]+`"),
}


@rule
def each_number_has_a_source(book):
    return [
        f"{place.where}: {number.text!r} in “{around}” stands in no output, code, formula or "
        "source within reach"
        for place in places(book)
        for number, around in without_source(place)
    ]


def without_source(place):
    """The numbers of a place that repeat nothing, each with the text around it."""
    text = readable(place.text)
    others = [pattern for sign, pattern in OTHERS.items() if sign in place.text]
    answers = [m.span() for pattern in others for m in pattern.finditer(place.text)]
    for number in quantities(text):
        start, end = number.start, number.end
        known = (
            not tells(number)
            or REFERENCE.search(text[max(0, start - 40) : start])
            or any(a <= start < b for a, b in answers)
            or is_plain(number, text)
            or (number.kind != "name" and _repeats(number, place, text))
        )
        if not known:
            yield number, " ".join(text[max(0, start - 40) : end + 30].split())


def _repeats(number, place, text):
    if (said := in_tables(_sentence(place.text, text, number.start))) is not None:
        return repeats(number, said, text, ease=1)
    own = [*place.own, *_formulas(place.text, text, number.start)]
    if repeats(number, place.near, text) or repeats(number, own, text, ease=1):
        return True
    several = number.digits > 1 or len(number.values) > 1
    return several and repeats(number, place.far, text, ease=-1)


@rule
def equations_hold(book):
    """Each equation of the prose whose two sides are numbers: $7 + 4 + 8 = 19$."""
    found = []
    for where, text in book.markdown:
        for latex in formulas(text):
            known = [(value, side) for value, side in sides(latex) if value is not None]
            for (left, _), (right, shown) in pairwise(known if "<" not in latex else []):
                step = 10.0 ** -len(shown.partition(".")[2]) if "." in shown else 1
                exact = left == int(left) or not re.fullmatch(r"[\d.]+", shown)
                if abs(left - right) > (1e-9 * abs(left) if exact else step / 2):
                    found.append(f"{where}: ${latex}$: {left:g} is not {right:g}")
    return found


def _formulas(source, text, start):
    """The numbers of the formulas in the sentence around a place."""
    return of_formulas(_sentence(source, text, start))


def _sentence(source, text, start):
    """The sentence around a place, as it is written."""
    return next((source[a:b] for a, b in sentences(text) if a <= start < b), "")


@cache
def _plain():
    groups = json.loads(PLAIN.read_text(encoding="utf-8"))
    return [
        re.compile(
            (r"(?<![\w.,])" if p[0].isalnum() else "")
            + r"[\s*]+".join(map(re.escape, p.split()))
            + r"s?(?!\w|[.,]\d)"
        )
        for group in groups
        for p in group["phrases"]
    ]


def is_plain(number, text):
    """Whether a number is part of a phrase in plain_numbers.json, which says why that is known."""
    start = max(0, number.start - 40)
    window = text[start : number.end + 40]
    return any(
        m.start() <= number.start - start and number.end - start <= m.end()
        for pattern in _plain()
        for m in pattern.finditer(window)
    )
