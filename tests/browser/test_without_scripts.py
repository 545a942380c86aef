"""Where scripts are off a page can be read: text, formulas' source, a frame of each figure."""

import pytest
from built_site import BOOK
from every import some

# Text that is not seen and does not wait in a fold that opens by itself.
HIDDEN = """() => {
  const found = [], walk = document.createTreeWalker(
    document.querySelector("article"), NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode.data.trim(), holder = walk.currentNode.parentElement;
    if (!text || holder.closest("script, style, noscript, template, .headerlink")) continue;
    const fold = holder.closest("details:not([open])");
    const seen = fold ? fold.querySelector("summary") : holder;
    if (!seen?.checkVisibility({visibilityProperty: true, opacityProperty: true}))
      found.push(text.slice(0, 60));
  }
  return found;
}"""

COLORS = """() => {
  const of = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
  return ["--pst-color-text-base", "--pst-color-background", "--pst-color-border"].map(of);
}"""


@pytest.mark.parametrize("name", some(BOOK, 2))
def test_a_page_can_be_read(name, visit):
    with visit(java_script_enabled=False) as watched:
        page = watched.page
        page.goto(watched.address + name)
        assert page.evaluate(HIDDEN) == []
        assert all(page.evaluate(COLORS)), "the theme's colors are there"
        formulas = page.locator(".math").all_text_contents()
        assert all(text.strip().startswith(("\\(", "\\[")) for text in formulas)
        for figure in page.locator(".touch-figure").all():
            assert figure.locator("svg").is_visible() and figure.locator("p").count()
            assert figure.evaluate("one => getComputedStyle(one).getPropertyValue('--theta')")
        if fold := page.query_selector("details:not([open])"):
            fold.query_selector("summary").click()
            assert fold.evaluate("fold => fold.open")
