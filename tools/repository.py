"""The repository as git sees it, and copies of its working tree."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def git(*arguments: str, root: Path = ROOT) -> str:
    """What git prints, without the white space around it."""
    command = ["git", "-C", str(root), *arguments]
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(command, env=env, check=True, capture_output=True, encoding="utf-8")
    return done.stdout.strip()


def copy_tree(root: Path, folder: Path) -> None:
    """A repository's working tree into a folder, uncommitted files too, ignored ones aside."""
    for name in git("ls-files", "-co", "--exclude-standard", "-z", root=root).split("\0"):
        if name and (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name)
