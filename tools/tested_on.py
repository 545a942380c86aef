"""What ran where: book/data/tested_on.json, and the table that a page has of it.

python tools/tested_on.py FILE ...     what these files say, as Markdown; fails where a test did
"""

import json
import sys
from html import escape
from pathlib import Path

FILE = Path(__file__).resolve().parent.parent / "book" / "data" / "tested_on.json"
SUITES = ("notebooks", "tests")
PACKAGES = ("torch", "numpy", "matplotlib")


def same(row):
    """What a row stands for: one machine, minor version of Python, and torch."""
    return row["torch"], row["python"].rsplit(".", 1)[0], row["machine"]


def table_of(file):
    """Where a data file's table is."""
    return file.with_suffix(".txt")


def write(row, file):
    """The row goes into the file, in the place of one that it repeats, and the table beside it."""
    rows = json.loads(file.read_text(encoding="utf-8"))["rows"] if file.exists() else []
    rows = sorted([*(r for r in rows if same(r) != same(row)), row], key=same)
    dates = [r["date"] for r in rows]
    data = {"provenance": {"command": "make portable", "date": max(dates)}, "rows": rows}
    file.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    table_of(file).write_text(rendered(data), encoding="utf-8")


def share(found):
    """Those that passed, and of how many; what was skipped does not count."""
    return f"{found['passed']:,} of {found['passed'] + found['failed']:,}"


def rendered(data, say=str):
    """The table, in Markdown, narrow enough for a phone; below it how each ran, and what failed.

    say: from English words to those of the page's language.
    """
    lines = [say("| run | torch, Python | cells of pages | unit tests |"), "|---" * 4 + "|"]
    machines, packages, comma = {}, {}, say(", ")
    for row in data["rows"]:
        torch, python, name = same(row)
        machine = say(name)
        counts = " | ".join(share(row[suite]).replace(" of ", "/") for suite in SUITES)
        lines.append(f"| {machine} | {torch.split('+')[0]}, {python} | {counts} |")
        how = say("{run}: {what}").format(run=machine, what=say(row["told"]))
        machines[f"- {how}"] = None
        had = [f"Python {row['python']}", *(f"{n} {row[n]}" for n in PACKAGES)]
        packages.setdefault(comma.join(had), []).append(machine)
    lines += ["", *machines, "", say("Installed were:"), ""]
    for had, runs in packages.items():
        lines.append("- " + say("{run}: {what}").format(run=comma.join(runs), what=had))
    lines += failures([row for row in data["rows"] if any(row[s]["failed"] for s in SUITES)], say)
    return "\n".join([*lines, "", where_and_when(data, say)]) + "\n"


def where_and_when(data, say):
    places = sorted({f"{row['processor']} ({row['system']})" for row in data["rows"]})
    minutes = sorted(round(sum(row[s]["minutes"] for s in SUITES)) for row in data["rows"])
    few, many = minutes[0], minutes[-1]
    took = few if few == many else say("{few} to {many}").format(few=few, many=many)
    told = say("By `{command}`, last on {date}, on {places}. A run takes {minutes} minutes.")
    return told.format(**data["provenance"], places=say(" and ").join(places), minutes=took)


def failures(rows, say):
    """How many a run; their names folded, in HTML, since in Markdown its quotes would be curled."""
    if not rows:
        return []
    lines, names, comma = ["", say("What failed:"), ""], [], say(", ")
    for row in rows:
        run = f"torch {row['torch'].split('+')[0]}{comma}{say(row['machine'])}"
        counts = [
            say(f"{{n}} {word}{'s' * (n > 1)}").format(n=n)
            for word, n in zip(("cell", "test"), (row[s]["failed"] for s in SUITES), strict=True)
            if n
        ]
        lines.append("- " + say("{run}: {what}").format(run=run, what=comma.join(counts)))
        names += [f"<p>{run}</p>", "<ul>"]
        for name in (name for suite in SUITES for name in row[suite]["failures"]):
            broken = escape(name, quote=False).replace("_", "_<wbr>")  # a line may end there
            names.append(f"<li><code>{broken}</code></li>")
        names.append("</ul>")
    folded = f"<details><summary>{say('Their names')}</summary>"
    return [*lines, "", folded, *names, "</details>"]


def main(argv=None):
    rows, missing = [], []
    for name in argv or []:
        try:
            rows += json.loads(Path(name).read_text(encoding="utf-8"))["rows"]
        except (OSError, ValueError):
            missing.append(name)
    if rows:
        date = max(row["date"] for row in rows)
        data = {"provenance": {"command": "tools/portable.py", "date": date}, "rows": rows}
        print(rendered(data), end="")
    for name in missing:
        print(f"\n{name}: no result; the set-up failed, or the run did not come to its end.")
    return int(bool(missing) or any(row[suite]["failed"] for row in rows for suite in SUITES))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
