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


@contextmanager
def a_page(browser, address, width=1280, theme="light", **options):
    """-> Watched, closed at the end of the with block."""
    size = {"width": width, "height": WIDTHS.get(width, 900)}
    context = browser.new_context(viewport=size, color_scheme=theme, **options)
    context.add_init_script(
        f"try {{ localStorage.mode = localStorage.theme = '{theme}' }} catch {{}}"
    )
    try:
        yield Watched(context.new_page(), address)
    finally:
        context.close()
