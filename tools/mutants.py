"""Break the module on purpose, a change at a time, and see who notices.

    python tools/mutants.py [ROOM ...]                    40 mutants of each room, or of those named
    python tools/mutants.py --sample 100 shapes           100 of them; all: every one
    python tools/mutants.py --judge pages --sample 10     the book's pages judge, not the tests
    python tools/mutants.py --sample 0                    judges nothing, writes the report anew

Verdicts gather in tests/mutants_judged.txt, and one that is there is not asked for again: stop at
any time and go on later. A survivor without a reason is judged again when the tests have changed, a
mutant whose function or class has changed is another one. The sample of 10 is part of that of 40.
The report goes to book/data/mutants.json; why a survivor may live stands in
tests/mutants_accepted.toml. Start the file of verdicts anew from time to time: a test that is gone
does not bring back what it once killed.
"""

import argparse
import datetime
import hashlib
import importlib.metadata
import json
import platform
import sys
import time
import tomllib

from repository import ROOT, git

VERDICTS = ROOT / "tests" / "mutants_judged.txt"
ACCEPTED = ROOT / "tests" / "mutants_accepted.toml"
REPORT = ROOT / "book" / "data" / "mutants.json"
SAMPLE = 40
ENDS = {"killed": "killed", "timed out": "timed_out", "survived": "survived"}

# Where a room's code is, in nonlocal_tut, and the tests that answer for it.
ROOMS = {
    "pairwise": ("pairwise", "pairwise backends small blocks"),
    "blocks": ("blocks.py layers.py", "blocks small ways"),
    "receptive_field": ("receptive_field", "receptive_field strides"),
    "memory": (
        "memory",
        "memory_allocator memory_autocast memory_cuda memory_errors memory_exact memory_hidden "
        "memory_report memory_runs calculator gpu_tool",
    ),
    "shapes": ("shapes", "shapes multiply_adds"),
    "cousins": ("cousins", "cousins alike bad_input"),
    "insert": ("insert", "insert"),
    "attention_maps": ("attention_maps.py", "attention_maps"),
    "parallel": ("parallel", "parallel"),
    "convert": ("convert", "convert"),
    "check": ("check", "check"),
    "tasks": ("tasks", "tasks matched moving stereo"),
    "words": ("words", "translation"),
}


def sources(room):
    """The files of a room, from the root of the repository."""
    places = [ROOT / "nonlocal_tut" / name for name in ROOMS[room][0].split()]
    found = [p for place in places for p in ([place] if place.suffix else place.rglob("*.py"))]
    return sorted(str(path.relative_to(ROOT)) for path in found)


def judges(judge, room):
    """The files that judge a room's mutants."""
    if judge == "pages":
        return sorted(str(p.relative_to(ROOT)) for p in (ROOT / "book").glob("*.ipynb"))
    return [f"tests/test_{name}.py" for name in ROOMS[room][1].split()]


def made(room):
    """All mutants of a room, in the order in which a sample takes them: by lot, but always so."""
    from mutants_made import mutants

    found = [m for path in sources(room) for m in mutants(path, (ROOT / path).read_text("utf-8"))]
    return sorted(found, key=lambda mutant: hashlib.sha256(mutant.id.encode()).digest())


def stamp(files):
    """Tells one state of the judges from another."""
    return hashlib.sha256(b"".join((ROOT / file).read_bytes() for file in files)).hexdigest()[:8]


def verdicts():
    """{(judge, id): (end, the judges' stamp)}: the newest line of each mutant."""
    lines = VERDICTS.read_text(encoding="utf-8").splitlines() if VERDICTS.exists() else []
    rows = [line.split(maxsplit=3) for line in lines]
    return {(judge, id): (end, stamp) for judge, id, stamp, end in rows}


def accepted():
    """{(path, line before, line after): why it may live}."""
    rows = tomllib.loads(ACCEPTED.read_text(encoding="utf-8")).get("mutant", [])
    return {(row["file"], row["was"], row["becomes"]): row["why"] for row in rows}


def run(judge, room, sample):
    """Judge what of the sample has no verdict yet."""
    from mutants_judged import Copy

    files, known, reasons = judges(judge, room), verdicts(), accepted()
    now, start, counted = stamp(files), time.monotonic(), 0
    with Copy() as copy:
        for mutant in made(room):
            if counted == sample:
                break
            end, then = known.get((judge, mutant.id), (None, None))
            again = (
                end == "survived" and then != now and (mutant.path, *mutant.change) not in reasons
            )
            if end is None or again:
                end, seconds = copy.judge(mutant, files)
                with VERDICTS.open("a", encoding="utf-8") as file:
                    file.write(f"{judge} {mutant.id} {now} {end}\n")
                was, becomes = mutant.change
                print(
                    f"{room} {counted + 1}: {end}, {seconds:.1f} s, {mutant.path}:{mutant.line}",
                    flush=True,
                )
                if end == "survived":
                    print(f"    - {was}\n    + {becomes}", flush=True)
            counted += end != "not run"
    print(f"{room}: {counted} judged by the {judge}, {time.monotonic() - start:.0f} s", flush=True)


def told(judge, mutants, known, reasons):
    """One judge's part of the report of a room."""
    ends = [known.get((judge, mutant.id), (None,))[0] for mutant in mutants]
    counts = {name: ends.count(end) for end, name in ENDS.items()}
    survivors = []
    for mutant, end in zip(mutants, ends, strict=True):
        if end == "survived":
            was, becomes = mutant.change
            why = reasons.get((mutant.path, was, becomes))
            at = f"{mutant.path}:{mutant.line}"
            survivors.append({"at": at, "was": was, "becomes": becomes, "why": why})
    survivors.sort(key=lambda row: (row["at"].split(":")[0], int(row["at"].split(":")[1])))
    return {"run": sum(counts.values()), **counts, "survivors": survivors}


def report():
    """What book/data/mutants.json says."""
    known, reasons = verdicts(), accepted()
    rooms = {}
    for room in ROOMS:
        mutants = made(room)
        rooms[room] = {"mutants": len(mutants)}
        for judge in ("tests", "pages"):
            rooms[room][judge] = told(judge, mutants, known, reasons)
    packages = ("mutmut", "libcst", "pytest", "hypothesis", "nbval", "torch")
    provenance = {
        "command": "make mutants",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": git("log", "-1", "--format=%H", "--", "nonlocal_tut"),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in packages},
    }
    return {"provenance": provenance, "rooms": rooms}


def share(part):
    """Of the mutants that were run, how many were noticed: percent, or None."""
    return 100 * (part["killed"] + part["timed_out"]) / part["run"] if part["run"] else None


def main(argv=None):
    parser = argparse.ArgumentParser(description="Break the module and see who notices.")
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=f"of {', '.join(ROOMS)}; else all")
    parser.add_argument("--judge", choices=("tests", "pages"), default="tests")
    parser.add_argument("--sample", default=str(SAMPLE), help="mutants of each room, or all")
    args = parser.parse_args(argv)
    if unknown := {*args.rooms} - {*ROOMS}:
        parser.error(f"no room is called {', '.join(sorted(unknown))}")
    sample = None if args.sample == "all" else int(args.sample)
    for room in args.rooms or ROOMS:
        if sample != 0:
            run(args.judge, room, sample)
    if git("status", "--porcelain", "--", "nonlocal_tut"):
        print("No report: nonlocal_tut/ has changes that are not committed.", file=sys.stderr)
        return 1
    data = report()
    for room, said in data["rooms"].items():
        shares = [share(said[judge]) for judge in ("tests", "pages")]
        unit, pages = ["-" if s is None else f"{s:.0f} %" for s in shares]
        open_ = [row for row in said["tests"]["survivors"] if row["why"] is None]
        print(
            f"{room}: {said['mutants']} mutants; {unit} of {said['tests']['run']} by the tests, "
            f"{len(open_)} survive without a reason; {pages} of {said['pages']['run']} by the pages"
        )
    REPORT.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
