"""The pages and the unit tests on other machines: rows for book/data/tested_on.json.

    python tools/portable.py [NAME ...]           on all of MACHINES, or on some, with this Python
    python tools/portable.py --python PATH ...    with another one, that has its own packages

Each runs in its own process, in a copy of the working tree, and may take an hour. A row stands for
one machine, Python and torch; run again, it replaces itself. `make portable` runs all of them.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import tested_on
from repository import ROOT, copy_tree
from tested_on import SUITES

SECONDS = 3600
# The tests that say nothing about a machine, or what the pages say already, in half the minutes.
LEFT_OUT = ("colab", "foreign", "gpu_tool", "make", "networks", "packaging", "peers", "portable")
LEFT_OUT += ("supply_chain", "ways", "ways_table")
VERSIONS = """\
import json, matplotlib, numpy, platform, torch
print(json.dumps({"python": platform.python_version(), "torch": torch.__version__,
    "numpy": numpy.__version__, "matplotlib": matplotlib.__version__,
    "capability": torch.backends.cpu.get_cpu_capability(), "threads": torch.get_num_threads()}))"""
# A network with nothing in it but loopback, over which a kernel is spoken to.
ALONE = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"]


@dataclass(frozen=True)
class Machine:
    """How a machine differs from the maintainers'; `told` says it on the page."""

    told: str
    env: Mapping[str, str] = field(default_factory=dict)
    folder: str = "book"
    umask: int = 0o022
    network: bool = True


MACHINES = {
    "plain": Machine("one thread", {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}),
    "avx2": Machine(
        "two threads, no AVX-512, LC_ALL=C, another time zone and hash seed",
        {
            "ATEN_CPU_CAPABILITY": "avx2",
            "ONEDNN_MAX_CPU_ISA": "AVX2",
            "MKL_ENABLE_INSTRUCTIONS": "AVX2",
            "OMP_NUM_THREADS": "2",
            "PYTHONHASHSEED": "1",
            "LC_ALL": "C",
            "TZ": "Asia/Kathmandu",
        },
    ),
    "default": Machine(
        "four threads, no vector instructions but SSE, a Chinese locale in GBK, another hash seed",
        {
            "ATEN_CPU_CAPABILITY": "default",
            "ONEDNN_MAX_CPU_ISA": "SSE41",
            "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
            "OMP_NUM_THREADS": "4",
            "OMP_WAIT_POLICY": "passive",  # on two cores they would wait for each other in a spin
            "PYTHONHASHSEED": "2",
            "LC_ALL": "zh_CN.GBK",
        },
    ),
    "stranger": Machine(
        "no network, a home that cannot be written, umask 077, a path with spaces and accents, "
        "another hash seed",
        {"HOME": "/dev/null", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "3"},
        folder="mes études, là-bas",
        umask=0o077,
        network=False,
    ),
}


def surroundings(machine, scratch):
    """The environment of a process on that machine."""
    dropped = ("ATEN_", "LC_", "LANG", "MPL", "OMP_", "PYTHON", "PYTEST_", "XDG_", "GIT_", "TZ")
    env = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    if machine.env.get("LC_ALL", "C") != "C":
        language, charset = machine.env["LC_ALL"].split(".")
        where = scratch / "locales"
        where.mkdir(exist_ok=True)
        made = ["localedef", "-i", language, "-f", charset, str(where / machine.env["LC_ALL"])]
        subprocess.run(made, check=True)
        env["LOCPATH"] = str(where)
    return env | machine.env


def counted(junit):
    """passed, failed, skipped and the names of what failed, from pytest's own report."""
    cases = list(ElementTree.parse(junit).iter("testcase"))
    bad = [c for c in cases if c.find("failure") is not None or c.find("error") is not None]
    skipped = sum(c.find("skipped") is not None for c in cases)
    names = [f"{case.get('classname')}: {case.get('name')}" for case in bad]
    return {
        "passed": len(cases) - len(bad) - skipped,
        "failed": len(bad),
        "skipped": skipped,
        "failures": names,
    }


def run(python, machine, suite, folder, env):
    """One suite, "notebooks" or "tests", in a copy of the tree -> what came out, and minutes."""
    junit, start = folder.parent / f"{suite}.xml", time.monotonic()
    options = ["-q", "-p", "no:cacheprovider", f"--junitxml={junit}"]
    if suite == "notebooks":
        options += ["--nbval", "book"]
    else:
        options += ["tests", *(f"--ignore=tests/test_{name}.py" for name in LEFT_OUT)]
    command = [*([] if machine.network else ALONE), str(python), "-m", "pytest", *options]
    own = {"umask": machine.umask, "start_new_session": True}
    with subprocess.Popen(command, cwd=folder, env=env, **own) as process:
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # it, and the kernels that it started
    try:
        found = counted(junit)
    except (OSError, ElementTree.ParseError) as error:
        words = f"no report after {SECONDS} seconds at most: {type(error).__name__}"
        found = {"passed": 0, "failed": 1, "skipped": 0, "failures": [words]}
    return found | {"minutes": round((time.monotonic() - start) / 60, 1)}


def tried(name, python):
    """A row: one machine with one Python and its packages."""
    machine = MACHINES[name]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / machine.folder
        copy_tree(ROOT, folder)
        env = surroundings(machine, Path(scratch))
        asked = [str(python), "-c", VERSIONS]
        row = {"machine": name, "told": machine.told, "date": f"{datetime.now(UTC):%Y-%m-%d}"}
        row |= json.loads(subprocess.check_output(asked, env=env, cwd=folder)) | {
            "system": f"{platform.system()} {platform.machine()}",
            "processor": processor(),
        }
        for suite in SUITES:
            print(f"{name}, Python {row['python']}, torch {row['torch']}: {suite}", flush=True)
            row[suite] = run(python, machine, suite, folder, env)
    return row


def processor():
    sys.path.insert(0, str(ROOT))
    from bench import machine

    return machine.processor()


def main(argv=None):
    parser = argparse.ArgumentParser(description="The pages and the tests on other machines.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MACHINES)}")
    parser.add_argument("--python", type=Path, default=Path(sys.executable))
    parser.add_argument("--into", type=Path, default=tested_on.FILE, help="another file")
    args = parser.parse_args(argv)
    if unknown := set(args.names) - set(MACHINES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    rows = []
    for name in args.names or MACHINES:
        rows.append(tried(name, args.python.absolute()))
        tested_on.write(rows[-1], args.into)
        print("; ".join(f"{s}: {tested_on.share(rows[-1][s])}" for s in SUITES), flush=True)
    return int(any(row[suite]["failed"] for row in rows for suite in SUITES))


if __name__ == "__main__":
    sys.exit(main())
