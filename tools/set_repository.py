"""Write the address of the book's repository, and the tag of its version, wherever they are named.

python tools/set_repository.py [https://github.com/OWNER/NAME]

`_config.yml` holds the present address. It is replaced there and in every page, badge, set-up
cell and package file. Without an address it stays. `pyproject.toml` holds the version: what opens
a page on Colab and what installs the module ask for its tag, so that the two belong together for
as long as the tag is there. Nothing else in those files changes.
"""

import re
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
PLACEHOLDER = "https://github.com/your--account/non-local-tutorial"
# _config.yml is last: a run that was cut short can be repeated, for the old address is still known.
FILES = ("book/*.ipynb", "book/*.md", "README.md", "CITATION.cff", "pyproject.toml", "_config.yml")
# GitHub's rules: an owner has letters, digits and single hyphens inside; a name also . and _
OWNER = r"[A-Za-z0-9](?:-?[A-Za-z0-9]){0,38}"
NAME = r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}"


def parse(url):
    """Split an address into OWNER and NAME; `ValueError` when GitHub could not have it."""
    match = re.fullmatch(rf"https://github\.com/({OWNER})/({NAME})", _trimmed(url))
    if not match or len(match[1]) > 39:
        raise ValueError(
            "the address must look like https://github.com/OWNER/NAME, where OWNER has letters, "
            f"digits and single hyphens; got {url!r}"
        )
    return match[1], match[2]


def _trimmed(url):
    return url.strip().removesuffix("/").removesuffix(".git")


def present_address(root):
    """The address that `_config.yml` holds."""
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]


def tag(root):
    """The tag of the version that `pyproject.toml` holds: v0.1.0."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    return f"v{tomllib.loads(text)['project']['version']}"


def spellings(address):
    """How the book writes an address: the repository, a notebook on Colab, the rendered site."""
    owner, name = address.split("/")[-2:]
    return (
        f"github.com/{owner}/{name}",
        f"colab.research.google.com/github/{owner}/{name}",
        f"{owner}.github.io/{name}",
    )


def book_files(root):
    """The files that may hold the address, `_config.yml` last."""
    return [path for pattern in FILES for path in sorted(root.glob(pattern))]


def set_repository(url, root):
    """Write `url`, or no new address for None, and the version's tag into the files below `root`.

    Returns {file: places} where something changed.
    """
    old = present_address(root)
    new = old if url is None else "https://github.com/" + "/".join(parse(url))
    at, changes = tag(root), []
    for before, after in zip(spellings(old), spellings(new), strict=True):
        # A longer name that starts with this one, non-local-tutorial-2, is another repository.
        changes.append((rf"(?<![\w.-]){re.escape(before)}(?=\.git\b|(?!\.?[\w-]))", after))
    home, colab, _ = map(re.escape, spellings(new))
    changes.append((rf"(?<=git\+https://){home}(@[\w.-]+|(?![\w.-]))", f"{spellings(new)[0]}@{at}"))
    changes.append((rf"(?<![\w.-]){colab}/blob/[\w.-]+", f"{spellings(new)[1]}/blob/{at}"))
    texts, changed = {}, {}
    for path in book_files(root):
        text, places = path.read_bytes().decode("utf-8"), 0
        for pattern, after in changes:
            places += sum(found[0] != after for found in re.finditer(pattern, text))
            text = re.sub(pattern, after, text)
        if places:
            texts[path], changed[path.relative_to(root)] = text, places
    for path, text in texts.items():
        path.write_bytes(text.encode("utf-8"))
    return changed


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    if len(argv) > 1:
        print("usage: python tools/set_repository.py [https://github.com/OWNER/NAME]")
        return 2
    try:
        changed = set_repository(argv[0] if argv else None, ROOT)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    for path, places in changed.items():
        print(f"{path}: {places} place{'s' * (places != 1)}")
    if not changed:
        print(f"Every file has {present_address(ROOT)} and {tag(ROOT)} already.")
    print(f"On Colab the pages want the tag: git tag {tag(ROOT)}, then git push origin {tag(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
