"""Every page, at four widths, light and dark: no error, nothing foreign, nothing cut."""

import gzip

import pytest
from axe_playwright_python.sync_playwright import Axe
from built_site import PAGES, SITE, WIDTHS

PAGE_LIMIT, SITE_LIMIT = 600_000, 12_000_000  # bytes: compressed, on a cold cache; on disk
SHIFT_LIMIT = 0.05
TEXT_LIMIT = 11  # CSS pixels

each_page = pytest.mark.parametrize("name", PAGES)
each_theme = pytest.mark.parametrize("theme", ["light", "dark"])

# What a reader loses to the right: boxes whose content is wider than they are, with no scroll bar
# of their own that a table may have; and the page itself.
CUT = """() => {
  const scrolls = (box) => ["auto", "scroll"].includes(getComputedStyle(box).overflowX)
    && !box.matches("pre");
  const found = [], root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) found.push(`the page: ${root.scrollWidth} px`);
  for (const box of document.querySelectorAll("article pre, article p, article li, article figure"))
    if (box.scrollWidth > box.clientWidth + 1 && box.checkVisibility() && !scrolls(box))
      found.push(`${box.scrollWidth - box.clientWidth} px: ${box.textContent.trim().slice(0, 60)}`);
  return found;
}"""

# Two frames later a page has taken its new size.
LAID_OUT = """() => new Promise((done) =>
  requestAnimationFrame(() => requestAnimationFrame(done)))"""

SMALL_TEXT = """(least) => {
  const found = [];
  for (const text of document.querySelectorAll("article svg text")) {
    if (!text.textContent.trim() || !text.getClientRects().length) continue;
    const matrix = text.getScreenCTM();
    const scale = Math.hypot(matrix.b, matrix.d);
    const size = parseFloat(getComputedStyle(text).fontSize) * scale;
    if (size < least - 0.05) found.push(`${size.toFixed(1)} px: ${text.textContent.trim()}`);
  }
  return found;
}"""

SHIFT = """() => new Promise((done) => {
  let sum = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) sum += entry.value;
  }).observe({type: "layout-shift", buffered: true});
  setTimeout(() => done(sum), 300);
})"""


@each_page
@each_theme
def test_it_is_whole_at_every_width(name, theme, visit):
    with visit(1280, theme) as watched:
        page, found = watched.open(name), []
        assert page.evaluate(SHIFT) < SHIFT_LIMIT
        unset = page.locator(".math:not(:has(mjx-container))").count()
        assert unset == 0, f"{unset} formulas are not typeset"
        for width, height in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": height})
            page.evaluate(LAID_OUT)
            found += [f"at {width}: {what}" for what in page.evaluate(CUT)]
            found += [f"at {width}: {t}" for t in page.evaluate(SMALL_TEXT, TEXT_LIMIT)]
        assert found == []
        assert (watched.errors, watched.foreign, watched.failed) == ([], [], [])


@each_page
@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_axe_finds_nothing(name, width, theme, visit):
    with visit(width, theme) as watched:
        page = watched.open(name)
        broken = Axe().run(page).response["violations"]
        assert [(v["id"], v["nodes"][0]["target"], len(v["nodes"])) for v in broken] == []


@each_page
def test_it_is_light(name, visit):
    with visit() as watched:
        watched.open(name)
        sizes = {}
        for response in watched.loaded:
            body = response.body()
            packed = response.url.endswith((".png", ".woff", ".woff2", ".jpg"))
            sizes[response.url] = len(body if packed else gzip.compress(body))
        heaviest = sorted(sizes.items(), key=lambda item: -item[1])[:5]
        assert sum(sizes.values()) <= PAGE_LIMIT, heaviest


def test_the_site_is_small():
    size = sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file())
    assert size <= SITE_LIMIT
