"""The built site, served on this machine, in the system's Chromium.

Skipped where there is no Chromium or no site, with the reason; REQUIRE_BROWSER=1 makes that an
error. Nothing leaves the machine: a request to another host finds none, and is written down.
"""

from pathlib import Path

import pytest
from built_site import CHROMIUM, FLAGS, REQUIRED, SITE
from playwright.sync_api import sync_playwright
from watched import Tabs, served

SHIFT = """() => new Promise((done) => {
  let sum = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) sum += entry.value;
  }).observe({type: "layout-shift", buffered: true});
  setTimeout(() => done(sum), 300);
})"""


def missing():
    if not CHROMIUM:
        return "no Chromium here: apt-get install chromium, or your system's like"
    if not (SITE / "index.html").is_file():
        return "the book is not built: make book"
    return ""


def pytest_collection_modifyitems(items):
    if reason := missing():
        if REQUIRED:
            raise pytest.UsageError(f"REQUIRE_BROWSER=1, but {reason}")
        for item in items:
            if Path(item.path).parent == Path(__file__).parent:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def address():
    with served() as address:
        yield address


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


@pytest.fixture(scope="session")
def visit(browser, address):
    """visit(width, theme, **options) -> Watched, for the with block."""
    return Tabs(browser, address).visit


@pytest.fixture(scope="session")
def opened(visit, request):
    """(name, theme) -> Watched, open for all tests of this page, each of which sets its size.

    `shift` is the layout's while it was loaded.
    """
    name, theme = request.param
    with visit(theme=theme) as watched:
        watched.theme = theme
        watched.open(name)
        watched.shift = watched.page.evaluate(SHIFT)
        yield watched
