"""Every page, at four widths, light and dark: no error, nothing foreign, nothing cut, light."""

import gzip
from urllib.parse import unquote, urlsplit

from built_site import PAGES, SITE, WIDTHS, each_page
from every import in_turn

PAGE_LIMIT, SITE_LIMIT = 600_000, 12_000_000  # bytes: compressed, on a cold cache; on disk
SHIFT_LIMIT = 0.05
TEXT_LIMIT = 11  # CSS pixels

# What a reader loses to the right: boxes whose content is wider than they are, with no scroll bar
# of their own that a table may have, except on paper; and the page itself.
CUT = """(onPaper) => {
  const scrolls = (box) => ["auto", "scroll"].includes(getComputedStyle(box).overflowX)
    && !box.matches("pre") && !onPaper;
  const found = [], root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) found.push(`the page: ${root.scrollWidth} px`);
  const boxes = "pre, p, li, figure" + (onPaper ? ", div, table, dl, h1, h2, h3" : "");
  for (const box of document.querySelectorAll(`article :is(${boxes})`))
    if (box.scrollWidth > box.clientWidth + 1 && box.checkVisibility() && !scrolls(box))
      found.push(`${box.scrollWidth - box.clientWidth} px: ${box.textContent.trim().slice(0, 60)}`);
  return found;
}"""

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


@each_page("light", "dark", pairs=in_turn)
def test_it_is_whole_at_every_width(opened):
    page, found = opened.page, []
    assert opened.shift < SHIFT_LIMIT
    unset = page.locator(".math:not(:has(mjx-container))").count()
    assert unset == 0, f"{unset} formulas are not typeset"
    for width in WIDTHS:
        opened.resize(width)
        found += [f"at {width}: {what}" for what in page.evaluate(CUT, False)]
        found += [f"at {width}: {text}" for text in page.evaluate(SMALL_TEXT, TEXT_LIMIT)]
    assert found == []
    assert (opened.errors, opened.foreign, opened.failed) == ([], [], [])


@each_page("light")
def test_it_is_light(opened):
    sizes = {}
    for response in opened.loaded:  # as on a cold cache, although this reader's is warm
        file = SITE / unquote(urlsplit(response.url).path).lstrip("/")
        packed = file.suffix in (".png", ".woff", ".woff2", ".jpg")
        sizes[file] = len(file.read_bytes() if packed else gzip.compress(file.read_bytes()))
    heaviest = sorted(sizes.items(), key=lambda item: -item[1])[:5]
    assert sum(sizes.values()) <= PAGE_LIMIT, heaviest


def test_the_site_is_small():
    sizes = {True: 0, False: 0}  # of the Chinese edition, of the English one
    for path in SITE.rglob("*"):
        if path.is_file():
            sizes[path.relative_to(SITE).parts[0] == "zh"] += path.stat().st_size
    assert 0 < min(sizes.values()) and max(sizes.values()) <= SITE_LIMIT and len(PAGES) > 15


BROKEN_NAMES = """() => [
  ...document.querySelectorAll("dt.sig .sig-name, dt.sig .sig-param > .n:first-child")
].filter((name) => name.getClientRects().length > 1 && !name.textContent.includes(" "))
 .map((name) => name.textContent)"""


def test_a_signature_is_not_broken_within_a_name(visit):
    with visit(width=390) as watched:
        page = watched.open("book/api.html")
        assert page.locator("dt.sig .sig-name").count() > 20
        assert page.evaluate(BROKEN_NAMES) == []
