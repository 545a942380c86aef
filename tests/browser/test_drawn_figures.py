"""Charts and schemes stand in the page: its theme is theirs, and their words can be taken along."""

import pytest
from built_site import SITE

PAGES = sorted(
    path.relative_to(SITE).as_posix()
    for path in SITE.glob("book/*.html")
    if 'class="drawn"' in path.read_text(encoding="utf-8")
)
each_page = pytest.mark.parametrize("name", PAGES)
COLORS = """(drawn) => {
  const fill = (part) => getComputedStyle(part).fill;
  return [fill(drawn.querySelector("path, rect")), [...drawn.querySelectorAll("text")].map(fill)];
}"""
INK = {"light": "rgb(17, 17, 17)", "dark": "rgb(230, 233, 236)"}


def test_every_chapter_has_some():
    chapters = {page for page in PAGES if page.startswith("book/0")}
    assert len(chapters) == len(list(SITE.glob("book/0*.html")))


@each_page
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_paper_and_ink_are_the_pages(name, theme, visit):
    with visit(390, theme) as watched:
        page, inks = watched.open(name), set()
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        for drawn in page.locator("svg.drawn").all():
            paper, texts = drawn.evaluate(COLORS)
            assert paper == ground, "a figure lies on the page, not on a card"
            inks |= set(texts)
        assert INK[theme] in inks


@each_page
def test_it_is_read_aloud_and_its_words_can_be_selected(name, visit):
    with visit(390) as watched:
        page = watched.open(name)
        for drawn in page.locator("svg.drawn").all():
            assert len(drawn.get_attribute("aria-label")) >= 40
            if (word := drawn.locator("text").first).count():
                word.evaluate("(text) => getSelection().selectAllChildren(text)")
                assert page.evaluate("getSelection().toString()") == word.text_content()


@each_page
def test_on_paper_it_is_light(name, visit):
    with visit(1280, "dark") as watched:
        page = watched.open(name)
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("svg.drawn").first.evaluate(COLORS)[0] == "rgb(255, 255, 255)"
