"""What the build takes out of the site, and what it mends in a page."""

from types import SimpleNamespace

import book_targets
import light_site
from docutils import nodes
from fontTools.ttLib import TTFont

PAGE = """<html lang="en" data-theme="auto"><head><title>A book &#8212; A book</title>
    <meta name="viewport" content="width=device-width" /><meta name="viewport" content="a" />
    <script>const THEBE_JS_URL = "https://x.org/a.js"; const b = 1</script>
    <script>const THEBE_JS_URL = "https://x.org/a.js"; const b = 1</script>
    <link rel="stylesheet" href="_static/sphinx-thebe.css?v=1" />
    <script async="async" src="_static/sphinx-thebe.js?v=1"></script>
    <script defer src="_static/scripts/fontawesome.js?digest=1"></script>
    <script src="_static/doctools.js"></script>
</head><body><div id="pst-primary-sidebar" class="a"></div>
<details><summary aria-label="Toggle hidden content"><span>Set-up</span></summary></details>
<div role="list" class="citation-list"><div class="citation" role="doc-biblioentry">
<span class="label"><span class="fn-bracket">[</span><a role="doc-backlink" href="#id7">1</a>\
<span class="fn-bracket">]</span></span></div></div>
<main role="main">{}</main></body></html>"""


def test_a_page_keeps_what_it_needs():
    mended = light_site.mend(PAGE.format('<span class="math">x</span>'))
    for gone in ("thebe", "THEBE", "fontawesome", "Toggle hidden", "biblioentry", "fn-bracket"):
        assert gone not in mended
    assert mended.startswith('<html lang="en" data-theme="light"><head><title>A book</title>')
    assert mended.count('name="viewport"') == 1 and "doctools.js" in mended
    assert 'id="pst-primary-sidebar" role="navigation"' in mended and 'role="main"' in mended
    assert 'class="citation" role="listitem"' in mended and 'href="#id7">↑</a>' in mended
    assert mended.count('classList.add("typesetting")') == 1
    assert light_site.mend(mended) == mended


def test_a_page_without_formulas_waits_for_none():
    assert "typesetting" not in light_site.mend(PAGE.format("x"))


def test_a_bracket_and_a_comma_stay_with_their_formula():
    formula = r'<span class="math notranslate nohighlight">\(x\)</span>'
    mended = light_site.mend(f"<p>in ({formula}), {formula}: and {formula} alone</p>")
    glued = f'<span class="glued">({formula}),</span> <span class="glued">{formula}:</span>'
    assert f"<p>in {glued} and {formula} alone</p>" in mended
    assert light_site.mend(mended) == mended


def test_unused_files_go_and_the_bundle_stays(tmp_path):
    names = ("startup.js", "tex-svg.js", "output/chtml/fonts/a.woff", "sre/en.json", "ui/menu.js")
    for name in names:
        (tmp_path / "mathjax" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mathjax" / name).write_text("x", encoding="utf-8")
    (tmp_path / "a.js.map").write_text("x", encoding="utf-8")
    (tmp_path / "locales" / "de").mkdir(parents=True)
    light_site.remove_unused(tmp_path)
    kept = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert kept == {f"mathjax/{name}" for name in (names[0], names[2])}


def test_an_icon_that_is_named_anywhere_stays():
    assert light_site.characters(r'content:"\f0c9"') == {0xF0C9}
    assert light_site.characters("--icon: '\uf05a'") == {0xF05A}
    ((selectors, character),) = light_site.ICON_RULE.findall(
        r'.fa-bars:before,.fa-navicon:before{content:"\f0c9"}'
    )
    assert light_site.ICON_NAME.findall(selectors) == ["bars", "navicon"] and character == r"\f0c9"


def test_a_font_is_cut_to_what_is_used(tmp_path):
    from matplotlib.font_manager import findfont

    whole = findfont("DejaVu Sans")
    (tmp_path / "cut.woff").write_bytes(light_site.cut(whole, {ord("a"), ord("b")}))
    kept = TTFont(tmp_path / "cut.woff")
    assert set(kept.getBestCmap()) == {ord("a"), ord("b")} and kept.flavor == "woff"


def test_a_fold_is_named_after_its_first_comment():
    assert names_of_folds({}) == ["Set-up", "Train three nets", "Show"]


def test_a_fold_has_its_name_in_the_page_s_language():
    assert names_of_folds({"Set-up": "准备"}) == ["准备", "Train three nets", "Show"]


def names_of_folds(written):
    document = nodes.section()
    for text in ("# @title Set-up: find it (Colab)\nx", "# Train three nets.\nx", "x = 1"):
        cell = nodes.container(prompt_show="Show", prompt_hide="Hide")
        cell += nodes.literal_block(text, text)
        document += cell
    app = SimpleNamespace(config=SimpleNamespace(written_by_extensions=written))
    book_targets.name_folds(app, document)
    return [cell["prompt_show"] for cell in document.findall(nodes.container)]
