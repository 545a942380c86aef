"""The book's pages keep every rule that can be read off their files, and every rule can fail."""

from pathlib import Path

import pytest
from book_examples import build
from book_pages import Book, count_words, prose
from book_rules import RULES
from broken_books import BROKEN

ROOT = Path(__file__).resolve().parent.parent
EDITS = [
    pytest.param(rule, *broken, id=f"{rule.__name__}-{number}")
    for rule, all_broken in BROKEN.items()
    for number, broken in enumerate(all_broken, 1)
]

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)


@each_rule
def test_the_book_keeps(rule):
    if problems := rule(Book(ROOT)):
        pytest.fail("\n".join(problems), pytrace=False)


@each_rule
def test_the_small_book_keeps(rule, tmp_path):
    build(tmp_path)
    assert rule(Book(tmp_path)) == []


@pytest.mark.parametrize("rule, where, words, edit", EDITS)
def test_a_broken_book_is_reported(rule, where, words, edit, tmp_path):
    build(tmp_path)
    edit(tmp_path)
    problems = rule(Book(tmp_path))
    assert any(p.startswith(where) and words in p for p in problems), "\n".join(problems)


@each_rule
def test_every_rule_can_fail(rule):
    assert BROKEN.get(rule), f"{rule.__name__} needs a broken example in broken_books.py"


def test_prose_leaves_code_and_formulas_out():
    text = "Two words\n```python\nx = [a](b)\n```\n````{note} Title\n```\nno\n```\nfour `a b` $c d$"
    assert count_words(text + "\n````\nlast [word](c.md)\n") == 7
    assert "(b)" not in prose(text)
