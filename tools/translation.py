"""The Chinese edition's sources, from the English pages and their catalogues.

python tools/translation.py update [PAGE …]   catalogues follow the English; what is left to do
python tools/translation.py check [PAGE …]    what is wrong with the translations
python tools/translation.py write             what is made of them: see below

Written are the notebooks in book/zh, which Colab opens, README.zh.md, and the module's sentences,
nonlocal_tut/words/zh.json. None of them is edited by hand.
"""

import json
import re
import sys

import nbformat
import yaml
from catalogue import brought_up_to_date, load, save, translations
from normal_form import normalise, read
from normal_form import write as notebook_text
from repository import ROOT
from translated_pages import glossary, messages, pages, teller, translated
from translation_rules import faults

# What stays as it is in both languages, and why.
LATIN = {
    r"$$\frac{P - 2K}{D} + 2K .$$": "a formula",
}
MODULE = "words"  # the catalogue of what the module says
SPEAKS = """\
# @title 中文：图、表格和练习的提示也说中文
from nonlocal_tut import words

words.use("zh")"""
COLAB = re.compile(r"(https://colab\.[^\s)]*/book/)(?=\w)")
MARKDOWN_PAGE = re.compile(r"\]\((\w+)\.md(#[\w-]+)?\)")


def update(names=()):
    """Each page's catalogue has the page's messages; returns what still is to be translated."""
    left = {}
    for name, path in pages().items():
        if names and name not in names:
            continue
        catalogue = brought_up_to_date(load(name), name, messages(path))
        save(name, catalogue)
        left[name] = [m.id for m in catalogue if m.id and (m.fuzzy or not m.string)]
    return left


def check(names=()):
    """{page: [(message, what is wrong)]} of what is translated."""
    terms, found = glossary(), {}
    for name in pages():
        if names and name not in names:
            continue
        found[name] = [
            (source, fault)
            for source, told in translations(name).items()
            if name != "glossary" or source.lower() not in terms
            for fault in faults(source, told, terms, may_be_latin=source in LATIN)
        ]
    return found


def made():
    """{path: text} of all that is made of the catalogues and the English pages."""
    found = {ROOT / "nonlocal_tut" / "words" / "zh.json": sentences()}
    for name, path in pages().items():
        text = path.read_text(encoding="utf-8")
        told = teller(name)
        if path.suffix == ".ipynb":
            text = translated(text, path.suffix, told, outputs=False)
            found[path.parent / "zh" / path.name] = for_colab(text)
        elif name == "README":
            text = COLAB.sub(r"\1zh/", translated(text, path.suffix, told))
            found[path.with_name("README.zh.md")] = text
    return found


def sentences():
    known = dict(sorted(translations(MODULE).items()))
    return json.dumps(known, ensure_ascii=False, indent=0) + "\n"


def for_colab(text):
    """A Chinese notebook that stands alone: its module speaks Chinese, its links lead somewhere."""
    nb = read(text)
    site = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["html"]["baseurl"]
    at = next(n for n, cell in enumerate(nb.cells) if cell.cell_type == "code")
    shown = {"cellView": "form", "tags": ["hide-input"]}
    nb.cells.insert(at + 1, nbformat.v4.new_code_cell(SPEAKS, metadata=shown, id="zh"))
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = COLAB.sub(r"\1zh/", cell.source)
            cell.source = MARKDOWN_PAGE.sub(rf"]({site}zh/book/\1.html\2)", cell.source)
    normalise(nb)
    return notebook_text(nb)


def write():
    for path, text in made().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def main(arguments):
    what, *names = arguments or ["--help"]
    if what == "update":
        for name, left in update(names).items():
            print(f"{name}: {len(left)} to translate" if left else f"{name}: complete")
        return 0
    if what == "check":
        found = check(names)
        for name, faulty in found.items():
            for source, fault in faulty:
                print(f"{name}: {source[:60]!r}: {fault}")
        return int(any(found.values()))
    if what == "write":
        write()
        return 0
    print(__doc__)
    return 0 if what in ("--help", "-h") else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
