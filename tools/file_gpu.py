"""File what a reader's GPU measured: check the pasted JSON, and write it into book/data/.

    python tools/file_gpu.py issue.txt [--force]      an issue's text, or - for standard input

The text may have other things around the JSON. It is held against the schema, its figures are
computed again from its readings, and its file is named after its device. Nothing else of the text
goes anywhere.
"""

import argparse
import json
import sys
from pathlib import Path

import data_files

from nonlocal_tut.memory import evidence

DATA = data_files.DATA
MOST = 1_000_000  # characters; a whole file has a quarter of that


class NotAFile(Exception):
    """The text holds no measurement; the message says why."""


def block_in(text):
    """The first JSON object in a text. Raises NotAFile if there is none."""
    if len(text) > MOST:
        raise NotAFile(f"the text has {len(text):,d} characters; {MOST:,d} are the most")
    start = text.find("{")
    if start < 0:
        raise NotAFile("there is no { in the text, so no JSON")
    try:
        found, _ = json.JSONDecoder().raw_decode(text, start)
    except (json.JSONDecodeError, RecursionError) as error:
        raise NotAFile(f"what begins at the first {{ is no JSON: {error}") from error
    return found


def main(argv=None):
    parser = argparse.ArgumentParser(description="File what a reader's GPU measured.")
    parser.add_argument("text", help="a file with the issue's text; - for standard input")
    parser.add_argument("--force", action="store_true", help="write over an existing file")
    args = parser.parse_args(argv)
    text = sys.stdin.read() if args.text == "-" else Path(args.text).read_text(encoding="utf-8")
    try:
        data = block_in(text)
    except NotAFile as error:
        print(f"Not filed: {error}.", file=sys.stderr)
        return 1
    if found := data_files.problems("gpu_pasted.json", data):
        print("Not filed:", *found[:20], sep="\n", file=sys.stderr)
        return 1
    path = DATA / evidence.file_name(data["device"])
    if path.exists() and not args.force:
        print(f"Not filed: {path.name} exists; --force writes over it.", file=sys.stderr)
        return 1
    path.write_text(evidence.as_json(data), encoding="utf-8")
    print(f"Filed: book/data/{path.name}, {len(data['bytes'])} rows of {data['device']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
