"""References by number lead to what they name: chapters, exercises, the paper's equations."""

import re

from book_rules import rule
from number_facts import CITED_PAPER, facts
from number_reading import readable, sentences, stems

KINDS = {
    "table": "Table",
    "eq.": "Eq.",
    "equation": "Eq.",
    "section": "section",
    "figure": "Figure",
}
ONE = re.compile(
    r"\b(table|eq\.|equation|section|figure)s?[\s\[(]+((?:\d[\w.]*(?:,? and |, | to )?)+)",
    re.IGNORECASE,
)
CHAPTER = re.compile(r"\[(?:[^\]]*\b[Cc]hapters? )?(\d)\]\((?:book/)?0(\d)_")
BARE = re.compile(r"(?<!\[)\b[Cc]hapters? (\d)\b")
EXERCISE = re.compile(r"\b[Ee]xercise (\d)\.(\d)")


@rule
def chapters_are_the_ones_linked(book):
    """[chapter 4](04_….ipynb); without a link, a page names a chapter that it links to."""
    found, linked = [], {}
    for where, text in book.markdown:
        page = where.split(",")[0]
        linked.setdefault(page, {page[6:7]}).update(re.findall(r"\(0(\d)_\w+\.ipynb", text))
    for where, text in book.markdown:
        found += [
            f"{where}: its link to chapter {said} opens chapter {opened}"
            for said, opened in CHAPTER.findall(text)
            if said != opened
        ]
        found += [
            f"{where}: it names chapter {said}, and its page has no link there"
            for said in BARE.findall(readable(text))
            if said not in linked[where.split(",")[0]]
        ]
    return found


@rule
def exercises_are_there(book):
    """Each "exercise 3.2" is one that some cell checks, on this page or one that it links to."""
    found = []
    checks = {
        page: {n for c in cells for n in re.findall(r'check\("(\d\.\d)"', c.source)}
        for page, cells in book.code.items()
    }
    for where, text in book.markdown:
        for chapter, number in EXERCISE.findall(text):
            page = where.split(",")[0]
            near = checks.get(page, {*()}) or {n for all_ in checks.values() for n in all_}
            if f"{chapter}.{number}" not in near:
                found.append(f"{where}: there is no exercise {chapter}.{number} here")
    return found


@rule
def the_paper_has_what_is_named(book):
    """The paper's tables, equations and sections: cited_numbers.json has each, with its words."""
    known, found = facts().get(CITED_PAPER, {}), []
    for where, text in book.markdown:
        shown = readable(text)
        for a, b in sentences(shown):
            for m in ONE.finditer(shown, a, b):
                kind = KINDS[m[1].lower()]
                for number in re.findall(r"\d[\w.]*", m[2]):
                    name = f"{kind} {number.rstrip('.')}"
                    fits = [says for key, says in known.items() if name in key.split(", ")]
                    if not fits:
                        found.append(f"{where}: {name} is not among what the book cites")
                    elif not stems(" ".join(fits)) & _about(shown, a, b):
                        found.append(f"{where}: {name} is about something else: {fits[0][:60]}")
    return found


def _about(text, start, end):
    """What a sentence is about; a short one, what its whole text is about."""
    words = stems(text[start:end])
    return words if len(words) > 4 else stems(text)
