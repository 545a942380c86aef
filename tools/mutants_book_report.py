"""What came of breaking the book: book/data/mutants_book.json, and its shares in words."""

import datetime
import importlib.metadata
import json
import platform
from collections import Counter, defaultdict

NUMBERS = ("number", "number in a caption", "number in an alt text", "number in a table")
RUNNABLE = ("number in code", "number in an output", "assertion gone", "number in data")
# What no rule is there to catch, and why; their survivors are counted, not listed.
NOT_CAUGHT = {
    "small count": "A number of one digit stands nearly everywhere, so that another is found, too, "
    "tells nothing. Caught where it belongs to a longer phrase, an answer or a reference.",
    "number in words": "Two to twelve in words, as one digit; above twelve they count as numbers.",
    "number in a formula": "A formula with letters has no value; equations of numbers have.",
    "comparison word": "No check reads what a sentence claims; claims.md and its cells are held "
    "against each other.",
    "assertion gone": "A notebook without an assertion runs as before; those that carry a verdict "
    "on a claim must be there.",
    "citation gone": "Caught where no other place cites the work, or a number came from it.",
}


def summary(rows, ran, commit, seed):
    """The report, as book/data/schemas/mutants_book.json says."""
    counts = defaultdict(lambda: defaultdict(Counter))
    survivors = []
    for index, (mutant, rule) in enumerate(rows):
        count = counts[mutant.page][mutant.kind]
        count["made"] += 1
        count["caught"] += bool(rule)
        count["run"] += index in ran
        count["caught_in_run"] += ran.get(index, False)
        passed = not rule and (not ran[index] if index in ran else mutant.kind not in RUNNABLE)
        if passed and mutant.kind not in NOT_CAUGHT:
            said = {"page": mutant.page, "kind": mutant.kind, "where": mutant.where}
            survivors.append(said | {"was": mutant.was, "becomes": mutant.becomes})
    fields = ("made", "caught", "run", "caught_in_run")
    pages = {
        page: {kind: {f: int(kinds[kind][f]) for f in fields} for kind in sorted(kinds)}
        for page, kinds in sorted(counts.items())
    }
    numbers = {}
    for page, kinds in pages.items():
        made, caught = (sum(kinds[k][f] for k in NUMBERS if k in kinds) for f in fields[:2])
        if made:
            numbers[page] = {"made": made, "caught": caught}
    return {
        "provenance": origin(commit, seed),
        "numbers": numbers,
        "pages": pages,
        "by_rule": dict(Counter(rule for _, rule in rows if rule).most_common()),
        "survivors": survivors,
        "not_caught": [{"kind": kind, "why": why} for kind, why in NOT_CAUGHT.items()],
    }


def origin(commit, seed):
    return {
        "command": "make mutants-book",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": commit,
        "python": platform.python_version(),
        "packages": {n: importlib.metadata.version(n) for n in ("torch", "nbval", "nbformat")},
        "seed": seed,
    }


def as_json(report):
    """A line per kind of a page and per survivor, so that a difference can be read."""

    def lines(items):
        return ",\n".join(json.dumps(item, ensure_ascii=False) for item in items)

    pages = ",\n".join(
        f"{json.dumps(page)}: {{\n"
        + ",\n".join(f"{json.dumps(kind)}: {json.dumps(count)}" for kind, count in kinds.items())
        + "\n}"
        for page, kinds in report["pages"].items()
    )
    numbers = ",\n".join(f"{json.dumps(p)}: {json.dumps(n)}" for p, n in report["numbers"].items())
    return (
        f'{{"provenance": {json.dumps(report["provenance"])},\n"numbers": {{\n{numbers}\n}},\n'
        f'"pages": {{\n{pages}\n}},\n"by_rule": {json.dumps(report["by_rule"], indent=1)},\n'
        f'"survivors": [\n{lines(report["survivors"])}\n],\n'
        f'"not_caught": [\n{lines(report["not_caught"])}\n]}}\n'
    )


def show(report):
    """Shares by page for numbers, and by kind for all."""
    for page, n in report["numbers"].items():
        print(
            f"{page:34s} numbers: {n['caught']:4d} of {n['made']:4d}, {n['caught'] / n['made']:.0%}"
        )
    kinds = defaultdict(Counter)
    for page in report["pages"].values():
        for kind, count in page.items():
            kinds[kind].update(count)
    for kind, c in sorted(kinds.items()):
        ran = f"; of {c['run']} run, {c['caught_in_run']}" if c["run"] else ""
        print(f"{kind:28s} {c['caught']:5d} of {c['made']:5d} by rules{ran}")
