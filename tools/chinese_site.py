"""The Chinese edition's pages: the English ones with their translations, as a site of its own.

The sources are written into _build/zh, never by hand: text from the catalogues, code as it is, and
outputs as the English notebooks have them, with the words in figures and tables translated.
"""

import json
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import tested_on
import ways_table
import yaml
from catalogue import translations
from chinese_setting import kept_together
from docutils.nodes import make_id
from headings import plain
from normal_form import read, write
from repository import ROOT
from translated_pages import BOOK, headings, pages, teller, translated

from nonlocal_tut import words

SOURCE = ROOT / "_build" / "zh"
SHOWN = ("image/svg+xml", "text/html")
DRAWN = [BOOK / "_static" / "cousins.svg"]  # figures of a page that no cell makes
# Tables that a page includes: {text: (its data, what makes one from the other)}.
TABLES = {
    tested_on.table_of(tested_on.FILE): (tested_on.FILE, tested_on.rendered),
    ways_table.TABLE: (ways_table.PATH, ways_table.rendered),
}
CELL = re.compile(r"(?<=<td>)[^<]+|(?<=<td class=\"text-end\">)[^<]+")  # of a table
ANSWER = re.compile(r"^[○✗✓] .*$", re.MULTILINE)  # of `check`


def write_sources(source=SOURCE):
    """All that the edition is built from; a file that would be the same is not touched."""
    site = translations("site")
    put(source / "_config.yml", yaml.safe_dump(config(site), allow_unicode=True))
    put(source / "_toc.yml", yaml.safe_dump(contents(site), allow_unicode=True))
    for name, path in pages().items():
        if path.parent == BOOK:
            text = path.read_text(encoding="utf-8")
            told = translated(text, path.suffix, set_by(teller(name)))
            if path.suffix == ".ipynb":
                told = with_outputs(told)
            put(source / "book" / path.name, told)
    put(source / "book" / "_static" / "zh.js", page_script(site))
    addresses = {f"book/{p.stem}": address_of(p) for p in pages().values() if p.parent == BOOK}
    put(source / "addresses.json", json.dumps(addresses, indent=1))
    for part in ("_static", "_templates", "data", "references.bib"):
        mirror(BOOK / part, source / "book" / part, without={*DRAWN, *TABLES})
    for path in DRAWN:
        with in_chinese():
            put(source / path.relative_to(ROOT), words.markup(path.read_text(encoding="utf-8")))
    for path, text in tables(translations("tables")).items():
        put(source / path.relative_to(ROOT), text)


def tables(known):
    """{file: text} of what a page includes; what is not known are names and code."""
    return {
        path: rendered(
            json.loads(data.read_text(encoding="utf-8")), lambda words: known.get(words, words)
        )
        for path, (data, rendered) in TABLES.items()
    }


def set_by(tell):
    """A teller whose Chinese is set as a page has it."""
    return lambda message: kept_together(tell(message))


@contextmanager
def in_chinese():
    """The module speaks Chinese meanwhile."""
    words.use("zh")
    try:
        yield
    finally:
        words.use("en")


def address_of(path):
    """The addresses that the English page's sections have."""
    return [make_id(plain(heading)) for heading in headings(path)]


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def mirror(origin, copy, without):
    """The same files with the same times, so that nothing is built again without need."""

    def left_out(folder, names):
        return {name for name in names if Path(folder, name) in without}

    if origin.is_dir():
        shutil.copytree(origin, copy, dirs_exist_ok=True, ignore=left_out)
    else:
        shutil.copy2(origin, copy)


def config(site):
    """The English book's configuration, in Chinese and one folder deeper."""
    found = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    found["title"] = site[found["title"]]
    found["author"] = site[found["author"]]
    found["copyright"] = site[found["copyright"]]
    html, sphinx = found["html"], found["sphinx"]
    html["extra_footer"] = site[html["extra_footer"]]
    html["baseurl"] += "zh/"
    html["use_edit_page_button"] = False  # its pages are written by this tool
    sphinx["local_extensions"] = {name: str(ROOT / "tools") for name in sphinx["local_extensions"]}
    settings = sphinx["config"]
    settings["language"] = "zh_CN"
    settings["written_by_extensions"] = site | translations("docstrings")
    settings["html_js_files"] = [*settings["html_js_files"], "zh.js", "lines.js"]
    for key in ("nb_code_prompt_show", "nb_code_prompt_hide"):
        settings[key] = site[settings[key]]
    settings["togglebutton_hint"] = site["Click to show"]
    settings["togglebutton_hint_hide"] = site["Click to hide"]
    return found


def contents(site):
    found = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    for part in found["parts"]:
        part["caption"] = site[part["caption"]]
    return found


def with_outputs(text):
    """A notebook's outputs with their words in Chinese."""
    nb = read(text)
    with in_chinese():
        for cell in nb.cells:
            for output in cell.get("outputs", []):
                data = output.get("data", {})
                data |= {kind: words.markup(data[kind]) for kind in SHOWN if kind in data}
                if "text/html" in data:
                    data["text/html"] = CELL.sub(
                        lambda cell: kept_together(cell[0]), data["text/html"]
                    )
                if output.output_type == "stream":
                    output.text = ANSWER.sub(lambda line: words.say(line[0]), output.text)
    return write(nb)


def page_script(site):
    """What translates in the pages what their scripts write."""
    known = json.dumps(words.catalogue("zh") | site, ensure_ascii=False)
    start = f"() => listen(document.documentElement, speaker({known}))"
    return f"(() => {{\n{words.script()}addEventListener('DOMContentLoaded', {start});\n}})();\n"
