"""Chinese text is marked as Chinese, and code stays code; included tables; how docstrings begin."""

import importlib
import inspect
import json
import re
from types import SimpleNamespace

import book_targets
import chinese
import chinese_site
import pytest
from catalogue import translations
from docutils import nodes
from docutils.core import publish_doctree, publish_from_doctree
from public_names import LISTED, public
from translated_pages import glossary
from translation_rules import faults


def html(text):
    document = publish_doctree(text)
    chinese.mark(None, document, "page")
    settings = {"output_encoding": "unicode", "embed_stylesheet": False}
    return publish_from_doctree(document, writer_name="html5", settings_overrides=settings)


def test_each_run_says_its_language():
    written = html("key, 键, and *空洞*, 膨胀.")
    for run in ("键", "空洞", "膨胀"):
        assert f'<span lang="zh">{run}</span>' in written
    assert "key, <span" in written and "</span>, and <em>" in written


def test_code_and_what_has_no_chinese_stay_as_they_are():
    assert "lang=" not in html("``键`` and key\n\n::\n\n  x = '键'").split("<body", 1)[1]
    text = nodes.Text("key")
    paragraph = nodes.paragraph("", "", text)
    chinese.mark(None, paragraph, "page")
    assert paragraph.children == [text] and paragraph[0] is text


NAME = re.compile(r"torch\.[\w.]+(, \w+=True)?|channels_last|pickle|[A-Z]\w+( \(\w+\))?")  # of code


@pytest.mark.parametrize("table", chinese_site.TABLES, ids=lambda path: path.stem)
def test_all_that_an_included_table_says_has_its_chinese(table):
    asked, (data, rendered) = set(), chinese_site.TABLES[table]
    english = rendered(
        json.loads(data.read_text(encoding="utf-8")), lambda words: asked.add(words) or words
    )
    assert english == table.read_text(encoding="utf-8")
    known = translations("tables")
    unknown = {words for words in asked - set(known) if not NAME.fullmatch(words)}
    assert len(asked) > 15 and not unknown


def test_no_sentence_of_an_included_table_is_left_over():
    asked = set()
    for path, rendered in chinese_site.TABLES.values():
        data = json.loads(path.read_text(encoding="utf-8"))
        for failed in (None, 1, 2) if path == chinese_site.tested_on.FILE else (None,):
            for row in data["rows"] if failed else ():  # what a machine may say on another day
                for suite in chinese_site.tested_on.SUITES:
                    row[suite]["failed"] = failed
            rendered(data, lambda w: asked.add(w) or w)
    left = {"all but {forms}"}  # no way of today
    assert set(translations("tables")) - asked <= left


def test_a_chinese_page_includes_its_chinese_table(tmp_path):
    chinese_site.write_sources(tmp_path)
    table = (tmp_path / "book/data/ways.txt").read_text(encoding="utf-8")
    assert "| 梯度检查点 | 可以 |" in table and "| torch.vmap | 可以 |" in table
    tested = (tmp_path / "book/data/tested_on.txt").read_text(encoding="utf-8")
    assert "- 普通：单线程\n" in tested and "没有通过的：" in tested


def documented():
    """All that the page of names shows a docstring of: rooms, their names, and methods."""
    yield from (importlib.import_module(room) for room, _ in LISTED)
    for value in filter(callable, public().values()):
        yield value
        for name, part in vars(value).items() if inspect.isclass(value) else ():
            if not name.startswith("_") and (inspect.isfunction(part) or type(part) is property):
                yield part


def firsts():
    docs = filter(None, map(inspect.getdoc, documented()))
    return {" ".join(doc.split("\n\n")[0].split()) for doc in docs}


def test_each_docstring_s_first_paragraph_has_its_chinese():
    known, shown = translations("docstrings"), firsts()
    assert len(shown) > 80 and shown == set(known)
    terms = glossary()
    found = [f"{en}: {f}" for en, zh in known.items() for f in faults(en, zh, terms)]
    assert not found


def test_a_chinese_docstring_begins_in_chinese_and_goes_on_in_english():
    config = SimpleNamespace(written_by_extensions={"One paragraph.": "一段。"})
    lines = ["One", "  paragraph.", "", "Another one.", ""]
    book_targets.begin_in_chinese(SimpleNamespace(config=config), "", "", None, None, lines)
    assert lines == ["一段。", "", "Another one.", ""]
    book_targets.begin_in_chinese(SimpleNamespace(config=config), "", "", None, None, lines)
    assert lines == ["一段。", "", "Another one.", ""]
