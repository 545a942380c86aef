"""A Sphinx extension: the built site without what no page uses, and with what its readers need.

When the pages are written, it takes away 25 MB of MathJax and source maps, cuts the icon fonts down
to the icons that occur, and mends in each page what the theme gives no setting for. It asks nothing
of the network. A second build finds its work done and changes nothing.
"""

import re
import shutil
from functools import partial
from io import BytesIO
from pathlib import Path

import chinese_setting
from fontTools import subset
from fontTools.ttLib import TTFont
from language_switch import is_chinese, said

# Of MathJax the pages load these parts (see mathjax3_config), and no menu of 100 kB compressed.
MATHJAX = (
    "startup.js",
    "core.js",
    "input/tex-base.js",
    "input/tex/extensions/ams.js",
    "output/chtml.js",
    "output/chtml/fonts",
    "a11y/assistive-mml.js",
)
UNUSED = ("**/*.map", "locales", "images/logo_binder.svg", "images/logo_deepnote.svg")

ICON_RULE = re.compile(r'((?:\.fa-[\w-]+:{1,2}before,?)+)\{content:"(\\[0-9a-f]+|[^"])"\}')
PRIVATE = re.compile(r"\\(f[0-9a-f]{3})|([\ue000-\uf8ff])")
ICON_NAME = re.compile(r"\bfa-([a-z0-9-]+)")
FONTS = ("fa-solid-900", "fa-regular-400", "fa-brands-400")
SPHINX_SEARCH = r"searchtools\.js|language_data\.js|searchindex\.js"
LANDMARK = 'id="pst-primary-sidebar" role="navigation" aria-label="{}"'
BOOK_LIST, BACKLINK = "The book", "what it is good for"  # for the ear
SOLUTION = "Solution"  # sphinx-exercise has no other language for it
NUMBER = r'<span [^>]*>\[</span><a role="doc-backlink"( href="[^"]*")>\d+</a><span [^>]*>\]</span>'
# A short formula with what must not be parted from it, if that has not been seen to.
FORMULA = (
    r'(?<!class="glued">)(?<!class="glued">[(（“])([(（“]?)'
    r'(<span class="math[^>]*>\\\(.{1,120}?\\\)</span>)([,.;:?!)’，。；：？！、）”》]*)'
)
TYPESETTING = """<script>
    // book.js takes this away when formulas are set; if that fails, time does.
    document.documentElement.classList.add("typesetting");
    setTimeout(() => document.documentElement.classList.remove("typesetting"), 2000);
  </script>"""


def lighten(app, error):
    """What is done when the last page is written."""
    if error or app.builder.name != "html":
        return
    site, say = Path(app.outdir), partial(said, app.config)
    pages = sorted(p for p in site.rglob("*.html") if p.relative_to(site).parts[0] != "zh")
    for page in pages:
        text = page.read_text(encoding="utf-8")
        mended = mend(text, say)
        if is_chinese(app.config):
            mended = chinese_setting.page(mended, say)
        if mended != text:
            page.write_text(mended, encoding="utf-8")
    remove_unused(site / "_static")
    cut_icons(site / "_static", pages)


def remove_unused(static):
    for pattern in UNUSED:
        for path in static.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    mathjax = static / "mathjax"
    for path in sorted(mathjax.rglob("*")):
        name = path.relative_to(mathjax).as_posix()
        if path.is_file() and not name.startswith(MATHJAX):
            path.unlink()


def cut_icons(static, pages):
    """Each icon font holds the icons that a page, a style or a script names, and no other.

    The theme brings the icons twice: as a script of 1.5 MB, whose tag `mend` removes, and as fonts.
    """
    (static / "scripts" / "fontawesome.js").unlink(missing_ok=True)
    sheet = static / "styles" / "pydata-sphinx-theme.css"
    style = sheet.read_text(encoding="utf-8")
    scripts = [p.read_text(encoding="utf-8") for p in static.glob("scripts/*.js")]
    texts = [*(page.read_text(encoding="utf-8") for page in pages), *scripts]
    names = {name for text in texts for name in ICON_NAME.findall(text)}
    used = set()
    for selectors, character in ICON_RULE.findall(style):
        if names & set(ICON_NAME.findall(selectors)):
            used |= characters(character)
    for css in static.rglob("*.css"):
        used |= characters(ICON_RULE.sub("", css.read_text(encoding="utf-8")))
    folder = static / "vendor" / "fontawesome" / "webfonts"
    for name in FONTS:
        if (font := folder / f"{name}.ttf").is_file():
            (folder / f"{name}.woff").write_bytes(cut(font, used))
            font.unlink()
            (folder / f"{name}.woff2").unlink()
    two = r'url\((\S*?)\.woff2\) format\("woff2"\),url\(\S*?\.ttf\) format\("truetype"\)'
    sheet.write_text(re.sub(two, r'url(\1.woff) format("woff")', style), encoding="utf-8")


def characters(text):
    return {int(code, 16) if code else ord(char) for code, char in PRIVATE.findall(text)}


def cut(font, used):
    """The font's bytes with the glyphs of these code points alone."""
    options = subset.Options(flavor="woff", desubroutinize=True, notdef_outline=True)
    smaller = TTFont(font)
    worker = subset.Subsetter(options)
    worker.populate(unicodes=used)
    worker.subset(smaller)
    smaller.flavor, data = "woff", BytesIO()
    smaller.save(data)
    return data.getvalue()


def mend(html, say=str):
    """One page: no script that fails, one viewport, and what is seen is what is read aloud.

    - sphinx-thebe, which runs code on another host, is switched off and still writes its constants
      twice, so that the second fails: all of it goes.
    - Sphinx's search, of a megabyte, gives way to the book's (see search_sections).
    - The first page's title says the book's name once, and without scripts a page has colors.
    - A summary's text ("Set-up") is its name; an aria-label beside it would be another.
    - The sidebar is a landmark as a whole, and a list of references is a list; its numbers, which
      nobody cites, give way to the link that they were.
    - A bracket or a comma stays with its formula, where a line ends.
    - Formulas are set before the text is shown, so that no line moves under a reader's eyes.

    say: from words that are written here to those of the page's language.
    """
    html = re.sub(r"\s*<script>const THEBE_JS_URL.*?</script>", "", html)
    html = re.sub(r"\s*<(?:script|link)[^>]*sphinx-thebe\.(?:js|css)[^>]*>(?:</script>)?", "", html)
    html = re.sub(r'\s*<script defer src="[^"]*fontawesome\.js[^>]*></script>', "", html)
    html = re.sub(rf'\s*<script[^>]*src="[^"]*(?:{SPHINX_SEARCH})[^>]*></script>', "", html)
    html = re.sub(rf'\s*<link[^>]*href="[^"]*(?:{SPHINX_SEARCH})[^>]*>', "", html)
    html = html.replace(f">{SOLUTION}</p>", f">{say(SOLUTION)}</p>")
    html = re.sub(r"<title>(.*?) &#8212; \1</title>", r"<title>\1</title>", html)
    html = re.sub(r'(<html[^>]*data-theme=)"auto"', r'\1"light"', html)
    first, *others = re.findall(r'<meta name="viewport"[^>]*>', html) or [""]
    if others:
        head, rest = html.split(first, 1)
        html = head + first + re.sub(r'\s*<meta name="viewport"[^>]*>', "", rest)
    html = re.sub(r'(<summary)\s+aria-label="Toggle hidden content"', r"\1", html)
    html = html.replace('role="doc-biblioentry"', 'role="listitem"')
    html = re.sub(NUMBER, rf'<a role="doc-backlink" aria-label="{say(BACKLINK)}"\1>↑</a>', html)
    html = html.replace(
        '<div id="pst-primary-sidebar" class=', f"<div {LANDMARK.format(say(BOOK_LIST))} class="
    )
    html = re.sub(FORMULA, glue, html)
    if 'class="math' in html and TYPESETTING not in html:
        html = html.replace("</head>", f"{TYPESETTING}\n  </head>", 1)
    return html


def glue(found):
    before, formula, behind = found.groups()
    if not before and not behind:
        return formula
    return f'<span class="glued">{before}{formula}{behind}</span>'


def load_parts(app, config):
    """Not the bundle of sphinx-mathjax-offline: its parts are smaller (see mathjax3_config)."""
    config.mathjax_path = "mathjax/startup.js"


def setup(app):
    app.connect("config-inited", load_parts)
    app.connect("build-finished", lighten)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
