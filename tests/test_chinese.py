"""Chinese text is marked as Chinese, wherever a page has some, and code stays code."""

import chinese
from docutils import nodes
from docutils.core import publish_doctree, publish_from_doctree


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
