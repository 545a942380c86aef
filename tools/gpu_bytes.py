"""The bytes part of `tools/gpu.py`: the registered grid, predicted and measured.

python tools/gpu_bytes.py OUT.json [--commit SHA]
"""

import argparse
import gc
import sys
from pathlib import Path

from nonlocal_tut.memory import evidence
from nonlocal_tut.memory.registered import CLIPS, IMAGES, grid

REPEATS = 2


def main(argv=None, shapes=(*IMAGES, *CLIPS)):
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--commit")
    args = parser.parse_args(argv)
    gc.collect()
    gc.freeze()  # each measurement collects garbage; what was imported need not be looked at
    found = {}
    for shape in shapes:  # written after each, so that a run out of time leaves what it has
        cases, options = list(grid([shape])), {"repeats": REPEATS, "commit": args.commit}
        more = evidence.record(cases, **options, say=lambda told: None)
        listed = found.get("bytes", []) + more["bytes"]
        left_out = found.get("did_not_fit", []) + more["did_not_fit"]
        found = more | {"bytes": listed, "did_not_fit": left_out}
        found["summary"] = evidence.summary(listed)
        args.out.write_text(evidence.as_json(found), encoding="utf-8")
        print(f"{'×'.join(map(str, shape))}: {len(more['bytes'])} of {len(cases)}", flush=True)
    said = found["summary"]
    if not said["rows"]:
        print("Not one block fits on this GPU.")
        return 1
    print(f"{said['requested_equal']} of {said['rows']} requested the bytes predicted, exactly")
    print(f"allocated, furthest off: {said['worst_percent']:+.2f} %, {said['worst']}")
    equal = said["requested_equal"] == said["rows"]
    return int(not equal or abs(said["worst_percent"]) > evidence.GOAL)


if __name__ == "__main__":
    sys.exit(main())
