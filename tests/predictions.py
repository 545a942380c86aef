"""What a "Predict" of a page offers, read from its notebook, and the rules that it keeps.

A block is a Markdown cell right after the question. Its answers are a folded list, which
predict.js turns into buttons:

    <details class="predict"><summary>How many? 2 · 10 · 20</summary>

    - **2**: why it tempts, and why it is wrong.
    - **20**, right: why.

    </details>

`data-number="1"` adds a field: a number that close to an answer's counts as that answer.
`data-seen="…"` quotes the page where it does not give the answer in the same words.
"""

import html
import re
from dataclasses import dataclass
from itertools import pairwise

BLOCK = re.compile(
    r'<details class="predict"([^>]*)><summary>(.*?)</summary>\n\n(.*)\n\n</details>', re.S
)
ITEM = re.compile(r"- \*\*(.+?)\*\*(, right)?: (.+)")
NUMBER = re.compile(r"\d[\d,]*(\.\d+)?")
END = "## Exercises"
RULES = []


@dataclass(frozen=True)
class Answer:
    text: str
    right: bool
    reason: str


@dataclass(frozen=True)
class Prediction:
    """One block, with what stands before and behind it on its page."""

    where: str
    before: str  # the cell above
    soon: str  # outputs and prose down to the next block
    later: str  # outputs and prose down to the exercises
    summary: str
    attributes: dict
    answers: list

    @property
    def right(self):
        return [answer for answer in self.answers if answer.right]


def plain(text):
    """Words as they are read: no stars of emphasis, one space where there are several."""
    return " ".join(text.replace("*", "").split())


def predictions(cells):
    """The blocks among a page's cells, in order; ValueError where one cannot be read."""
    found, starts = [], [n for n, c in enumerate(cells) if 'class="predict"' in c.source]
    end = next((n for n, c in enumerate(cells) if END in c.source), len(cells))
    for n, following in pairwise([*starts, end]):
        match = BLOCK.fullmatch(cells[n].source)
        items = [ITEM.fullmatch(line) for line in match[3].splitlines()] if match else [None]
        if cells[n].is_code or not all(items):
            raise ValueError(f"{cells[n].where}: a predict block that cannot be read")
        found.append(
            Prediction(
                where=cells[n].where,
                before=cells[n - 1].source,
                soon=told(cells[n + 1 : following]),
                later=told(cells[n + 1 : end]),
                summary=match[2],
                attributes={
                    k: html.unescape(v) for k, v in re.findall(r' data-(\w+)="([^"]*)"', match[1])
                },
                answers=[Answer(item[1], bool(item[2]), item[3]) for item in items],
            )
        )
    return found


def told(cells):
    """What cells say when run or read: outputs of code, and Markdown."""
    cells = [cell for cell in cells if 'class="predict"' not in cell.source]
    texts = ["\n".join(c.output_texts) if c.is_code else c.source for c in cells]
    return plain("\n".join(texts))


def rule(function):
    """Register a rule: it takes a `Prediction` and returns what is wrong in words, or ""."""
    RULES.append(function)
    return function


@rule
def follows_a_question(one):
    return "" if "**Predict" in one.before else "the cell above asks for no prediction"


@rule
def names_its_answers(one):
    wanted = " · ".join(answer.text for answer in one.answers)
    lead = one.summary.removesuffix(" " + wanted)
    return "" if lead.endswith("?") and lead.count("?") == 1 else f"the summary is no “…? {wanted}”"


@rule
def one_is_right(one):
    return "" if len(one.right) == 1 else f"{len(one.right)} answers are right; one must be"


@rule
def two_are_wrong(one):
    wrong = len(one.answers) - len(one.right)
    return "" if wrong >= 2 else f"{wrong} wrong answers; a choice has two at least"


@rule
def wrong_ones_have_a_reason(one):
    short = [a.text for a in one.answers if not a.right and len(a.reason.split()) < 8]
    return f"fewer than eight words on why these tempt: {short}" if short else ""


@rule
def fields_take_numbers(one):
    if "number" not in one.attributes:
        return ""
    if not re.fullmatch(r"\d+(\.\d+)?", one.attributes["number"]):
        return "data-number is no number"
    values = [NUMBER.fullmatch(a.text) and float(a.text.replace(",", "")) for a in one.answers]
    if None in values:
        return "a field for a number, and an answer that is none"
    gaps = [b - a for a, b in pairwise(values)]
    close = min(gaps) <= 2 * float(one.attributes["number"])
    return "two answers so close that one number is both, or not in order" if close else ""


@rule
def the_page_agrees(one):
    if quoted := plain(one.attributes.get("seen", "")):
        if len(quoted.split()) < 3:
            return f"“{quoted}” is too short to be the page's answer"
        return "" if quoted in one.later else f"further down the page does not say “{quoted}”"
    for right in one.right:
        token = rf"(?<![\w.,]){re.escape(right.text)}(?!\w|,\d)"
        if not re.search(token, one.soon, re.IGNORECASE):
            return f"no output or sentence before the next question says “{right.text}”"
    return ""
