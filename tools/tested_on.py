"""What ran where: book/data/tested_on.json, and the table that a page has of it.

python tools/tested_on.py FILE ...     what these files say, as Markdown; fails where a test did
"""

import json
import sys
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


def rendered(data):
    """The table, in Markdown; below it what failed, by name, and where it ran."""
    lines = ["| with | and with | cells of pages | unit tests | minutes |", "|---" * 5 + "|"]
    failures = []
    for row in data["rows"]:
        packages = ", ".join(f"{name} {row[name]}" for name in ("torch", "numpy", "matplotlib"))
        cells = [f"Python {row['python']}, {packages}", row["told"]]
        cells += [share(row[suite]) for suite in SUITES]
        cells.append(f"{sum(row[suite]['minutes'] for suite in SUITES):.0f}")
        lines.append(f"| {' | '.join(cells)} |")
        for name in (name for suite in SUITES for name in row[suite]["failures"]):
            failures.append(f"- torch {row['torch']}, {row['machine']}: `{name}`")
    if failures:
        lines += ["", "What failed:", "", *failures]
    places = sorted({f"{row['processor']} ({row['system']})" for row in data["rows"]})
    said = data["provenance"]
    lines += ["", f"By `{said['command']}`, last on {said['date']}, on {' and '.join(places)}."]
    return "\n".join(lines) + "\n"


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
