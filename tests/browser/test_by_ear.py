"""For who hears a page or goes through it by keys: axe, languages, formulas, names, focus."""

import json

from axe_playwright_python.base import AXE_SCRIPT
from axe_playwright_python.sync_playwright import Axe
from built_site import SITE, each_page
from every import in_turn

# Chinese that would be read aloud as English; code is code.
UNMARKED = r"""() => {
  const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const holder = walk.currentNode.parentElement;
    if (/[\u3400-\u9fff]/.test(walk.currentNode.data) && !holder.closest("script, style, code, pre")
        && !holder.closest("[lang]").lang.startsWith("zh"))
      found.push(walk.currentNode.data.trim().slice(0, 60));
  }
  return found;
}"""

# A formula is drawn for the eye, and stands beside it as MathML for the ear; keys pass it by.
UNHEARD = """() => [...document.querySelectorAll("mjx-container")].filter((formula) =>
  formula.querySelector("mjx-assistive-mml > math")?.textContent.trim() === ""
  || !formula.querySelector("mjx-assistive-mml > math")
  || formula.querySelector("mjx-math")?.getAttribute("aria-hidden") !== "true"
  || formula.matches("[tabindex]") || formula.querySelector("[tabindex]:not([tabindex='-1'])")
).map((formula) => formula.parentElement.textContent.slice(0, 60))"""

# What keys can reach and nobody sees that they have; Tab has been pressed before.
UNSEEN_FOCUS = """() => {
  const found = [], stops = "a[href], button, summary, input, select, [tabindex='0']";
  for (const stop of document.querySelectorAll(stops)) {
    if (!stop.checkVisibility({visibilityProperty: true}) || stop.disabled) continue;
    stop.focus({preventScroll: true});
    const ringed = [stop, stop.closest("form.bd-search") ?? stop];
    const seen = ringed.map((one) => getComputedStyle(one)).some(
      ({outlineStyle, outlineWidth, boxShadow}) => boxShadow !== "none"
        || (outlineStyle !== "none" && parseFloat(outlineWidth) >= 2));
    if (document.activeElement === stop && !seen)
      found.push(stop.outerHTML.slice(0, 90));
  }
  return found;
}"""


# Axe's own copies of styles (preload) would be asked for at a wrong address. Most of its time would
# go into the colors of thousands of words: they are asked once for each kind of text.
QUICK = {"resultTypes": ["violations"], "preload": False}
ONCE = [
    {"id": "color-contrast", "selector": "[data-kind]"},
    {"id": "link-in-text-block", "selector": "a[href]:is([data-kind], :has([data-kind]))"},
]
AXE = Axe(f"{AXE_SCRIPT}; axe.configure({json.dumps({'rules': ONCE})})")
KINDS = """() => {
  const seen = new Set(), walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const one = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !one.checkVisibility({visibilityProperty: true})) continue;
    let kind = "";
    for (let e = one; e !== document.body; e = e.parentElement) {
      const {color, backgroundColor, opacity} = getComputedStyle(e);
      kind += [e.tagName, color, backgroundColor, opacity];
    }
    if (!seen.has(kind)) one.dataset.kind = seen.add(kind).size;
  }
}"""


def violations(page):
    page.evaluate(KINDS)
    found = AXE.run(page, options=QUICK).response["violations"]
    return [(v["id"], v["nodes"][0]["target"], len(v["nodes"])) for v in found]


@each_page("light", "dark", pairs=in_turn)
def test_axe_finds_nothing(opened):
    opened.resize({"light": 1280, "dark": 390}[opened.theme])
    assert violations(opened.page) == []


@each_page("light")
def test_chinese_is_read_as_chinese_and_a_formula_is_heard(opened):
    assert opened.page.evaluate(UNMARKED) == []
    assert opened.page.evaluate(UNHEARD) == []


@each_page("light")
def test_keys_come_to_the_text_first_and_focus_is_seen(opened):
    opened.resize(1280)
    page = opened.page
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to main content"
    assert page.evaluate(UNSEEN_FOCUS) == []
    names = page.locator(".toggle-button, summary").evaluate_all(
        "all => all.map((one) => one.ariaLabel ?? one.textContent.trim())"
    )
    assert all(names) and "Toggle hidden content" not in names


def test_a_reference_leads_to_its_source(visit):
    with visit() as watched:
        page = watched.open("book/references.html")
        entries = page.locator(".citation-list > [role=listitem]")
        unlinked = entries.filter(has_not=page.locator("a.external")).all_text_contents()
        assert entries.count() > 20 and len(unlinked) == 1 and "机器学习炼丹术" in unlinked[0]
        assert "$" not in page.locator(".citation-list").text_content()
        back = page.locator("[role=doc-backlink]")
        assert back.count() == entries.count()
        back.first.click()
        assert page.locator(":target").is_visible()


def test_what_is_found_in_chinese_is_read_as_chinese(visit):
    with visit() as watched:
        page = watched.open("search.html?q=显存")
        page.wait_for_selector("#search-results .section-hits li")
        assert page.locator("#search-results [lang=zh]").count() > 1
        assert page.evaluate(UNMARKED) == []


def test_the_site_says_which_language_it_is_in():
    texts = [page.read_text(encoding="utf-8") for page in SITE.glob("book/*.html")]
    assert all('<html lang="en"' in text for text in texts)
