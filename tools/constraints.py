"""Write constraints.txt: the versions of all that the packages in requirements.txt need.

    .venv/bin/python tools/constraints.py

To be run after a pin in requirements.txt was changed and `make` has installed it.
"""

import re
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
HEAD = """\
# What the packages of requirements.txt need, as `tools/constraints.py` found it: `make` takes these
# versions and no newer ones. torch's own CUDA packages are not here, since torch pins them itself.
# There are no hashes: pip wants one for every file or for none, and torch's builds for CPUs come
# from another index than those for CUDA, with other hashes for each system.
"""
CUDA = re.compile(r"(nvidia|cuda)-|triton$")


def named(file):
    """{name: specifier} of a file of requirements."""
    lines = file.read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonical(need.name): str(need.specifier) for need in found}


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(names):
    """{name: version here} of these packages and all that they ask for, in this environment."""
    found, waiting = {}, list(names)
    while waiting:
        name = canonical(waiting.pop())
        if name in found or CUDA.match(name):
            continue
        about = metadata.distribution(name)
        found[name] = about.version
        for line in about.requires or ():
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                waiting.append(need.name)
    return found


def main():
    wanted = named(ROOT / "requirements.txt")
    loose = {name for name, said in wanted.items() if not said.startswith("==")}
    found = needed(wanted)
    lines = [
        f"{name}=={found[name]}" for name in sorted(found) if name not in wanted.keys() - loose
    ]
    (ROOT / "constraints.txt").write_text("\n".join([HEAD.rstrip(), *lines, ""]), encoding="utf-8")
    print(f"constraints.txt: {len(lines)} packages")


if __name__ == "__main__":
    sys.exit(main())
