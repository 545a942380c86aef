"""Search: what readers type leads to the heading, while they type, from a disk as well."""

from built_site import SITE

# What is typed -> what the first hit's heading says.
WANTED = {
    "softmax dim": "Which dimension does softmax run over?",
    "out of memory": "Out of memory",
    "gamma zero": "Gamma stays zero",
    "C/8": "Why C/8, and why 1×1?",
    "convolution see": "How far can a convolution see?",
    "dead block": "What keeps a block dead?",
    "注意力": "attention · 注意力",
    "感受野": "receptive field · 感受野, 视野域",
    "显存": "GPU memory · 显存",
}


def hits(page, query):
    page.keyboard.press("Control+k")
    box = page.locator("#pst-search-dialog input")
    box.fill("")  # what was found before goes
    box.fill(query)
    page.wait_for_selector("#pst-search-dialog .section-hits li")
    return page.locator("#pst-search-dialog .section-hits a")


def test_the_heading_comes_first_while_one_types(visit):
    with visit() as watched:
        page = watched.open("book/intro.html")
        first = {}
        for query in WANTED:
            page.keyboard.press("Escape")
            first[query] = hits(page, query).first.text_content()
        assert first == WANTED
        assert (watched.errors, watched.foreign, watched.failed) == ([], [], [])


def test_a_hit_leads_to_its_heading(visit):
    with visit() as watched:
        hits(watched.open("book/intro.html"), "softmax dim").first.click()
        watched.page.wait_for_url("**/02_shape_algebra.html#which-dimension*")


def test_the_page_of_results_shows_the_same(visit):
    with visit() as watched:
        page = watched.open("search.html?q=softmax+dim")
        page.wait_for_selector("#search-results .section-hits li")
        assert page.locator("#search-results a").first.text_content() == WANTED["softmax dim"]
        assert (watched.errors, watched.foreign, watched.failed) == ([], [], [])


def test_it_works_from_a_disk(browser):
    page = browser.new_page()
    page.goto((SITE / "book" / "intro.html").as_uri())
    assert hits(page, "softmax dim").first.text_content() == WANTED["softmax dim"]
    page.close()


def test_nothing_found_is_said(visit):
    with visit() as watched:
        page = watched.open("book/intro.html")
        page.keyboard.press("Control+k")
        page.locator("#pst-search-dialog input").fill("qqzzxx")
        page.wait_for_function(
            "document.querySelector('#pst-search-dialog .search-answers').textContent"
            ".includes('Nothing found')"
        )
