"""Numbers that a page does not compute: those of works that it cites, of checks, of the module."""

import ast
import json
import re
from functools import cache
from pathlib import Path

import number_sources as read

FACTS = Path(__file__).parent / "cited_numbers.json"
CITED_PAPER = "wang2018"  # "the paper", wherever the book says so
CITED = re.compile(r"\{cite[^}]*\}`([^`]+)`|\]\((https?://[^\s)]+)\)")


def cited(page, text):
    """The numbers of what a text cites, and of what its page knows: cited_numbers.json."""
    names = [page, *([CITED_PAPER] if re.search(r"\bpaper\b", text) else [])]
    for keys, address in CITED.findall(text):
        names += [key.strip() for key in keys.split(",")] if keys else [address]
    return [one for name in dict.fromkeys(names) for one in _facts(name)]


def in_tables(text):
    """The numbers of the paper's tables that a sentence names; None if it names none."""
    names = re.findall(r"\bTable \d[a-z]\b", text)
    told = facts()[CITED_PAPER]
    return [n for name in names for n in read.of_line(told.get(name, ""))] if names else None


@cache
def facts():
    """{work, address or page: {place in it: what it says}}."""
    return json.loads(FACTS.read_text(encoding="utf-8"))


@cache
def _facts(name):
    found = list(read.of_line(" ".join(re.findall(r"(?<=[a-z])(?:19|20)\d\d$", name))))
    for known, says in facts().items():
        if name == known or ("//" in known and name.startswith(known)):
            for place, text in says.items():
                found += read.of_line(f"{place}: {text}")
    return tuple(found)


def checks(book, cells):
    """The numbers in the checks of the exercises that some cells answer."""
    names = {n for c in cells if c.is_code for n in re.findall(r'check\("(\d\.\d)"', c.source)}
    return [one for name in sorted(names) for one in _checks(book.root).get(name, ())]


@cache
def _checks(root):
    found = {}
    for file in sorted((root / "nonlocal_tut/check").glob("chapter*.py")):
        text = file.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            said = isinstance(node, ast.FunctionDef) and (ast.get_docstring(node) or "")
            if said and re.match(r"\d\.\d:", said):
                found[said[:3]] = read.of_code(ast.get_source_segment(text, node))
    return found


def named(book, text):
    """The numbers in the arguments and docstrings of the module's functions that a text names."""
    names = set(re.findall(r"`(?:\w+\.)*(\w+)(?:\([^`]*\))?`", text))
    return [one for name in sorted(names) for one in _definitions(book.root).get(name, ())]


@cache
def _definitions(root):
    found = {}
    for file in sorted((root / "nonlocal_tut").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                takes = ast.unparse(node.args) if isinstance(node, ast.FunctionDef) else ""
                says = read.of_code(f"{takes}\n{ast.get_docstring(node) or ''}")
                found.setdefault(node.name, []).extend(says)
    return found
