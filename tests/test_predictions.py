"""Each "Predict" offers an honest choice, and its right answer is what the page finds."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from book_pages import Book
from predictions import RULES, predictions, the_page_agrees

BOOK = Book(Path(__file__).resolve().parent.parent)
ALL = [one for page in BOOK.notebooks for one in predictions(BOOK.notebooks[page])]

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)

BLOCK = """\
<details class="predict" data-number="1"><summary>How many? 2 · 10 · 20</summary>

- **2**: one for each dot, whatever lies in the way between them.
- **10**: they meet halfway, where this output does not sit at all.
- **20**, right: one position per layer.

</details>"""
BROKEN = {
    "follows_a_question": [("**Predict:**", "Say:")],
    "names_its_answers": [("? 2 · 10", "? 2 · 11"), ("many? ", "many: ")],
    "one_is_right": [(", right", ""), ("**2**", "**2**, right")],
    "two_are_wrong": [
        ("- **10**: they meet halfway, where this output does not sit at all.\n", "")
    ],
    "wrong_ones_have_a_reason": [("whatever lies in the way between them", "so two")],
    "fields_take_numbers": [
        ('"1"', '"a few"'),
        ("**10**", "**ten**"),
        ('"1"', '"4"'),
        ("**2**", "**12**"),
    ],
    "the_page_agrees": [
        ("takes 20 layers", "takes 200 layers"),
        ("takes 20 layers", "takes 1,20 layers"),
        ('"1"', '"1" data-seen="twenty layers it is"'),
        ('"1"', '"1" data-seen="20"'),
    ],
}
EDITS = [(name, *edit) for name, edits in BROKEN.items() for edit in edits]


def page(edit=lambda text: text):
    texts = [
        "Two dots. **Predict:** how many layers?",
        BLOCK,
        "It takes 20 layers.",
        "## Exercises\n20",
    ]
    cells = [SimpleNamespace(source=edit(t), where="here", is_code=False) for t in texts]
    return predictions(cells)


@each_rule
def test_the_book_keeps(rule):
    found = [f"{one.where}: {wrong}" for one in ALL if (wrong := rule(one))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("chapter", BOOK.chapters)
def test_a_chapter_has_three(chapter):
    assert len(predictions(BOOK.notebooks[chapter])) >= 3


@each_rule
def test_a_sound_block_keeps(rule):
    (one,) = page()
    assert rule(one) == ""


@pytest.mark.parametrize(("name", "old", "new"), EDITS)
def test_a_broken_block_is_reported(name, old, new):
    rule = next(rule for rule in RULES if rule.__name__ == name)
    (one,) = page(lambda text: text.replace(old, new))
    assert rule(one)


@each_rule
def test_every_rule_can_fail(rule):
    assert BROKEN.get(rule.__name__)


def test_an_answer_that_the_page_gives_after_its_exercises_does_not_count():
    (one,) = page(lambda text: text.replace("takes 20", "takes some"))
    assert the_page_agrees(one)


def test_a_block_that_cannot_be_read_is_an_error():
    with pytest.raises(ValueError, match="cannot be read"):
        page(lambda text: text.replace("- **2**:", "- 2:"))
