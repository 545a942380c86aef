"""Print requirements.txt with other releases than its own, to be tried in an environment apart.

    python tools/releases.py oldest | colab | newest  > other.txt
    python -m pip install -r other.txt

"oldest" has the first torch that the module takes, "colab" what Colab has, as far as the pages
notice, and "newest" whatever the index has. `.github/workflows/releases.yml` does so every week.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OTHER = {
    "oldest": {"torch": "==2.6.0"},
    "colab": {  # its list of 2026-08-19
        "torch": "==2.11.0",
        "setuptools": "<82",  # this torch wants it
        "numpy": "==2.1.3",
        "matplotlib": "==3.10.0",
        "ipython": "==7.34.0",
        "ipykernel": "==6.17.1",
    },
}


def requirements(name):
    """The lines of requirements.txt, with those releases; ValueError for another name."""
    if name != "newest" and name not in OTHER:
        raise ValueError(f"{name!r} is none of {', '.join([*OTHER, 'newest'])}")
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    if name == "newest":
        return [re.sub(r"==.*", "", line) for line in lines]  # jupyter-book 2 is another program
    own = [line for line in lines if line.split("==")[0] not in OTHER[name]]
    return own + [package + versions for package, versions in OTHER[name].items()]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print("\n".join(requirements(sys.argv[1])))
