"""The front page's chapters: a card each, which says its minutes and is a link all over."""

import re

from built_site import SITE

CARDS = """() => [...document.querySelectorAll(".chapters tbody tr")].map((card) => {
  const {x, y, width, height} = card.getBoundingClientRect();
  const said = card.querySelector("td:last-child p");
  const reached = [0.05, 0.5, 0.95].map((share) => {
    card.scrollIntoView({block: "center", behavior: "instant"});
    const now = card.getBoundingClientRect();
    return document.elementFromPoint(now.x + share * now.width, now.y + share * now.height)
      .closest("a")?.getAttribute("href");
  });
  return {x, width, reached,
    minutes: said.textContent + getComputedStyle(said, "::after").content};
})"""


def test_a_chapter_is_a_card(visit):
    chapters = sorted(path.name for path in SITE.glob("book/0*.html"))
    with visit() as watched:
        watched.open("book/intro.html")
        for width, columns in ((390, 1), (1280, 3)):
            watched.resize(width)
            cards = watched.page.evaluate(CARDS)
            assert [card["reached"] for card in cards] == [[name] * 3 for name in chapters]
            assert all(re.fullmatch(r'[1-9]\d" min"', card["minutes"]) for card in cards)
            assert len({round(card["x"]) for card in cards}) == columns
            assert len({round(card["width"]) for card in cards}) == 1
