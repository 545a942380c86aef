"""The table of the ways in which a block can be run, from book/data/ways.json (see ways.py)."""

import re

from repository import ROOT

PATH = ROOT / "book" / "data" / "ways.json"
TABLE = PATH.with_suffix(".txt")
WORKS = "works"


def code(sentence):
    """What is written like attention="fused" is code on the page; its quotes stay straight."""
    return re.sub(r'\w+="[^"]*"', r"`\g<0>`", sentence)


def rendered(data, say=str):
    """The table, in Markdown; sentences stand below it, each once.

    say: from English words to those of the page's language.
    """
    notes, lines = {}, []
    for way, by_attention in data["ways"].items():
        cells = [cell(by_form, notes, say) for by_form in by_attention.values()]
        lines.append(f"| {code(say(way))} | " + " | ".join(cells) + " |")
    head = [say("way"), *(f"`{attention}`" for attention in by_attention)]
    where = data["provenance"]
    tried = say("Tried with torch {torch} on {date}, by `{command}`.").format(**where)
    return "\n".join(
        [
            f"| {' | '.join(head)} |",
            "|---" * len(head) + "|",
            *lines,
            "",
            *(f"{number}. {code(say(end))}" for end, number in notes.items()),
            "",
            tried,
            "",
        ]
    )


def cell(by_form, notes, say):
    """How the forms of the block end in one way; how each fails gets a number in `notes`."""
    ends = {form: end for form, end in by_form.items() if end != WORKS}
    numbers = {end: notes.setdefault(end, len(notes) + 1) for end in ends.values()}
    if not ends:
        return say(WORKS)
    if len(ends) == len(by_form):
        return say("no ({numbers})").format(numbers=", ".join(map(str, sorted(numbers.values()))))
    forms = " ".join(f"`{form}` ({numbers[end]})" for form, end in ends.items())
    return say("all but {forms}").format(forms=forms)
