"""The calculator in a browser: nothing jumps while one types, and it follows its fields."""

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
