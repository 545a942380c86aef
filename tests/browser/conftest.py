"""The built site, served on this machine, in the system's Chromium.

Skipped where there is no Chromium or no site, with the reason; REQUIRE_BROWSER=1 makes that an
error. Nothing leaves the machine: a request to another host is stopped and written down.
"""

import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from built_site import CHROMIUM, FLAGS, REQUIRED, SITE, WIDTHS
from playwright.sync_api import sync_playwright


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


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, *_):
        """A page that is closed before it is whole is no error."""


@pytest.fixture(scope="session")
def address():
    server = Server(("127.0.0.1", 0), partial(Quiet, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


class Watched:
    """A page of the site, and what went wrong or over the wire while it was open."""

    def __init__(self, page, address):
        self.page, self.address = page, address
        self.errors, self.foreign, self.failed, self.loaded = [], [], [], []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda m: m.type == "error" and self.errors.append(m.text))
        page.on("requestfailed", lambda request: self.failed.append(request.url))
        page.on("response", self._answered)
        page.route(lambda url: not url.startswith((address, "data:", "blob:")), self._foreign)

    def _answered(self, response):
        self.loaded.append(response)
        if response.status >= 400:
            self.failed.append(f"{response.status} {response.url}")

    def _foreign(self, route):
        self.foreign.append(route.request.url)
        route.abort()

    def open(self, name):
        self.page.goto(self.address + name, wait_until="load")
        self.settle()
        return self.page

    def settle(self):
        """Until formulas are typeset and fonts are there."""
        self.page.evaluate(
            """async () => {
              if (window.MathJax?.startup?.promise) await MathJax.startup.promise;
              await document.fonts.ready;
              await new Promise((done) => setTimeout(done, 100));
            }"""
        )


@pytest.fixture
def visit(browser, address):
    """visit(width, theme, **options) -> Watched, closed at the end of the with block."""

    @contextmanager
    def opened(width=1280, theme="light", **options):
        size = {"width": width, "height": WIDTHS.get(width, 900)}
        context = browser.new_context(viewport=size, color_scheme=theme, **options)
        context.add_init_script(
            f"try {{ localStorage.mode = localStorage.theme = '{theme}' }} catch {{}}"
        )
        watched = Watched(context.new_page(), address)
        try:
            yield watched
        finally:
            context.close()

    return opened
