"""What the search box looks through: an entry per section, and one per glossary term."""

import search_sections
from docutils import nodes


def page():
    top = nodes.section(ids=["page"])
    top += nodes.title("", "A page")
    top += nodes.paragraph("", "Its first words.")
    inner = nodes.section(ids=["which"])
    inner += nodes.title("", "Which one?")
    inner += nodes.paragraph("", "This one, ")
    inner += nodes.math_block("", "x^2")
    inner += nodes.literal_block("", "softmax(dim=-1)")
    top += inner
    document = nodes.section()
    document += top
    return document


def test_a_section_has_its_own_text_and_no_other():
    assert search_sections.entries("book/a", page()) == [
        ["A page", "A page", "book/a.html#page", "Its first words."],
        ["A page", "Which one?", "book/a.html#which", "This one, softmax(dim=-1)"],
    ]


def test_a_term_is_found_by_its_chinese():
    document = page()
    item = nodes.definition_list_item()
    item += nodes.term("", "key", ids=["term-key"])
    item += nodes.definition("", nodes.paragraph("", "键. By which one is found."))
    document.children[0] += nodes.definition_list("", item)
    found = search_sections.entries("book/g", document)[-1]
    assert found == ["A page", "key · 键", "book/g.html#term-key", "键. By which one is found."]
