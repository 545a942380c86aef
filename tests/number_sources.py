"""Where numbers come from: outputs, code, formulas, each with the words by which it stands."""

import ast
import re
from dataclasses import dataclass
from functools import cache
from math import e, log10, prod, sqrt

from number_reading import FORMULA, WORD, around, in_words, stems

NUMBER = re.compile(
    r"(?<![\w.])[-−+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)"
    r"|(?<![A-Za-z_\d.])\d+(?:\.\d+)?(?:e[-+]?\d+)?(?!\d)"
    rf"|\b(?:{WORD})(?:-(?:{WORD}))?s?\b",
    re.IGNORECASE,
)
SIDES = re.compile(
    r"\d+(?:×\d+)+|\d+(?: by \d+)+|\d+(?:, ?\d+)+|[A-Z]=\d+(?: [A-Z]=\d+)+", re.IGNORECASE
)


@dataclass(frozen=True)
class Source:
    """A number, or the sides of a shape, and the stems of the words by it and of its line."""

    values: tuple
    near: frozenset = frozenset()
    words: frozenset = frozenset()
    run: tuple = ()  # all numbers of a line or column, for a source that stands for them
    written: bool = False  # as sides: 14×22
    whole: bool = False  # written without decimals: no source of 2.0


def _value(text):
    if re.match(r"[^\W\d]", text):
        return in_words(text)
    return abs(float(re.sub("[,+]", "", text).replace("−", "-")))


@cache
def of_line(line, more=frozenset()):
    """The numbers of a line, each with the words around it, and some more."""
    line = line.replace("_", " ")
    words = stems(line) | more
    found, matches = [], list(NUMBER.finditer(line))
    for m in (*matches, *SIDES.finditer(line)):
        near = more | around(line[: m.start()], line[m.end() :]) if len(words) > 5 else words
        if m.re is NUMBER:
            found.append(Source((_value(m[0]),), near, words, whole="." not in m[0]))
            continue
        sides = tuple(float(n) for n in re.findall(r"\d+", m[0]))
        found.append(Source(sides, near, words, written="," not in m[0]))
        found += [Source((p,), near, words) for p in _products(sides)]
    if len(matches) > 2:
        found.append(Source((), run=tuple(_value(m[0]) for m in matches)))
    return tuple(found)


def _products(sides):
    """What runs of sides come to: 14×22 is 308 positions."""
    n = len(sides)
    runs = {sides[i:j] for i in range(n) for j in range(i + 2, n + 1)}
    return {float(prod(run)) for run in runs}


@cache
def of_output(text):
    """The numbers that a cell prints; in a table, with the words of their column and row."""
    lines = [line for line in text.splitlines() if line.strip()]
    rows = [re.split(r"\s{2,}", line.strip()) for line in lines]
    if len(rows) > 1 and len(rows[0]) > 1 and {len(row) for row in rows} == {len(rows[0])}:
        return (*of_line(lines[0]), *_table(rows))
    firsts = [NUMBER.search(line) for line in lines]
    down = Source((), run=tuple(_value(m[0]) for m in firsts if m))
    return (*[one for line in lines for one in of_line(line)], down)


def _table(rows):
    for name, *column in zip(*rows, strict=True):
        for cell, (label, *_) in zip(column, rows[1:], strict=True):
            yield from of_line(cell, stems(name) | stems(label))
        numbers = [_value(cell) for cell in column if re.fullmatch(r"[\d,.]+", cell)]
        yield Source((), run=tuple(numbers))


@cache
def of_code(source):
    """The numbers of code, with the names, texts and comments of their lines."""
    found = [one for line in source.splitlines() for one in of_line(line)]
    return (*found, *_constants(source))


def _constants(source):
    """What arithmetic with constants alone comes to: 96 * 96, 2**20, 1 / 16."""
    try:
        tree = ast.parse(re.sub(r"^\s*[%!].*$", "", source, flags=re.MULTILINE))
    except SyntaxError:
        return
    lines = source.splitlines()
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp):
            value = evaluated(ast.unparse(node))
            if value is not None:
                words = stems(lines[node.lineno - 1].replace("_", " "))
                yield Source((value,), words, words)


ALLOWED = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.Constant, ast.operator, ast.unaryop)
NAMES = {"sqrt": sqrt, "log10": log10, "e": e}


def evaluated(expression):
    """What arithmetic comes to; None where there is more in it, or less."""
    try:
        tree = ast.parse(expression.strip(), mode="eval")
        for node in ast.walk(tree):
            known = isinstance(node, ast.Name) and node.id in NAMES
            if not known and not isinstance(node, (*ALLOWED, ast.Call, ast.Load)):
                return None
        return float(eval(compile(tree, "", "eval"), {"__builtins__": {}}, NAMES))
    except (SyntaxError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None


FRACTION = re.compile(r"\\[td]?frac(?:\{([^{}]*)\}\{([^{}]*)\}|(\d)(\d))")


@cache
def of_formulas(markdown):
    """The numbers of a text's formulas, and what each side of an equation comes to."""
    found = []
    for latex in formulas(markdown):
        found += of_line(latex)
        found += [Source((value,)) for value, _ in sides(latex) if value is not None]
    return tuple(found)


def formulas(markdown):
    return [m[0].strip("$") for m in FORMULA.finditer(markdown)]


@cache
def sides(latex):
    """What each side of an equation comes to, None where it has letters; and the side."""
    text = re.sub(r"\\(?:text|mathrm)\{[^}]*\}|\\[,;! ]|\\quad|\{,\}", "", latex)
    for _ in range(3):
        text = FRACTION.sub(lambda m: f"(({m[1] or m[3]})/({m[2] or m[4]}))", text)
        text = re.sub(r"\\sqrt\s*\{([^{}]*)\}", r"sqrt(\1)", text)
        text = re.sub(r"\^\{([^{}]*)\}", r"**(\1)", text)
    text = re.sub(r"\\sqrt\s*(\w)", r"sqrt(\1)", text)
    text = re.sub(r"\\log_\{10\}\s*([\d.]+)", r"log10(\1)", text)
    text = re.sub(r"\\(?:cdot|times)", "*", text).replace("^", "**").replace("²", "**2")
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    text = re.sub(r"(?<=\d)\s*(?=sqrt|log10|\()(?<!log10)", "*", text)
    parts = re.split(r"=|<|>|\\approx|\\to", text)
    return [(evaluated(part.replace("\\", "")), part.strip()) for part in parts]
