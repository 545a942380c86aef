"""The mutants of a file: one small change each, by mutmut's operators.

mutmut's own run puts all mutants of a function behind a dispatcher, whose frames and lines the
bytes' reports and the ledger would show. Here each is a file with one change in it.

Left out, as in mutmut: annotations, decorators, docstrings, calls of len and isinstance. Left out,
beside these: `__all__`; the words of an error; zip's `strict`, which speaks at a mistake of our own
alone; and a string's second and third mutant (in lower and in upper case; the first, "XX" around
it, is kept).
"""

import difflib
import hashlib
from dataclasses import dataclass
from functools import cached_property

import libcst as cst
from libcst.metadata import (
    MetadataWrapper,
    ParentNodeProvider,
    PositionProvider,
    WhitespaceInclusivePositionProvider,
)
from mutmut.mutation.mutators import mutation_operators


@dataclass(frozen=True)
class Mutant:
    path: str  # from the root of the repository
    source: str  # of the file, as it is
    start: int  # characters of the source that another text takes the place of
    end: int
    put: str
    first: int  # of the top-level statement around it, in characters
    statement: str
    line: int
    lines: range  # of the smallest statement around it
    scope: range  # of the smallest function around it; empty outside of all

    @cached_property
    def text(self) -> str:
        """The file with the change in it."""
        return self.source[: self.start] + self.put + self.source[self.end :]

    @cached_property
    def id(self) -> str:
        """What a verdict is filed under: a change elsewhere in the file leaves it as it is."""
        change = (self.path, self.statement, self.start - self.first, self.end - self.start)
        return hashlib.sha256(repr((*change, self.put)).encode()).hexdigest()[:16]

    @cached_property
    def change(self) -> tuple[str, str]:
        """The lines that change, before and after, without their margins."""
        pair = self.source.splitlines(), self.text.splitlines()
        rows = [*difflib.unified_diff(*pair, n=0, lineterm="")][2:]
        return tuple(" ".join(row[1:].strip() for row in rows if row[0] == s) for s in "-+")


def _is_strict(arg):
    return arg.keyword is not None and arg.keyword.value == "strict"


def _but_strict(node):
    """What of a call is told apart: by identity, as libcst's nodes are."""
    if not isinstance(node, cst.Call):
        return node
    return [node.func, *(arg for arg in node.args if not _is_strict(arg))]


class _Walk(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (
        ParentNodeProvider,
        PositionProvider,
        WhitespaceInclusivePositionProvider,
    )

    def __init__(self, path, module, source):
        super().__init__()
        self.path, self.module, self.source, self.found = path, module, source, []
        lines = source.splitlines(keepends=True)
        self.before = [0]
        for line in lines:
            self.before.append(self.before[-1] + len(line))

    def on_visit(self, node):
        if self._left_out(node):
            return False
        for kind, operator in mutation_operators:
            if isinstance(node, kind):
                made = list(operator(node))
                if isinstance(node, cst.SimpleString):
                    made = [] if self._within(node, cst.Raise) else made[:1]
                if isinstance(node, cst.Call):
                    made = [new for new in made if _but_strict(new) != _but_strict(node)]
                self.found += [self._mutant(node, new) for new in made]
        return True

    def _left_out(self, node):
        if isinstance(node, cst.Annotation | cst.Decorator | cst.Import | cst.ImportFrom):
            return True
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Name):
            return node.func.value in ("len", "isinstance")
        if isinstance(node, cst.Arg):
            return _is_strict(node)
        if isinstance(node, cst.Assign):
            target = node.targets[0].target
            return isinstance(target, cst.Name) and target.value == "__all__"
        return False

    def _within(self, node, *kinds):
        """The smallest node of these kinds around this one, or None."""
        while node is not None and not isinstance(node, kinds):
            node = self.get_metadata(ParentNodeProvider, node, None)
        return node

    def _lines(self, node):
        at = self.get_metadata(PositionProvider, node)
        return range(at.start.line, at.end.line + 1)

    def _span(self, node):
        at = self.get_metadata(WhitespaceInclusivePositionProvider, node)
        return [self.before[p.line - 1] + p.column for p in (at.start, at.end)]

    def _mutant(self, node, new):
        start, end = self._span(node)
        put = self.module.code_for_node(new)
        if "\n" in self.source[start:end]:  # code_for_node knows no margins
            text, rest = self.module.deep_replace(node, new).code, self.source[end:]
            assert text.startswith(self.source[:start]) and text.endswith(rest), self.path
            put = text[start : len(text) - len(rest)]
        top = node
        while not isinstance(parent := self.get_metadata(ParentNodeProvider, top), cst.Module):
            top = parent
        first, last = self._span(top)
        line = self.get_metadata(PositionProvider, node).start.line
        around = self._within(node, cst.SimpleStatementLine, cst.BaseCompoundStatement)
        lines = self._lines(around)
        if isinstance(around, cst.BaseCompoundStatement):  # in its head
            lines = range(lines[0], self._lines(around.body)[0])
        function = self._within(node, cst.FunctionDef)
        scope = range(0) if function is None else self._lines(function.body)
        statement = self.source[first:last]
        return Mutant(self.path, self.source, start, end, put, first, statement, line, lines, scope)


def mutants(path: str, source: str) -> list[Mutant]:
    """All mutants of a file that compile, in the order of its lines, none twice."""
    module = cst.parse_module(source)
    walk = _Walk(path, module, source)
    MetadataWrapper(module, unsafe_skip_copy=True).visit(walk)
    found = {}
    for mutant in sorted(walk.found, key=lambda mutant: mutant.start):
        try:
            compile(mutant.text, path, "exec")
        except SyntaxError:
            continue
        if mutant.text != source:
            found.setdefault(mutant.id, mutant)
    return list(found.values())
