"""What a page says of itself, and the card that stands beside a link to it."""

from pathlib import Path
from types import SimpleNamespace

import page_head
import site_card
from docutils import nodes

ROOT = Path(__file__).resolve().parent.parent


def page(*paragraphs, description=None):
    document = nodes.section()
    if description:
        document += nodes.meta("", name="description", content=description)
    document += paragraphs
    return document


LINKS = nodes.paragraph("", "", nodes.reference("", "Open in Colab"), nodes.Text(" · 20 minutes"))
CITE = nodes.inline("", "[Wang, 2018]", classes=["bibtex-citation"])
TEXT = nodes.paragraph("", "", nodes.Text("The paper "), CITE, nodes.Text(', of "2018".'))


def head(document):
    app = SimpleNamespace(
        srcdir=ROOT,
        config=SimpleNamespace(
            html_static_path=["book/_static"], html_title="A book", html_baseurl="https://a.b/c/"
        ),
    )
    context = {"title": "What is <em>1&lt;2</em>?", "pathto": lambda name, _: f"../{name}"}
    page_head.describe(app, "book/x", "page.html", context, document)
    return context.get("metatags", "")


def test_a_page_is_described_by_its_first_words_that_are_no_links():
    said = head(page(LINKS, TEXT))
    assert said.count('content="The paper, of &quot;2018&quot;."') == 2
    assert 'property="og:title" content="What is 1&lt;2?"' in said
    assert 'property="og:url" content="https://a.b/c/book/x.html"' in said
    assert 'content="https://a.b/c/_static/card.png"' in said
    assert 'href="../_static/touch-icon.png"' in said


def test_its_own_description_comes_first_and_is_not_said_twice():
    said = head(page(TEXT, description="My own."))
    assert said.count("My own.") == 1 and 'name="description"' not in said


def test_a_long_one_is_cut_between_words():
    said = page_head.first_words(page(nodes.paragraph("", "word " * 100)))
    assert len(said) <= page_head.LENGTH and said.endswith("word …")


def test_an_index_says_nothing():
    assert head(None) == ""


def test_the_card_shows_what_the_figure_draws_now():
    assert not site_card.stale(), "run tools/site_card.py"
    assert "wrong" in (told := site_card.description(site_card.frames())) and "right" in told


def test_card_and_icon_are_of_the_size_that_is_asked_for_and_small():
    for file, size, limit in (
        (site_card.CARD, (1200, 630), 60_000),
        (site_card.ICON, (180, 180), 5_000),
    ):
        with site_card.Image.open(file) as image:
            assert image.size == size
        assert file.stat().st_size < limit
