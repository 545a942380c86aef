"""What ran where: book/data/tested_on.json, and the table that a page has of it.

python tools/tested_on.py FILE ...     what these files say, as Markdown; fails where a test did
"""

import json
import sys
from html import escape
from pathlib import Path

FILE = Path(__file__).resolve().parent.parent / "book" / "data" / "tested_on.json"
SUITES = ("notebooks", "tests")


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


def named(row):
    """A run, as its failures name it."""
    return f"torch {row['torch'].split('+')[0]}, {row['machine']}"


def rendered(data):
    """The table, in Markdown, narrow enough for a phone; below it how each ran, and what failed."""
    lines = ["| run | torch, Python | cells of pages | unit tests |", "|---" * 4 + "|"]
    machines, packages = {}, {}
    for row in data["rows"]:
        torch, python, machine = same(row)
        counts = " | ".join(share(row[suite]).replace(" of ", "/") for suite in SUITES)
        lines.append(f"| {machine} | {torch.split('+')[0]}, {python} | {counts} |")
        machines[f"- {machine}: {row['told']}"] = None
        had = ", ".join(f"{name} {row[name]}" for name in ("torch", "numpy", "matplotlib"))
        packages.setdefault(f"Python {row['python']}, {had}", []).append(machine)
    lines += ["", *machines, "", "Installed were:", ""]
    lines += [f"- {', '.join(runs)}: {had}" for had, runs in packages.items()]
    lines += failures([row for row in data["rows"] if any(row[s]["failed"] for s in SUITES)])
    places = sorted({f"{row['processor']} ({row['system']})" for row in data["rows"]})
    minutes = sorted(round(sum(row[s]["minutes"] for s in SUITES)) for row in data["rows"])
    took = " to ".join(f"{m}" for m in dict.fromkeys((minutes[0], minutes[-1])))
    said = f"By `{data['provenance']['command']}`, last on {data['provenance']['date']}"
    lines += ["", f"{said}, on {' and '.join(places)}. A run takes {took} minutes."]
    return "\n".join(lines) + "\n"


def failures(rows):
    """How many a run; their names folded, in HTML, since in Markdown its quotes would be curled."""
    if not rows:
        return []
    lines, names = ["", "What failed:", ""], []
    for row in rows:
        counts = [
            f"{n} {word}{'s' * (n > 1)}"
            for word, n in zip(("cell", "test"), (row[s]["failed"] for s in SUITES), strict=True)
            if n
        ]
        lines.append(f"- {named(row)}: {', '.join(counts)}")
        names += [f"<p>{named(row)}</p>", "<ul>"]
        for name in (name for suite in SUITES for name in row[suite]["failures"]):
            broken = escape(name, quote=False).replace("_", "_<wbr>")  # a line may end there
            names.append(f"<li><code>{broken}</code></li>")
        names.append("</ul>")
    return [*lines, "", "<details><summary>Their names</summary>", *names, "</details>"]


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
