"""On paper: A4, black on white, no line cut, no answer given away, no sheet left empty."""

import re

from built_site import BOOK, each_page
from every import some
from test_every_page import CUT

# CSS pixels: A4 less its margins of 15 mm.
PAPER = (680, 1009)
CLOSED = """() => [...document.querySelectorAll(".admonition.solution.dropdown, details.predict")]
  .filter((one) => one.matches("details") ? one.open : !one.classList.contains("toggle-hidden"))
  .map((one) => one.textContent.slice(0, 60))"""
INK = """() => addEventListener("beforeprint", () => {
  const {color, backgroundColor} = getComputedStyle(document.body);
  window.ink = [color, backgroundColor];
})"""


@each_page("dark", pages=some(BOOK, 2))
def test_it_prints(opened):
    page = opened.page
    opened.resize(*PAPER)
    page.emulate_media(media="print")
    try:
        page.evaluate(INK)
        assert page.evaluate(CUT, True) == []
        assert page.evaluate(CLOSED) == []
        height = page.evaluate("document.querySelector('article').scrollHeight")
        sheets = len(re.findall(rb"/Type /Page\b(?!s)", page.pdf(prefer_css_page_size=True)))
    finally:
        page.emulate_media(media="screen")
    assert height / PAPER[1] <= sheets <= 1.3 * height / PAPER[1] + 2
    assert page.evaluate("window.ink") == ["rgb(34, 40, 50)", "rgb(255, 255, 255)"]
