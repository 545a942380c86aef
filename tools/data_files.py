"""What a file in book/data must look like: its JSON schema, and what the schema cannot say.

python tools/data_files.py [PATH ...]     says what is wrong with these files, or with all
"""

import json
import sys
from pathlib import Path

from jsonschema import Draft202012Validator

from nonlocal_tut.memory import evidence

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "book" / "data"
SCHEMAS = ROOT / "book" / "data" / "schemas"


def kind_of(name):
    """Which schema a file's name asks for: its own, or that of its kind: "gpu_x.json" -> "gpu"."""
    own = (SCHEMAS / name).is_file()
    return name.removesuffix(".json") if own else name.removesuffix(".json").split("_")[0]


def schema(kind):
    return json.loads((SCHEMAS / f"{kind}.json").read_text(encoding="utf-8"))


def problems(name, data):
    """What is wrong with a file's data, in words; its name says what it is."""
    kind = kind_of(name)
    if not (SCHEMAS / f"{kind}.json").is_file():
        return [f"{name}: no schema for {kind!r} in {SCHEMAS.relative_to(ROOT)}"]
    errors = Draft202012Validator(schema(kind)).iter_errors(data)
    found = [f"{name}: {error.json_path}: {error.message[:200]}" for error in errors]
    return found or (_recomputed(name, data) if kind == "gpu" else [])


def _recomputed(name, data):
    """A GPU's figures and summary must be those that its readings come to."""
    found = []
    for number, row in enumerate(data["bytes"]):
        figures = evidence.figures(row["readings"][0])
        if row["measured_bytes"] != figures:
            found.append(f"{name}: $.bytes[{number}]: its readings come to {figures}")
    if data["summary"] != evidence.summary(data["bytes"]):
        found.append(f"{name}: $.summary: its rows come to {evidence.summary(data['bytes'])}")
    return found


def main(argv=None):
    paths = [Path(p) for p in argv or []] or sorted(DATA.glob("*.json"))
    found = []
    for path in paths:
        found += problems(path.name, json.loads(path.read_text(encoding="utf-8")))
    print(*found or [f"{len(paths)} files are in order."], sep="\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
