"""Everything that the book says of CUDA, checked on one GPU: `make gpu`.

    python tools/gpu.py [--parts module,bytes] [--pages] [--out DIR] [--commit SHA] [--force]

Five parts, each in its own process and with its own limit, eight minutes in all; one that fails
does not stop the next. What was found goes to book/data/gpu_<name>.json, with the allocator's
readings, and a table ends the run. It needs no network. Without a GPU it runs what it can, says
what it left out, and writes nothing.
"""

import argparse
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Timer

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # a machine lent for ten minutes has not installed it

from nonlocal_tut.memory import evidence  # noqa: E402

DATA = ROOT / "book" / "data"
LIMITS = {"module": 130, "kernels": 30, "bytes": 80, "times": 110, "pages": 120}  # seconds
WITHOUT_A_GPU = ("module", "kernels")  # and pages, where they are asked for


def command(part, out, *, cuda, commit):
    """What runs a part; its data go to the file `out`."""
    python, device = sys.executable, "cuda" if cuda else "cpu"
    workers = ["-n", "4", "--dist", "loadscope"] if importlib.util.find_spec("xdist") else []
    quiet = ["-q", "--no-header", "-p", "no:cacheprovider"]
    tests = [python, "-m", "pytest", *quiet]
    alone = ["-o", "addopts="]  # which ask for nbval
    return {
        "module": [*tests, *alone, "-m", "gpu", "--gpu-device", device, "tests/test_gpu_module.py"],
        "kernels": [python, "tools/gpu_kernels.py", str(out), "--device", device],
        "bytes": [
            python,
            "tools/gpu_bytes.py",
            str(out),
            *(["--commit", commit] if commit else []),
        ],
        "times": [python, "tools/gpu_times.py", str(out)],
        "pages": [*tests, "--nbval", *workers, "book"],
    }[part]


def run(part, arguments, limit):
    """Run one part, its lines printed as they come -> its row: result, seconds, last line."""
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    env = os.environ | {"PYTHONPATH": paths, "PYTHONUNBUFFERED": "1", "KINETO_LOG_LEVEL": "6"}
    start, lines = time.monotonic(), []
    group = {"start_new_session": True} if os.name == "posix" else {}
    options = {"cwd": ROOT, "env": env, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen(
        arguments, **options, **group, text=True, encoding="utf-8", errors="replace"
    )
    stopped = []

    def stop():
        stopped.append(True)
        if group:
            os.killpg(process.pid, signal.SIGKILL)  # the part's own children as well
        else:
            process.kill()

    timer = Timer(limit, stop)
    timer.start()
    try:
        for line in process.stdout:
            lines.append(line.rstrip())
            print(f"  {lines[-1]}", flush=True)
        code = process.wait()
    except KeyboardInterrupt:
        stop()
        raise
    finally:
        timer.cancel()
    result = "out of time" if stopped else "failed" if code else "passed"
    told = next((line for line in reversed(lines) if line.strip()), "")
    seconds = round(time.monotonic() - start, 1)
    return {"part": part, "result": result, "seconds": seconds, "limit": limit, "told": told[:200]}


def left_out(part, why):
    return {"part": part, "result": "left out", "seconds": 0, "limit": LIMITS[part], "told": why}


def gathered(folder, parts, commit):
    """All parts' data as the file's JSON; without the bytes part, its places are empty."""
    data = evidence.about(commit) | {
        "bytes": [],
        "did_not_fit": [],
        "summary": evidence.summary([]),
    }
    for part in ("bytes", "kernels", "times"):
        file = Path(folder) / f"{part}.json"
        try:
            data |= json.loads(file.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError):  # not run, or stopped in the middle of writing
            continue
    return data | {"parts": parts}


def table(parts):
    """The end of the run: a line a part."""
    rows = [f"{p['part']:8s} {p['result']:12s} {p['seconds']:6.1f} s  {p['told']}" for p in parts]
    return "\n".join([f"{'part':8s} {'result':12s} {'took':>8s}  its last line", *rows])


def main(argv=None):
    parser = argparse.ArgumentParser(description="Check on a GPU what the book says of CUDA.")
    parser.add_argument("--parts", default=",".join(LIMITS), help="which, in this order")
    parser.add_argument("--pages", action="store_true", help="the pages also without a GPU")
    parser.add_argument("--out", type=Path, default=DATA, help="the folder of the file")
    parser.add_argument("--commit", help="the module's, where git cannot tell it")
    parser.add_argument("--force", action="store_true", help="write over an existing file")
    args = parser.parse_args(argv)
    asked = [part for part in LIMITS if part in args.parts.split(",")]
    if set(args.parts.split(",")) - set(LIMITS):
        parser.error(f"--parts must be of {', '.join(LIMITS)}, not {args.parts}")
    cuda = torch.cuda.is_available()
    path = args.out / evidence.file_name(torch.cuda.get_device_name()) if cuda else None
    if cuda and path.exists() and not args.force:
        print(f"{path} exists; --force writes over it.", file=sys.stderr)
        return 1
    if not cuda:
        print("There is no GPU here that torch can use: tried out on the CPU, nothing written.")
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            for part in asked:
                if not cuda and part not in WITHOUT_A_GPU and not (part == "pages" and args.pages):
                    why = "--pages runs them on the CPU" if part == "pages" else "needs a GPU"
                    parts.append(left_out(part, why))
                    continue
                print(f"{part}, {LIMITS[part]} s at most", flush=True)
                out = Path(folder) / f"{part}.json"
                call = command(part, out, cuda=cuda, commit=args.commit)
                parts.append(run(part, call, LIMITS[part] if cuda else 10 * LIMITS[part]))
        except KeyboardInterrupt:
            print("Stopped. Nothing was written.", file=sys.stderr)
            return 130
        if cuda:
            text = evidence.as_json(gathered(folder, parts, args.commit))
            args.out.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    print(table(parts))
    if cuda:
        print(f"Written: {path}")
    return int(any(part["result"] in ("failed", "out of time") for part in parts))


if __name__ == "__main__":
    sys.exit(main())
