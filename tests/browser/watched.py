"""A page of the site while it is open, and what goes wrong or over the wire meanwhile."""

import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from built_site import SITE, WIDTHS

# A page has taken its new size two frames later, and when nothing slides any more: at some widths
# the theme's sidebar moves in, a quarter of a second long. What never ends is not waited for.
LAID_OUT = """async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  await frame();
  await frame();
  const slid = document.getAnimations().map((moving) => moving.finished);
  await Promise.race([Promise.allSettled(slid), new Promise((done) => setTimeout(done, 1000))]);
}"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, *_):
        """A page that is closed before it is whole is no error."""


@contextmanager
def served():
    server = Server(("127.0.0.1", 0), partial(Quiet, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


class Watched:
    """A page of the site, and what went wrong or over the wire while it was open."""

    def __init__(self, page, address):
        self.page, self.address, self.size = page, address, page.viewport_size
        self.errors, self.foreign, self.failed, self.loaded = [], [], [], []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda m: m.type == "error" and self.errors.append(m.text))
        page.on("requestfailed", lambda request: self.failed.append(request.url))
        page.on("response", self._answered)
        page.on("request", self._asked)

    def _answered(self, response):
        self.loaded.append(response)
        if response.status >= 400:
            self.failed.append(f"{response.status} {response.url}")

    def _asked(self, request):
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.foreign.append(request.url)

    def leave(self):
        """As a new reader's tab, but that it has the site's scripts ready."""
        self.page.evaluate("localStorage.clear(); sessionStorage.clear()")
        self.page.goto("about:blank")
        self.page.set_viewport_size(self.size)
        for seen in (self.errors, self.foreign, self.failed, self.loaded):
            seen.clear()

    def open(self, name):
        self.page.goto(self.address + name, wait_until="load")
        self.settle()
        return self.page

    def resize(self, width, height=None):
        self.page.set_viewport_size({"width": width, "height": height or WIDTHS.get(width, 900)})
        self.page.evaluate(LAID_OUT)

    def settle(self):
        """Until formulas are typeset and fonts are there."""
        self.page.evaluate(
            """async () => {
              if (window.MathJax?.startup?.promise) await MathJax.startup.promise;
              await document.fonts.ready;
              await new Promise((done) => setTimeout(done, 100));
            }"""
        )


def a_tab(browser, address, width=1280, theme="light", **options):
    """-> Watched, of a reader with this size and theme, and a memory of its own."""
    size = {"width": width, "height": WIDTHS.get(width, 900)}
    context = browser.new_context(viewport=size, color_scheme=theme, **options)
    context.add_init_script(
        f"try {{ localStorage.mode = localStorage.theme = '{theme}' }} catch {{}}"
    )
    return Watched(context.new_page(), address)


class Tabs:
    """Tabs, kept for the next who asks: a second page takes a third of the first one's time."""

    def __init__(self, browser, address):
        self.browser, self.address, self.free = browser, address, {}

    @contextmanager
    def visit(self, width=1280, theme="light", **options):
        """-> Watched, nobody else's to the end of the with block."""
        kind = (width, theme, *sorted(options.items()))
        kept = self.free.setdefault(kind, [])
        watched = kept.pop() if kept else a_tab(self.browser, self.address, width, theme, **options)
        try:
            yield watched
        finally:
            watched.leave()
            kept.append(watched)
