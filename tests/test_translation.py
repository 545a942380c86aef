"""The Chinese edition says what the English one says, sentence by sentence.

A changed English sentence turns a test red that names its page; CONTRIBUTING.md says what then.
"""

import json
import re

import catalogue
import chinese_site
import markdown_lines
import pytest
import spoken
import translated_pages
import translation
import translation_rules
from book_pages import Book
from book_problems import LINK, PAGE, SECTION, printed
from catalogue import load, path_of
from normal_form import read, write
from py_mini_racer import MiniRacer
from repository import ROOT

from nonlocal_tut import figures, words
from nonlocal_tut.check import check
from nonlocal_tut.memory.calculator import calculator
from nonlocal_tut.tables import table

PAGES = translated_pages.pages()
HANZI = re.compile(f"[{translation_rules.HANZI}]")


@pytest.fixture
def chinese():
    words.use("zh")
    yield
    words.use("en")


@pytest.mark.parametrize("name", PAGES)
def test_each_sentence_of_a_page_is_translated(name, tmp_path):
    wanted = translated_pages.messages(PAGES[name])
    found = {message.id: message for message in load(name) if message.id}
    left = [m for m in wanted if m not in found or not found[m].string or found[m].fuzzy]
    gone = [m for m in found if m not in wanted]
    assert not left, f"{PAGES[name].name}: to be translated in {path_of(name).name}: {left}"
    assert not gone, f"{PAGES[name].name} no longer says: {gone}"
    catalogue.save(name, load(name), tmp_path)
    assert path_of(name, tmp_path).read_text(encoding="utf-8") == path_of(name).read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize("name", PAGES)
def test_a_translation_keeps_what_its_sentence_has(name):
    assert not translation.check([name])[name]


def test_no_exception_is_for_a_sentence_that_is_gone():
    assert set(translation.LATIN) <= {
        m for path in PAGES.values() for m in translated_pages.messages(path)
    }


SOURCE = "The {term}`peak` of `f(x)` is **3** MiB for $N$ positions, see [here](a.md)."
RIGHT = "`f(x)` 的{term}`峰值 <peak>`是 **3** MiB，有 $N$ 个位置，见[这里](a.md)。"
BROKEN = {
    "numbers": RIGHT.replace("3", "4"),
    "code": RIGHT.replace("f(x)", "f(y)"),
    "formulas": RIGHT.replace("$N$", "$M$"),
    "links": RIGHT.replace("a.md", "b.md"),
    "references": RIGHT.replace("<peak>", "<rank>"),
    "bold": RIGHT.replace("**", ""),
    "half-width": RIGHT.replace("，有", ", 有"),
    "no space": RIGHT.replace(" MiB", "MiB").replace("** ", "**是") + "见 MiB值",
    "a space": RIGHT.replace("，有", "， 有"),
    "峰值 is asked for": RIGHT.replace("峰值", "顶点"),
    "cells": "| a | b |",
}


def test_a_right_translation_has_no_fault():
    assert translation_rules.faults(SOURCE, RIGHT, {"peak": "峰值"}) == []


@pytest.mark.parametrize("what", BROKEN)
def test_each_rule_sees_what_breaks_it(what):
    source = "| a | b | c |" if what == "cells" else SOURCE
    found = translation_rules.faults(source, BROKEN[what], {"peak": "峰值"})
    assert any(what in fault for fault in found)


def test_code_that_a_table_shows_in_chinese_is_quoted_so(chinese):
    yes, block = words.say("yes"), words.say("the block")
    for told in ("the block yes", f"{block} {yes}"):
        assert not translation_rules.faults("See `the block yes`.", f"见 `{told}`。", {})
    assert translation_rules.faults("See `the block yes`.", f"见 `{block} 否`。", {})
    assert translation_rules.faults("See `x.sum()`.", "见 `求和`。", {})


def test_what_the_chinese_page_of_problems_quotes_is_shown_there(tmp_path):
    for path in (ROOT / "book").glob("*.ipynb"):  # English headings, by which a link finds a cell
        shown = read(chinese_site.with_outputs(path.read_text(encoding="utf-8")))
        for output in (o for cell in shown.cells for o in cell.get("outputs", [])):
            if "text/html" in output.get("data", {}):
                output.data.pop("text/plain", None)  # a page shows one form, the best
        chinese_site.put(tmp_path / "book" / path.name, write(shown))
    book, tell, quoted = Book(tmp_path), translated_pages.teller("problems"), set()
    page = translated_pages.translated((ROOT / PAGE).read_text(encoding="utf-8"), ".md", tell)
    for _, text in SECTION.findall(page):
        where = text.partition("\n→ ")[2]
        told = " ".join(printed(book, link) for link in LINK.findall(where))
        told = " ".join(re.sub("<[^>]+>", " ", told).split())
        for code in re.findall(r"`([^`]+)`", where):
            assert code in told, f"no Chinese cell shows “{code}”"
            quoted.add(code)
    assert len(quoted) > 15 and any(HANZI.search(code) for code in quoted)


def test_english_is_no_translation():
    assert "not a Chinese character" in translation_rules.faults("Which four?", "Which four?", {})
    assert not translation_rules.faults("$x$ two", "$x$ two", {}, may_be_latin=True)


def test_a_term_of_two_words_is_rendered_as_the_glossary_has_it():
    glossary = {"feature map": "特征图"}
    assert translation_rules.faults("Two feature maps.", "两张特征图。", glossary) == []
    assert translation_rules.faults("Two feature maps.", "两张图。", glossary)


def test_every_term_of_the_glossary_has_its_translation():
    text = (ROOT / "book/glossary.md").read_text(encoding="utf-8")
    terms = translated_pages.TERM.findall(text[text.index("{glossary}") :])
    assert len(terms) > 80 and {t.lower() for t in terms} == set(translated_pages.glossary())


def test_a_changed_sentence_is_to_be_translated_again():
    old = catalogue.brought_up_to_date(catalogue.empty("p"), "p", ["It has four matrices.", "Yes."])
    old["It has four matrices."].string = "它有四个矩阵。"
    old["Yes."].string = "对。"
    new = catalogue.brought_up_to_date(old, "p", ["It has three matrices.", "Yes."])
    assert new["It has three matrices."].fuzzy and not new["Yes."].fuzzy
    assert "It has four matrices." not in new


def test_what_is_made_of_the_catalogues_is_what_they_make():
    stale = [
        path.name
        for path, text in translation.made().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    assert not stale, f"run `python tools/translation.py write`: {stale} are of yesterday"


@pytest.mark.parametrize("path", sorted((ROOT / "book").glob("*.ipynb")), ids=lambda p: p.stem)
def test_a_chinese_notebook_has_the_english_code(path):
    def code(file):
        return [
            c.source for c in read(file.read_text(encoding="utf-8")).cells if c.cell_type == "code"
        ]

    told = code(path.parent / "zh" / path.name)
    assert told.pop(1) == translation.SPEAKS and told == code(path)


def test_every_line_of_a_page_stands_in_its_place_again():
    for path in PAGES.values():
        text = path.read_text(encoding="utf-8")
        texts = [text] if path.suffix == ".md" else [c.source for c in read(text).cells]
        for one in texts:
            assert markdown_lines.rewritten(one, lambda message: message) == one


def test_lines_without_words_are_no_messages():
    formula = "$$\na + b\n\\text{so many}\n$$"
    text = f"(label)=\n# Why?\n\n```python\nx = one\n```\n{formula}\n| a | b |\n- And so"
    assert markdown_lines.messages(text) == ["Why?", "\\text{so many}", "And so"]


@pytest.fixture(scope="module")
def shown():
    """All that the module shows in pages, and where."""
    return spoken.everything()


def test_the_module_says_everything_in_chinese(shown, chinese):
    unknown = [text for text in shown if not spoken.stays(text) and words.say(text) == text]
    assert len(shown) > 500 and not unknown


def test_the_page_s_script_says_what_python_says(shown, chinese):
    engine = MiniRacer()
    engine.eval(words.script() + f"const say = speaker({json.dumps(words.catalogue('zh'))});")
    texts = [*shown, " largest ", "no such sentence in any figure"]
    told = json.loads(engine.eval(f"JSON.stringify({json.dumps(texts)}.map(say))"))
    assert told == [words.say(text) for text in texts]


def test_every_sentence_of_the_module_s_catalogue_has_the_holes_of_its_english():
    for english, told in words.catalogue("zh").items():
        assert sorted(words.HOLE.findall(english)) == sorted(words.HOLE.findall(told)), english


def test_a_hole_is_translated_in_its_turn(monkeypatch, chinese):
    known = {"{1} of {2}": "{2} 之 {1}", "one": "一", "one of all": "都", "{1} of the {2}": "{2}"}
    monkeypatch.setattr(words, "catalogue", lambda language: known)
    words.translated.cache_clear()
    words._with_holes.cache_clear()
    try:
        assert words.say(" one of 7\n") == " 7 之 一\n"
        assert words.say("one of all") == "都" and words.say("none") == "none"
        assert words.say("one of the 7") == "7"  # the pattern that says more
        assert words.markup("<td>one</td><script>one</script><i>two</i>") == (
            "<td>一</td><script>one</script><i>two</i>"
        )
    finally:
        monkeypatch.undo()
        words.translated.cache_clear()
        words._with_holes.cache_clear()


def test_the_module_speaks_english_unless_it_is_told(capsys):
    check("1.1", None)
    assert capsys.readouterr().out == "○ 1.1 not attempted yet\n"
    assert words.live("<p>largest</p>") == "<p>largest</p>"


def test_a_page_listens_once_for_all_its_figures(chinese):
    engine = MiniRacer()
    engine.eval("var heard = []; const document = { querySelectorAll: () => [] };")
    engine.eval("class MutationObserver { observe(root) { heard.push(root === document); } }")
    for shown in (figures.tiles(), calculator(), figures.tiles()):
        *_, script = re.findall("<script>(.*?)</script>", shown._repr_html_(), re.DOTALL)
        engine.eval(script)
    assert engine.eval("heard.join()") == "true"


def test_a_kernel_s_name_is_code_and_a_cousin_s_a_word(chinese):
    kernels = table(["card", "takes"], [("A100", "efficient"), ("T4", "none")])._repr_html_()
    assert "<td><code>efficient</code></td>" in kernels and "<td>无</td>" in kernels
    cousins = table(["cousin", "agrees"], [("efficient", True), ("double", True)])._repr_html_()
    assert "<td>高效</td>" in cousins


def test_hints_and_tables_speak_chinese_when_told(capsys, chinese):
    check("1.1", None)
    assert "还没" in capsys.readouterr().out
    assert "位置" in table(["positions"], [(1,)])._repr_html_()


def test_a_hint_that_begins_with_a_number_stays_behind_its_exercise(capsys, chinese):
    check("1.3", [(3, 1, 16, 16)] * 4)
    hint = capsys.readouterr().out
    assert hint.startswith("✗ 1.3 还不对：宽 129，")
    engine = MiniRacer()
    engine.eval(words.script() + f"const say = speaker({json.dumps(words.catalogue('zh'))});")
    english = "✗ 1.3 not yet: 129 wide, but 120 positions inside are never looked at."
    assert engine.eval(f"say({json.dumps(english)})") == hint.strip()


def test_another_language_is_refused():
    with pytest.raises(ValueError, match="language must be one of 'en', 'zh', not 'fr'"):
        words.use("fr")
