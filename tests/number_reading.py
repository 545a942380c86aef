"""Numbers as a reader meets them: in a text of a page, with their places and the words around.

`readable` blanks out what is not read and keeps every place, so that a `Quantity` says where it
stands in the source itself.
"""

import re
from dataclasses import dataclass, replace
from functools import cache

UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
UNITS = f"{UNITS}fifteen sixteen seventeen eighteen nineteen".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
CARDINALS = {word: n for n, word in enumerate(UNITS)} | dict(
    zip(TENS, range(20, 99, 10), strict=True)
)
CARDINALS |= {"dozen": 12, "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
PARTS = {"half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6}
PARTS |= {"seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "twelfth": 12, "sixteenth": 16}
PARTS |= {f"{word[:-1]}ieth": CARDINALS[word] for word in TENS} | {"hundredth": 100}
TIMES = {"twice": 2, "double": 2, "doubled": 2, "sixfold": 6}
WORD = "|".join(sorted({*CARDINALS, *PARTS, *TIMES}, key=len, reverse=True))
SIDE = r"\d{1,3}(?:,\d{3})+|\d+"
TOKEN = re.compile(
    rf"(?P<sides>(?<![\w.,])(?:{SIDE})(?:(?:×|[ ]by[ ])(?:{SIDE}))+(?!\w))"
    r"|(?P<name>\b[A-Za-z]+-\d+\b|\b\d-D\b|(?<!\w)[A-Z]/\d+\b)"
    r"|(?P<version>(?<![\w.])\d+\.\d+\.\d+(?![\w.]*\d))"
    r"|(?P<digits>(?<![\w.,])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?!\d|\.\d|,\d{3}))"
    rf"|(?P<words>(?<!\d[ ])\b(?:{WORD})(?:-(?:{WORD}))?s?\b)",
    re.IGNORECASE,
)
BETWEEN = re.compile(r"[\s*]*(?:,|·|,? and|,? or|to|/|[\s*])[\s*]*")  # the numbers of a list
STOP = frozenset(
    "a an the of in on at to and or but not no is are was were be been it its this that these "
    "those as by for from with than then so if what which who how do does did has have had "
    "each all any per there here more less most least we you they them their his her our your "
    "up out over into between about only also too very same other another such can may must "
    "will would when where why because since both either neither self def return print int "
    "float str len range true false none cell page ours them import".split()
)
FORMULA = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$", re.DOTALL)
ENDS = re.compile(
    r"(?<!Eq)(?<!Eqs)(?<!al)[.!?](?=[\s*)])|\n\s*\n|\n(?=\s*(?:[-*]|\d+\.)\s)|\n(?=\|)"
)
A_WORD = re.compile(r"[^\W\d_]+|[%γθφ]")
UNREAD = [
    re.compile(pattern, re.DOTALL | re.MULTILINE)
    for pattern in (
        r"<!--.*?-->",
        r"^(`{3,})(?:\w+)?\n.*?^\1`*$",  # a block of code
        r"^(`{3,})\{(?:code|math|moving)[^\n]*\n.*?^\1`*$",
        r"^:(?!alt:)[\w-]+:[^\n]*$|^\([\w-]+\)=$|^[`:]{3,}\{[\w-]+\}(?: *ex-[\w-]+)?|^[`:]{3,}$",
        r"\{cite[^}]*\}`[^`]*`|\]\([^)\s]*\)|https?://[^\s)]+|</?\w[^>]*>",
        r"^\s*\d+\. ",  # the number of an item
    )
]
TERM = re.compile(r"\{term\}`([^`<]+?)(?: <[^`]*>)?`")


@dataclass(frozen=True)
class Quantity:
    """A number in a text; `values` has several for the sides of 14×22."""

    start: int
    end: int
    text: str
    values: tuple
    step: float  # what the last digit shown is worth; 0 for words
    near: frozenset  # stems of the two words before and the three behind it
    words: frozenset  # stems of its sentence
    kind: str  # sides, name, version, digits, words, part
    listed: tuple = ()  # the values of the list in which it stands, if that has three or more

    @property
    def digits(self):
        """How many digits it shows; of a number in words, how many its value has."""
        shown = self.text if self.kind == "digits" else f"{self.values[0]:.0f}"
        return len(re.sub(r"\D", "", shown))


def _blank(match):
    return re.sub(r"[^\n]", " ", match[0])


def _term(match):
    a, b = match.start(1) - match.start(), match.end(1) - match.start()
    return " " * a + match[1] + " " * (len(match[0]) - b)


@cache
def readable(markdown):
    """The text, as long as before, with blanks where nothing is read as prose, and for formulas."""
    for pattern in UNREAD:
        markdown = pattern.sub(_blank, markdown)
    return FORMULA.sub(_blank, TERM.sub(_term, markdown))


def stems(text):
    """The words of a text that tell what it is about, without their endings."""
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower()
    words = re.findall(r"[^\W\d_]{2,}|[%γθφ]", text)
    return frozenset(_stem(w) for w in words if w not in STOP and w not in CARDINALS)


def _stem(word):
    for ending in ("ies", "es", "s", "ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)] + ("y" if ending == "ies" else "")
            break
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


def sentences(text):
    """The spans of what ends in a stop, a blank line, an item of a list or a row."""
    ends = [m.end() for m in ENDS.finditer(text)]
    spans = zip([0, *ends], [*ends, len(text)], strict=True)
    return [(a, b) for a, b in spans if text[a:b].strip()]


@cache
def quantities(text):
    """Each number of a readable text, in order."""
    found, before = [], frozenset()
    for a, b in sentences(text):
        words, matches = stems(text[a:b]), list(TOKEN.finditer(text, a, b))
        before, words = words, words if len(words) > 2 else words | before
        for group in _lists(text, matches):
            near = around(text[a : group[0].start()], text[group[-1].end() : b])
            numbers = [_quantity(m, near, words) for m in group]
            if len(group) > 2:
                listed = tuple(n.values[0] for n in numbers)
                numbers = [replace(n, listed=listed) for n in numbers]
            found += numbers
    return tuple(found)


def _lists(text, matches):
    """The numbers of a sentence, those of one list together: "1, 2 and 4"."""
    groups = []
    for m in matches:
        last = groups[-1][-1] if groups else None
        alike = last and last.lastgroup == m.lastgroup == "digits"
        if alike and BETWEEN.fullmatch(text[last.end() : m.start()]):
            groups[-1].append(m)
        else:
            groups.append([m])
    return groups


def around(before, behind):
    """The stems of the two words before a number and of the three behind it."""
    return stems(" ".join(A_WORD.findall(before)[-2:] + A_WORD.findall(behind)[:3]))


def _quantity(m, near, words):
    kind, text, step = m.lastgroup, m[0], 1.0
    if kind == "sides":
        values = tuple(float(n.replace(",", "")) for n in re.findall(SIDE, text))
    elif kind == "digits":
        values = (float(text.replace(",", "")),)
        step = 10.0 ** -len(text.partition(".")[2])
    elif kind == "words":
        value, step = in_words(text), 0.0
        values, kind = (value,), "part" if 0 < value < 1 else "words"
    else:
        values = tuple(float(n) for n in re.findall(r"\d+", text))
    return Quantity(m.start(), m.end(), text, values, step, near, words, kind)


def in_words(text):
    """The value of "sixteen", "forty-two", "a third", "twice"; ValueError for other words."""
    text = text.lower()
    for word in (text, text.removesuffix("s")):
        if word in PARTS:
            return 1 / PARTS[word]
        first, _, second = word.partition("-")
        if first in CARDINALS and second in PARTS:
            return 1 / (CARDINALS[first] + PARTS[second])
        known = CARDINALS | TIMES
        if first in known and (not second or second in CARDINALS):
            return float(known[first] + CARDINALS.get(second, 0))
    raise ValueError(f"{text!r} is no number in words")
