"""Where the built site lies, what opens it, and at which sizes."""

import itertools
import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
REQUIRED = os.environ.get("REQUIRE_BROWSER") == "1"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next((path for path in map(shutil.which, NAMES) if path), None)
FLAGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # there is no other host
]
WIDTHS = {390: 844, 820: 1180, 1280: 900, 1920: 1080}
PAGES = sorted(
    path.relative_to(SITE).as_posix()
    for path in [*SITE.glob("book/*.html"), SITE / "search.html"]
    if path.is_file()
)
BOOK = [name for name in PAGES if name != "search.html"]


def each_page(*themes, pages=PAGES, pairs=itertools.product):
    """Each page of the site in these themes, opened once for all tests that ask for it.

    With `pairs=in_turn` a pull request has each in one theme.
    """
    wanted = pairs(pages, themes)
    opened = []
    for place in wanted:
        name = f"{Path(place[0]).stem}-{place[1]}"
        opened.append(pytest.param(place, id=name, marks=pytest.mark.xdist_group(name)))
    return pytest.mark.parametrize("opened", opened, indirect=True, scope="session")
