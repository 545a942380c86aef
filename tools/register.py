"""Write the predictions for GPUs down, in book/data/registered.json, before anybody measures.

    python tools/register.py --why "the reason"     adds an entry with what is new or has moved
    python tools/register.py --check                writes nothing, says what has moved

What is written stays. An entry names the module's commit, so what it predicts from must be
committed: the tool refuses changes in nonlocal_tut/ that are not.
"""

import argparse
import datetime
import json
import sys

from repository import ROOT, git

from nonlocal_tut.memory import registered

FILE = ROOT / "book" / "data" / "registered.json"
ABOUT = (
    "Bytes and kernels predicted for GPUs by nonlocal_tut.memory.predict. The newest entry that "
    "has a row for a GPU and case holds. Bytes are those beside weights, input and incoming "
    "gradient: requested_bytes at the peak, peak_bytes in the caching allocator's blocks, "
    "saved_bytes kept between the passes. kernel null: products alone, no fused kernel."
)


def moved(before: dict, rows: list[dict]) -> list[dict]:
    """Those of the rows that say something else than `before`, for the GPUs where they do."""
    known = registered.current(before)
    found = []
    for row in rows:
        now = registered.by_case([row])
        gpus = [gpu for (gpu, case), said in now.items() if known.get((gpu, case)) != said]
        if gpus:
            found.append(row | {"gpus": gpus})
    return found


def entry(why: str, rows: list[dict], commit: str) -> dict:
    """What is added to the file."""
    gpu = registered.GPUS["H100"]
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    assumes = {"torch": gpu.torch, "cudnn": gpu.cudnn, "allocator": "torch's own, its defaults"}
    return {"date": today, "commit": commit, "why": why, "assumes": assumes, "rows": rows}


def as_json(data: dict) -> str:
    """A line a row, so that a difference can be read."""
    entries = []
    for one in data["entries"]:
        head = {name: value for name, value in one.items() if name != "rows"}
        lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in one["rows"])
        entries.append(f'{json.dumps(head, ensure_ascii=False)[:-1]}, "rows": [\n{lines}\n]}}')
    about = json.dumps(data["about"], ensure_ascii=False)
    return f'{{"about": {about},\n"entries": [\n' + ",\n".join(entries) + "\n]}\n"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Register predictions for GPUs.")
    parser.add_argument("--why", help="the reason for the new entry")
    parser.add_argument("--check", action="store_true", help="write nothing")
    args = parser.parse_args(argv)
    if args.check == bool(args.why):
        parser.error("give either --why or --check")
    data = {"about": ABOUT, "entries": []}
    if FILE.exists():
        data = json.loads(FILE.read_text(encoding="utf-8"))
    rows = moved(data, registered.rows())
    print(f"{len(rows)} rows are new or have moved.")
    if args.check or not rows:
        return int(bool(rows))
    if git("status", "--porcelain", "--", "nonlocal_tut"):
        print("nonlocal_tut/ has changes that are not committed; commit them.", file=sys.stderr)
        return 1
    commit = git("log", "-1", "--format=%H", "--", "nonlocal_tut")
    data["entries"].append(entry(args.why, rows, commit))
    FILE.write_text(as_json(data), encoding="utf-8")
    print(f"Written: book/data/{FILE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
