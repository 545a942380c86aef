"""Both editions of the book, side by side: _build/html, and the Chinese one in _build/html/zh.

A warning of either fails the build.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from chinese_site import SOURCE, write_sources
from repository import ROOT

SITE = ROOT / "_build" / "html"
BUILD = ["jupyter-book", "build", "-W", "-n", "--keep-going", "--quiet"]


def main():
    write_sources()
    command = [str(Path(sys.executable).parent / BUILD[0]), *BUILD[1:]]
    builds = [subprocess.Popen([*command, str(source)], cwd=ROOT) for source in (ROOT, SOURCE)]
    failed = [build.args[-1] for build in builds if build.wait()]
    if failed:
        print("The book was not built:", *failed, file=sys.stderr)
        return 1
    shutil.rmtree(SITE / "zh", ignore_errors=True)
    shutil.copytree(SOURCE / "_build" / "html", SITE / "zh")
    return 0


if __name__ == "__main__":
    sys.exit(main())
