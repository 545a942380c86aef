"""The calculator in a browser: nothing jumps while one types, and it follows its fields."""

from itertools import pairwise

import pytest
from built_site import SITE

PAGES = sorted(
    path.relative_to(SITE).as_posix()
    for path in SITE.glob("book/*.html")
    if 'class="bytes-calculator"' in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("page", PAGES)
def test_nothing_jumps_while_a_number_is_typed(page, width, visit):
    with visit(width=width) as watched:
        root = watched.open(page).locator(".bytes-calculator")
        field = root.locator("[name=H]")
        field.scroll_into_view_if_needed()
        before, said = root.bounding_box()["height"], root.locator("[role=status]").text_content()
        field.fill("")
        assert abs(root.bounding_box()["height"] - before) < 2
        assert "whole number" in root.locator("[data-error=H]").text_content()
        assert root.locator("[role=status]").text_content() == said
        field.fill("128")
        assert root.locator("[data-error=H]").text_content() == ""
        assert root.locator("[role=status]").text_content() != said
        wide = watched.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width and watched.errors == []


BAR = """(bar) => ({
  ground: getComputedStyle(bar).backgroundColor,
  height: bar.clientHeight,
  parts: [...bar.querySelectorAll("span")].map((part) => part.getBoundingClientRect())
    .map(({x, width, height}) => ({x, width, height})),
})"""


@pytest.mark.parametrize("page", PAGES)
def test_the_bar_shows_its_parts_side_by_side_on_the_pages_ground(page, visit):
    with visit(theme="dark") as watched:
        bar = watched.open(page).locator(".bytes-calculator .card").evaluate(BAR)
        assert bar["ground"] == "rgba(0, 0, 0, 0)"
        assert len(bar["parts"]) > 3
        for part, following in pairwise(bar["parts"]):
            assert part["height"] == pytest.approx(bar["height"], abs=1)
            assert following["x"] == pytest.approx(part["x"] + part["width"], abs=0.5)
