"""The rules that a page keeps by itself: each takes a `Book`, returns its problems in words."""

import re
import socket

from book_pages import count_words
from normal_form import LOCAL_PATH, problems

RULES = []

SET_UP = """\
# @title Set-up: find the book's module, or fetch it (Colab already has torch, numpy and matplotlib)
import importlib.util

if importlib.util.find_spec("nonlocal_tut") is None:
    %pip install --quiet --no-deps git+{address}@{tag}"""
HIDES_THE_CODE = {"hide-input", "hide-cell", "remove-cell", "remove-input"}
NOT_COMPARED = {"nbval-ignore-output", "nbval-skip"}
SHELL = re.compile(  # what hands a line to a shell, whose failure nobody sees
    r"^\s*(?:(?:[^#\"{}=\n]+=|%%?\w+)\s*)?!|^\s*%%?(?:bash|sh|script|sx|system|cmd|perl|ruby|!)"
    r"|get_ipython\(\)\.(?:system|getoutput)|\bos\.system\(",
    re.MULTILINE,
)
CLAIM_IDS = [f"A{n}" for n in range(1, 17)]
TAGS = {
    *HIDES_THE_CODE,
    *NOT_COMPARED,
    *("hide-output", "remove-output", "raises-exception", "nbval-raises-exception"),
    *(f"claim-{claim}" for claim in CLAIM_IDS),
}


def rule(function):
    """Register a rule: `test_book.py` applies it to the book and to its broken examples."""
    RULES.append(function)
    return function


@rule
def has_a_chapter(book):
    return [] if book.chapters else ["book/: no chapter, which is a notebook named 01_….ipynb"]


@rule
def executed_in_order(book):
    return [
        f"{cell.where}: its execution count is {cell.node.execution_count}, not {number}"
        for cells in book.code.values()
        for number, cell in enumerate(cells, 1)
        if cell.node.execution_count != number
    ]


@rule
def figures_have_alt_text(book):
    found = []
    for cell in book.code_cells:
        if any(
            key.startswith("image/") for output in cell.outputs for key in output.get("data", {})
        ):
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            if len(alt.strip()) < 40:
                found.append(
                    f"{cell.where}: mystnb.image.alt has {len(alt.strip())} characters of 40"
                )
    return found


@rule
def set_up_cell_is_the_same(book):
    wanted, found = SET_UP.format(address=book.address, tag=book.tag), []
    for page, cells in book.code.items():
        fetching = [cell for cell in cells if "pip install" in cell.source]
        if len(fetching) != 1 or fetching[0] is not cells[0]:
            found.append(f"{page}: {len(fetching)} cells fetch the module; one must, the first")
        for cell in fetching:
            if cell.source != wanted:
                found.append(f"{cell.where}: the set-up cell differs from the other pages'")
            if cell.tags != ["hide-input"] or cell.metadata.get("cellView") != "form":
                found.append(f'{cell.where}: set-up needs the tag hide-input and cellView "form"')
    return found


@rule
def tags_are_known(book):
    found = []
    for cells in book.notebooks.values():
        for cell in cells:
            found += [f"{cell.where}: unknown tag {tag!r}" for tag in cell.tags if tag not in TAGS]
            if cell.is_code and "NBVAL_" in cell.source:
                found.append(
                    f"{cell.where}: a NBVAL_ comment; use the tag, which readers do not see"
                )
    return found


@rule
def folds_have_names(book):
    """A folded cell is called after its first comment (see tools/book_targets.py)."""
    return [
        f"{cell.where}: it is folded, and no comment on top says under which name"
        for cell in book.code_cells
        if {"hide-input", "hide-cell"} & {*cell.tags} and not re.match(r"# \S", cell.source)
    ]


@rule
def nothing_goes_to_a_shell(book):
    return [
        f"{cell.where}: {match[0].strip()!r} goes to a shell, and if it fails, nobody is told"
        for cell in book.code_cells
        for match in SHELL.finditer(cell.source)
    ]


@rule
def not_comparing_has_a_reason(book):
    return [
        f"{cell.where}: not compared, but no line `# not compared: …` says why"
        for cell in book.code_cells
        if NOT_COMPARED & set(cell.tags)
        and not re.search(r"^\s*# not compared: \S.{19,}$", cell.source, re.MULTILINE)
    ]


@rule
def outputs_are_portable(book):
    host = socket.gethostname()
    # A host called "depth" cannot be told from the word.
    name = rf"\b{re.escape(host)}\b" if re.search(r"[\d-]", host) and len(host) > 4 else r"(?!)"
    unwanted = {
        "a path of one machine": LOCAL_PATH,
        "a memory address": re.compile(r"\b0x[0-9a-fA-F]{6,}"),
        "the name of this machine": re.compile(name),
    }
    found = []
    for cell in book.code_cells:
        if any(output.get("name") == "stderr" for output in cell.outputs):
            found.append(f"{cell.where}: its output has stderr")
        for text in cell.output_texts:
            for what, pattern in unwanted.items():
                found += [
                    f"{cell.where}: its output has {what}, {m[0]}" for m in pattern.finditer(text)
                ]
    return found


@rule
def notebooks_are_small(book):
    sizes = {page: (book.root / page).stat().st_size for page in book.notebooks}
    return [
        f"{page}: {size / 1000:.0f} kB; a page has less than 400 kB"
        for page, size in sizes.items()
        if size >= 400_000
    ]


@rule
def notebooks_are_normalised(book):
    return [f"{page}: {line}" for page in book.notebooks for line in problems(book.text(page))]


@rule
def visible_code_is_short(book):
    found = []
    for cell in book.code_cells:
        lines = sum(bool(line.strip()) for line in cell.source.splitlines())
        if lines > 9 and not cell.in_solution and not HIDES_THE_CODE & set(cell.tags):
            found.append(f"{cell.where}: {lines} lines of code; a visible cell has at most 9")
    return found


@rule
def chapters_have_one_length(book):
    found = []
    for page in book.chapters:
        words = sum(count_words(c.source) for c in book.notebooks[page] if not c.is_code)
        if not 1500 <= words <= 3000:
            found.append(f"{page}: {words} words; a chapter has 1,500 to 3,000")
    return found
