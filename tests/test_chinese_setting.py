"""What a line of Chinese may not part, and what a built Chinese page no longer has in English."""

import json
import re

import nbformat
import pytest
from catalogue import translations
from chinese_setting import ARTICLE, BY, kept_together, page
from chinese_site import with_outputs, write_sources
from normal_form import write
from repository import ROOT

CITED = """<p><span class="bibtex-citation" id="id1">[<a class="reference" href="r.html#id2" \
title="A, B, and C. On it. 2018.">{}</a>]</span> and so on, 2018</p>"""
BROKEN = re.compile(r"第 \d|第\xa0\d 章|\d (?:[KMG]i?B|%)(?![A-Za-z])| ·")


@pytest.mark.parametrize(
    "line,wanted",
    [
        ("见第 9 章，64 MiB", "见第_9_章，64_MiB"),
        ("[第 4 章](04.ipynb) · [别的](a b.md)", "[第_4_章](04.ipynb)_· [别的](a b.md)"),
        ("`64 MiB` 和 $3 %$ 与 87 %。", "`64 MiB` 和 $3 %$ 与 87_%。"),
        ("``a ` 3 GB`` 是 2 GB，3 GBits", "``a ` 3 GB`` 是 2_GB，3 GBits"),
        ("{term}`第 3 个 <third 3 MB>` 第 3 个", "{term}`第 3 个 <third 3 MB>` 第_3_个"),
    ],
)
def test_what_belongs_together_stays_on_a_line(line, wanted):
    assert kept_together(line) == wanted.replace("_", "\u00a0")
    assert kept_together(kept_together(line)) == kept_together(line)


@pytest.mark.parametrize(
    "english,chinese",
    [
        ("Wang <em>et al.</em>, 2018", "Wang 等，2018"),
        ("Tomasi and Manduchi, 1998", "Tomasi 和 Manduchi，1998"),
        ("机器学习炼丹术, n.d.", "机器学习炼丹术，无日期"),
        ("n.d.", "无日期"),
    ],
)
def test_a_citation_is_chinese_and_what_surrounds_it_stays(english, chinese):
    assert page(CITED.format(english), str) == CITED.format(chinese)
    assert page(CITED.format(chinese), str) == CITED.format(chinese)


def test_a_table_s_cell_keeps_a_number_and_its_unit_together():
    table = '<tr><td>~70 %, ~80 %</td><td class="text-end">64 MiB</td></tr><p>3 GB</p>'
    output = nbformat.v4.new_output("display_data", {"text/html": table})
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", outputs=[output])])
    (told,) = json.loads(with_outputs(write(nb)))["cells"][0]["outputs"]
    kept = table.replace("70 %", "70\u00a0%").replace("80 %", "80\u00a0%")
    assert "".join(told["data"]["text/html"]) == kept.replace("64 MiB", "64\u00a0MiB")


def test_a_title_of_an_exercise_has_chinese_brackets():
    title = '<p class="admonition-title"><span class="caption-number">练习 1.3 </span> ({})</p>'
    told = '<p class="admonition-title"><span class="caption-number">练习 1.3</span>（{}）</p>'
    for words in ("看得宽，又不留洞", "从 f(x) 到 g(x)"):
        assert page(title.format(words), str) == told.format(words)
        assert page(told.format(words), str) == told.format(words)


def test_no_gap_before_the_author_and_the_article_s_entry_in_chinese():
    known = translations("site")
    html = page(f"<p>{BY} 我们</p><p>A. {ARTICLE}</p>", lambda words: known.get(words, words))
    assert html == f"<p>{BY}我们</p><p>A. {known[ARTICLE]}</p>"
    bib = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    fields = dict(re.findall(r"(howpublished|note) = \{(.*WeChat.*|In Chinese.*)\}", bib))
    assert ARTICLE == "{howpublished}. {note}.".format(**fields)


def test_no_page_of_the_edition_parts_them(tmp_path):
    write_sources(tmp_path)
    outside = re.compile(r"`[^`\n]*`|\$[^$]*\$|\]\([^)]*\)|<[^>]*>")
    for path in (tmp_path / "book").glob("*.md"):
        text = outside.sub("", path.read_text(encoding="utf-8"))
        assert not BROKEN.findall(text), path.name
