"""Charts and schemes stand in the page: its theme is theirs, and their words can be taken along."""

from built_site import SITE, each_page

PAGES = sorted(
    path.relative_to(SITE).as_posix()
    for path in SITE.glob("book/*.html")
    if 'class="drawn"' in path.read_text(encoding="utf-8")
)
COLORS = """(drawn) => {
  const fill = (part) => getComputedStyle(part).fill;
  return [fill(drawn.querySelector("path, rect")), [...drawn.querySelectorAll("text")].map(fill)];
}"""
INK = {"light": "rgb(17, 17, 17)", "dark": "rgb(230, 233, 236)"}


def test_every_chapter_has_some():
    chapters = {page for page in PAGES if page.startswith("book/0")}
    assert len(chapters) == len(list(SITE.glob("book/0*.html")))


@each_page("light", "dark", pages=PAGES)
def test_paper_and_ink_are_the_pages(opened):
    opened.resize(390)
    page, inks = opened.page, set()
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    for drawn in page.locator("svg.drawn").all():
        paper, texts = drawn.evaluate(COLORS)
        assert paper == ground, "a figure lies on the page, not on a card"
        inks |= set(texts)
    assert INK[opened.theme] in inks


@each_page("light", pages=PAGES)
def test_it_is_read_aloud_and_its_words_can_be_selected(opened):
    page = opened.page
    for drawn in page.locator("svg.drawn").all():
        assert len(drawn.get_attribute("aria-label")) >= 40
        if (word := drawn.locator("text").first).count():
            word.evaluate("(text) => getSelection().selectAllChildren(text)")
            assert page.evaluate("getSelection().toString()") == word.text_content()


@each_page("dark", pages=PAGES)
def test_on_paper_it_is_light(opened):
    page = opened.page
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    paper = page.locator("svg.drawn").first.evaluate(COLORS)[0]
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert paper == "rgb(255, 255, 255)"


MOVED = """() => [...document.querySelectorAll(".drawing")]
  .filter((box) => box.scrollWidth > box.clientWidth)
  .map((box) => box.firstElementChild.getAttribute("aria-label").slice(0, 60))"""


@each_page("light", pages=PAGES)
def test_on_a_phone_none_is_moved_sideways(opened):
    opened.resize(390)
    assert opened.page.evaluate(MOVED) == []


FADED = """() => [...document.querySelectorAll("figcaption")].filter((caption) => {
  for (let e = caption; e; e = e.parentElement)
    if (getComputedStyle(e).maskImage !== "none" || e.scrollLeft) return true;
}).map((caption) => caption.textContent.trim().slice(0, 60))"""


@each_page("light", pages=PAGES)
def test_a_caption_neither_fades_nor_moves_with_its_figure(opened):
    opened.resize(390)
    page = opened.page
    assert page.evaluate(FADED) == []
    page.evaluate("document.querySelectorAll('figure *').forEach((one) => one.scrollTo(20, 0))")
    assert page.evaluate(FADED) == []
    page.evaluate("document.querySelectorAll('figure *').forEach((one) => one.scrollTo(0, 0))")
