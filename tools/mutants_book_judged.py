"""Who notices a mutant of the book: its rules in this process, then its notebooks and tests."""

import copy
import os
import re
import subprocess
import sys
from pathlib import Path

import book_numbers
import book_rules
import broken_books  # noqa: F401  all rules, registered
from book_pages import Book, Cell
from book_rules import RULES
from normal_form import write
from number_places import Computed, of_page
from predictions import RULES as OF_PREDICTIONS
from predictions import predictions
from repository import copy_tree

# Rules that look from page to page; the others are asked about the changed page alone.
ACROSS = set(
    "has_a_chapter pages_and_contents_agree citations_and_bibliography_agree claims_are_backed "
    "verdicts_agree every_problem_has_its_cell the_front_door_says_what_stands_behind_it "
    "anchors_lead_somewhere claims_point_the_same_way each_number_has_a_source "
    "colab_links_lead_home".split()
)
TESTS = {"book/cheatsheet.md": "tests/test_cheatsheet.py", "book/api.md": "tests/test_api_page.py"}
QUIET = ("-x", "-q", "--no-header", "-p", "no:cacheprovider")
SECONDS = 400


class Mutated(Book):
    """A book with one mistake; what the mistake does not touch is read once, for all mutants."""

    def __init__(self, book, mutant):
        super().__init__(book.root)
        self.mutant, self.original = mutant, book
        if not hasattr(book, "computed"):
            book.computed = Computed(book)
        touched = {"markdown", "code", "code_cells", "claims", "toc", "address"}
        if mutant.at[:1] == ("outputs",) or mutant.kind in ("number in code", "assertion gone"):
            touched.add("computed")
        self.__dict__ |= {k: v for k, v in vars(book).items() if k not in touched}
        if mutant.cell is not None:
            cells = list(book.notebooks[mutant.page])
            cells[mutant.cell] = _changed(cells[mutant.cell], mutant)
            self.__dict__["notebooks"] = book.notebooks | {mutant.page: cells}

    def text(self, name):
        if name != self.mutant.page:
            return self.original.text(name)
        return self.mutant.text if self.mutant.cell is None else _file(self)


def _changed(cell, mutant):
    node = copy.deepcopy(cell.node)
    place = node
    for step in mutant.at[:-1]:
        place = place[step]
    place[mutant.at[-1]] = mutant.text
    return Cell(cell.where, node, cell.in_solution)


def _file(book):
    """The text of the mutated notebook."""
    nb = copy.deepcopy(book.original.whole(book.mutant.page))
    nb.cells = [cell.node for cell in book.notebooks[book.mutant.page]]
    return write(nb)


def noticed_by(book, mutant):
    """The first rule of the book that reports a mutant, or ""; books and mutants as made."""
    mutated = Mutated(book, mutant)
    page = mutant.page
    if page in book.pages:
        if any(found for place in of_page(mutated, page) for found in _sourceless(place)):
            return "each_number_has_a_source"
        if page in book.notebooks and _odd_prediction(mutated.notebooks[page]):
            return "predictions"
    alone = Mutated(book, mutant)
    if page in book.pages:
        alone.__dict__["pages"] = [page]
        alone.__dict__["notebooks"] = {p: c for p, c in mutated.notebooks.items() if p == page}
    elsewhere = "computed" not in vars(mutated) or page.endswith("claims.md")
    for rule in RULES:
        if rule is book_rules.notebooks_are_normalised:
            continue  # a mistake within a text leaves the form as it is
        if rule is book_numbers.each_number_has_a_source and not elsewhere:
            continue  # a page's prose is no other page's source
        if rule(mutated if rule.__name__ in ACROSS else alone):
            return rule.__name__
    return ""


def _sourceless(place):
    return book_numbers.without_source(place)


def _odd_prediction(cells):
    try:
        return any(rule(one) for one in predictions(cells) for rule in OF_PREDICTIONS)
    except ValueError:  # a block that cannot be read
        return True


class Copy:
    """A copy of the repository in a temporary folder, in which a mutant is really run."""

    def __init__(self, root, folder):
        self.folder = Path(folder)
        copy_tree(root, self.folder)

    def runs(self, mutant, text):
        """Whether the notebook, or what reads the file, still passes with the mutant in it."""
        file = self.folder / mutant.page
        kept = file.read_bytes()
        file.write_text(text, encoding="utf-8")
        try:
            return all(self._passes(arguments) for arguments in self._judges(mutant.page))
        finally:
            file.write_bytes(kept)

    def _judges(self, page):
        if page.endswith(".ipynb"):
            yield ["--nbval", page]
        elif page in TESTS:
            yield [TESTS[page]]
        else:  # a data file: its tests, then the pages that read it
            yield ["tests/test_data_files.py"]
            name = Path(page).stem
            tests = [f for f in self._that_name(name, "tests/test_*.py") if "data_files" not in f]
            if tests:
                yield tests
            for notebook in self._that_name(name, "book/*.ipynb"):
                yield ["--nbval", notebook]

    def _that_name(self, name, pattern):
        quoted = re.compile(rf'\\?"{name}(?:\.json)?\\?"')
        files = sorted(self.folder.glob(pattern))
        found = [f for f in files if quoted.search(f.read_text(encoding="utf-8"))]
        return [f.relative_to(self.folder).as_posix() for f in found]

    def _passes(self, arguments):
        command = [sys.executable, "-m", "pytest", *QUIET, *arguments]
        environment = os.environ | {"PYTHONPATH": str(self.folder), "OMP_NUM_THREADS": "1"}
        try:
            done = subprocess.run(
                command, cwd=self.folder, env=environment, capture_output=True, timeout=SECONDS
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0
