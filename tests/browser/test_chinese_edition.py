"""The Chinese edition as its readers meet it, and the way from each page to the other language."""

import re
from pathlib import Path

import pytest
from built_site import BOOK, PAGES, SITE
from every import in_turn

SWITCH = re.compile(r'<a class="language-switch"[^>]*href="([^"]*)"')
ALTERNATE = re.compile(r'<link rel="alternate" hreflang="([\w-]+)" href="([^"]*)"')
SECTION = re.compile(r'<section[^>]* id="([^"]*)"')
HANZI = re.compile("[\u4e00-\u9fff]")
TAKEN = ("intro", "01_receptive_field", "04_gpu_memory", "07_cheaper_cousins", "glossary", "api")
# What is typed -> what the first hit's heading has.
WANTED = {
    "显存": "显存",
    "感受野": "感受野",
    "注意力矩阵": "注意力矩阵",
    "softmax 哪一维": "softmax",
}
# A page's text without code.
PROSE = """() => {
  const article = document.querySelector("article").cloneNode(true);
  article.querySelectorAll("pre, code, script, style, dl.py").forEach((part) => part.remove());
  return article.textContent;
}"""

# On how many lines a word stands, each time that a heading has it.
PLACES = """(word) => [...document.querySelectorAll("article :is(h1, h2, h3)")].map((heading) => {
  const text = heading.textContent, found = [];
  const letters = [];
  const walk = document.createTreeWalker(heading, NodeFilter.SHOW_TEXT);
  while (walk.nextNode())
    for (let at = 0; at < walk.currentNode.length; at++) letters.push([walk.currentNode, at]);
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    const tops = letters.slice(at, at + word.length).map(([node, n]) => {
      const range = document.createRange();
      range.setStart(node, n);
      range.setEnd(node, n + 1);
      return Math.round(range.getBoundingClientRect().bottom / 20);
    });
    found.push(new Set(tops).size);
  }
  return found;
}).flat()"""


def text_of(name):
    return (SITE / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_the_switch_leads_to_the_same_page_and_back(name):
    (there,) = SWITCH.findall(text_of(name))
    chinese = (SITE / name).parent / there
    assert chinese.resolve() == (SITE / "zh" / name).resolve()
    (back,) = SWITCH.findall(chinese.read_text(encoding="utf-8"))
    assert (chinese.parent / back).resolve() == (SITE / name).resolve()


@pytest.mark.parametrize("name", BOOK)
def test_both_pages_have_the_same_sections_and_name_each_other(name):
    english, chinese = text_of(name), text_of(f"zh/{name}")
    sections = SECTION.findall(chinese)
    assert len(sections) == len(SECTION.findall(english)) > 0
    assert all(f'id="{section}"' in english for section in sections)
    assert ALTERNATE.findall(english) == ALTERNATE.findall(chinese)
    assert {language for language, _ in ALTERNATE.findall(english)} == {"en", "zh-CN", "x-default"}
    assert '<html lang="en"' in english and '<html lang="zh-CN"' in chinese


@pytest.mark.parametrize("name,kind", in_turn(TAKEN, [(390, "light"), (1280, "dark")]))
def test_a_chinese_page_is_whole(visit, name, kind):
    width, theme = kind
    with visit(width, theme) as watched:
        page = watched.open(f"zh/book/{name}.html")
        assert (watched.errors, watched.foreign, watched.failed) == ([], [], [])
        wide = "() => [document.documentElement.scrollWidth, innerWidth]"
        assert page.evaluate(wide) == [width, width]
        assert HANZI.search(page.title())
        assert "**" not in page.evaluate(PROSE)


def test_the_switch_keeps_the_section_and_needs_no_mouse(visit):
    with visit() as watched:
        page = watched.open("book/problems.html#gamma-stays-zero")
        page.locator("a.language-switch").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/zh/book/problems.html#*")
        assert page.url.endswith("#gamma-stays-zero")
        here = page.locator(f"section[id='{page.url.partition('#')[2]}'] > h2")
        assert HANZI.search(here.first.inner_text())


@pytest.mark.parametrize("name", ["book/intro.html", "zh/book/intro.html"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_switch_stands_beside_the_buttons(visit, name, width):
    with visit(width) as watched:
        page = watched.open(name)
        switch = page.locator("a.language-switch").bounding_box()
        buttons = page.locator(".article-header-buttons").bounding_box()
        assert switch["y"] >= buttons["y"] and switch["x"] + switch["width"] <= buttons["x"]
        assert switch["y"] + switch["height"] <= buttons["y"] + buttons["height"]


def test_without_scripts_the_switch_leads_there_all_the_same(visit):
    with visit(java_script_enabled=False) as watched:
        watched.page.goto(f"{watched.address}book/claims.html")
        watched.page.locator("a.language-switch").click()
        watched.page.wait_for_url("**/zh/book/claims.html")


def test_a_moving_figure_speaks_chinese(visit):
    with visit() as watched:
        page = watched.open("zh/book/intro.html")
        status = page.locator(".touch-figure [role=status]").first
        first = status.inner_text()
        page.locator(".touch-figure svg").first.focus()
        for key in ("ArrowRight", "ArrowDown"):  # the distance is the longer of both
            page.keyboard.press(key)
        page.wait_for_timeout(300)
        assert first != status.inner_text()
        assert HANZI.search(first) and HANZI.search(status.inner_text())
        assert not re.search("[A-Za-z]{4}", status.inner_text())


def test_a_prediction_knows_its_right_answer(visit):
    with visit() as watched:
        page = watched.open("zh/book/04_gpu_memory.html")
        box = page.locator(".predict-play").first
        box.get_by_role("button", name="约 300").click()
        said = box.locator("[role=status]").inner_text()
        assert said.startswith("答对了") and "258" in said


def test_chinese_words_are_found(visit):
    with visit() as watched:
        page = watched.open("zh/book/intro.html")
        for query, wanted in WANTED.items():
            page.keyboard.press("Escape")
            page.keyboard.press("Control+k")
            page.locator("#pst-search-dialog input").fill("")
            page.locator("#pst-search-dialog input").fill(query)
            page.wait_for_selector("#pst-search-dialog .section-hits li")
            hit = page.locator("#pst-search-dialog .section-hits a").first
            assert wanted in hit.text_content()
            assert "/zh/book/" in hit.evaluate("a => a.href")


def test_a_heading_s_line_ends_between_words(visit):
    """No dictionary has 卷积; "non-local" is one word; nothing is wider than the page."""
    with visit() as watched:
        for name, words in (("01_receptive_field", "卷积"), ("03_paper_and_article", "non-local")):
            page = watched.open(f"zh/book/{name}.html")
            places = page.evaluate(PLACES, words)
            assert places and all(place == 1 for place in places)


def test_no_head_of_a_table_runs_into_the_next(visit):
    with visit() as watched:
        page = watched.open("zh/book/01_receptive_field.html")
        cut = "all => all.filter(th => th.scrollWidth > th.clientWidth + 1).length"
        assert page.locator(".cell_output th").count() > 10
        assert page.locator(".cell_output th").evaluate_all(cut) == 0


def test_every_page_of_the_contents_is_there():
    english = {path.name for path in (SITE / "book").glob("*.html")}
    assert english == {path.name for path in Path(SITE, "zh", "book").glob("*.html")}
