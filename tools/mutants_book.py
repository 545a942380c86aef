"""Break the book on purpose, a mistake at a time, and see which check notices: `make mutants-book`.

    python tools/mutants_book.py [PAGE ...] [--runs N] [--data N] [--seed S]

Each mutant is shown to the book's rules, in this process. Of those in code, outputs and data that
the rules let pass, N per page and kind are drawn by the seed and really run, in a copy of the
repository in a temporary folder: the notebook under nbval, or what reads the data. What was run
stays in _build/mutants_book.txt and is not run again: stop at any time, and go on later. Without
pages the whole book is broken, and the report goes to book/data/mutants_book.json.
"""

import argparse
import hashlib
import random
import sys
import tempfile
import time
from collections import defaultdict
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

from book_pages import Book  # noqa: E402
from mutants_book_judged import Copy, Mutated, noticed_by  # noqa: E402
from mutants_book_made import data_mutants, mutants, unchanged  # noqa: E402
from mutants_book_report import RUNNABLE, as_json, show, summary  # noqa: E402
from normal_form import read  # noqa: E402
from repository import git  # noqa: E402

REPORT = ROOT / "book" / "data" / "mutants_book.json"
RUN = ROOT / "_build" / "mutants_book.txt"


class Judged:
    """Verdicts of runs, in a file that grows by a line each: "caught", "passed"."""

    def __init__(self, path):
        self.path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        self.known = dict(line.partition(" ")[::2] for line in lines)

    def verdict(self, mutant, text, copy):
        name = f"{hash_of(mutant.key + text)}"
        if name not in self.known:
            passed = copy().runs(mutant, text)
            self.known[name] = "passed" if passed else "caught"
            self.path.parent.mkdir(exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"{name} {self.known[name]}\n")
        return self.known[name] == "caught"


def hash_of(text):
    return hashlib.sha256(text.encode()).hexdigest()[:20]


class WholeBook(Book):
    """A book that hands out its notebooks whole, as they are written."""

    def whole(self, page):
        return read(self.text(page))


def main(argv=None):
    parser = argparse.ArgumentParser(description="Break the book on purpose.")
    parser.add_argument("pages", nargs="*", help="these alone; then no report is written")
    parser.add_argument("--runs", type=int, default=4, help="notebooks run per page and kind")
    parser.add_argument("--data", type=int, default=3, help="numbers changed per data file")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    book = WholeBook(ROOT)
    said_before_any(book)
    started, rows, begun_at = time.monotonic(), [], git("rev-parse", "HEAD")
    made = mutants(book, args.pages, args.seed)
    if not args.pages:
        made += data_mutants(ROOT, args.data, args.seed)
    for number, mutant in enumerate(made, 1):
        rule = "" if mutant.kind == "number in data" else noticed_by(book, mutant)
        rows.append((mutant, rule))
        if number % 200 == 0 or number == len(made):
            print(f"{number} of {len(made)}, {time.monotonic() - started:.0f} s", flush=True)
    said_before_any(book)  # nobody has changed a file meanwhile
    ran = run_some(book, rows, args)
    report = summary(rows, ran, begun_at, args.seed)
    show(report)
    if not args.pages:
        REPORT.write_text(as_json(report), encoding="utf-8")
        print(f"Written: {REPORT.relative_to(ROOT)}")
    return 0


def said_before_any(book):
    """Ends the run if a rule speaks where no mistake is: it would judge nothing."""
    if odd := {p: rule for p in book.pages if (rule := noticed_by(book, unchanged(book, p)))}:
        sys.exit(f"Without a mistake a rule speaks already, so that it would judge nothing: {odd}")


def run_some(book, rows, args):
    """{index of a row: whether its run noticed}, for a sample of what no rule has noticed."""
    groups, copies, found = defaultdict(list), [], {}
    for index, (mutant, rule) in enumerate(rows):
        if not rule and mutant.kind in RUNNABLE:
            groups[mutant.page, mutant.kind].append(index)
    wanted = []
    for (page, kind), indices in sorted(groups.items()):
        luck = random.Random(f"{args.seed} {page} {kind}")
        wanted += luck.sample(indices, min(args.runs, len(indices)))
    judged = Judged(RUN)
    with tempfile.TemporaryDirectory() as folder:

        def copy():
            copies[:] = copies or [Copy(ROOT, folder)]
            return copies[0]

        for number, index in enumerate(wanted, 1):
            mutant = rows[index][0]
            in_notebook = mutant.cell is not None
            text = Mutated(book, mutant).text(mutant.page) if in_notebook else mutant.text
            found[index] = judged.verdict(mutant, text, copy)
            verdict = "caught" if found[index] else "PASSED"
            print(f"run {number} of {len(wanted)}: {verdict} {mutant.key[:110]}", flush=True)
    return found


if __name__ == "__main__":
    yaml.safe_load = cache(yaml.safe_load)  # rules read the configuration again for each mutant
    sys.exit(main())
