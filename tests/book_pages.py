"""The book as its rules see it: pages, cells, prose, claims, read from the files below a root."""

import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import yaml
from normal_form import numbered, output_text, read
from set_repository import present_address, tag

CLAIM_COLUMNS = ["id", "the article says", "verdict", "what came out, and its cell"]


@dataclass(frozen=True)
class Cell:
    """One cell of a notebook, and where it is in words."""

    where: str  # "book/01_receptive_field.ipynb, code cell 3"
    node: dict
    in_solution: bool  # between {solution-start} and {solution-end}

    @property
    def is_code(self):
        return self.node.cell_type == "code"

    @property
    def source(self):
        return self.node.source

    @property
    def metadata(self):
        return self.node.metadata

    @property
    def tags(self):
        return self.metadata.get("tags", [])

    @property
    def outputs(self):
        return self.node.get("outputs", [])

    @property
    def output_texts(self):
        return [output_text(output) for output in self.outputs]


@dataclass(frozen=True)
class Claim:
    """One row of the table in claims.md."""

    where: str
    id: str
    verdict: str
    place: str  # the last column: links to pages, or "Cited, not run" and a citation


class Book:
    """Everything below `root` that a rule looks at; pages are named as in "book/intro.md"."""

    def __init__(self, root):
        self.root = Path(root)

    @cached_property
    def pages(self):
        """The names of all pages, notebooks and Markdown alike."""
        files = [*self.root.glob("book/*.ipynb"), *self.root.glob("book/*.md")]
        return sorted(f"book/{file.name}" for file in files if not file.name.startswith("_"))

    @cached_property
    def notebooks(self):
        """{page: its cells} for each notebook."""
        return {
            page: self._cells(page, read(self.text(page)))
            for page in self.pages
            if page.endswith(".ipynb")
        }

    @staticmethod
    def _cells(page, nb):
        cells, in_solution = [], False
        for name, node in numbered(nb):
            if node.cell_type == "markdown" and "{solution-start}" in node.source:
                in_solution = True
            if node.cell_type == "markdown" and "{solution-end}" in node.source:
                in_solution = False
            cells.append(Cell(f"{page}, {name}", node, in_solution))
        return cells

    @cached_property
    def code(self):
        """{page: its code cells} for each notebook."""
        return {page: [c for c in cells if c.is_code] for page, cells in self.notebooks.items()}

    @cached_property
    def code_cells(self):
        """The code cells of all notebooks."""
        return [cell for cells in self.code.values() for cell in cells]

    @cached_property
    def markdown(self):
        """(where, text) of each Markdown page and of each Markdown cell."""
        texts = [(page, self.text(page)) for page in self.pages if page.endswith(".md")]
        for cells in self.notebooks.values():
            texts += [(cell.where, cell.source) for cell in cells if not cell.is_code]
        return texts

    @cached_property
    def chapters(self):
        """The numbered notebooks, "book/01_…"."""
        return [page for page in self.notebooks if re.match(r"book/\d\d_", page)]

    @cached_property
    def address(self):
        """The repository's address, from `_config.yml`."""
        return present_address(self.root)

    @cached_property
    def tag(self):
        """The tag of the version that pages on Colab install."""
        return tag(self.root)

    @cached_property
    def toc(self):
        """The pages that `_toc.yml` names, without their endings."""

        def files(node):
            if isinstance(node, list):
                return [file for item in node for file in files(item)]
            if not isinstance(node, dict):
                return []
            own = [node[key] for key in ("root", "file") if key in node]
            return own + [file for value in node.values() for file in files(value)]

        names = files(yaml.safe_load(self.text("_toc.yml")))
        return [re.sub(r"\.(md|ipynb)$", "", name) for name in names]

    @cached_property
    def claims(self):
        """The rows of each table in claims.md that has the header CLAIM_COLUMNS, in order."""
        rows, in_table = [], False
        for number, line in enumerate(self.text("book/claims.md").splitlines(), 1):
            columns = [column.strip() for column in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
            if columns == CLAIM_COLUMNS:
                in_table = True
            elif not columns:
                in_table = False
            elif in_table and set("".join(columns)) - set(":- "):
                name, _, verdict, place = [*columns, "", "", ""][:4]
                name = name.strip("*`")
                rows.append(Claim(f"book/claims.md:{number}, {name}", name, verdict, place))
        return rows

    def text(self, name):
        """The text of a file below the root; empty when there is none."""
        file = self.root / name
        return file.read_text(encoding="utf-8") if file.is_file() else ""


@cache
def prose(markdown):
    """Markdown as it is read: no code blocks; inline code and formulas are one word each."""
    kept, fences = [], []
    for line in markdown.splitlines():
        fence = re.match(r"\s*(`{3,}|~{3,}|:{3,})\s*(.*)", line)
        closes = fence and fences and not fence[2] and fence[1].startswith(fences[-1][0])
        inside_code = bool(fences) and not fences[-1][1]
        if closes:
            fences.pop()
        elif fence and not inside_code:
            is_text = fence[2].startswith("{") and not re.match(r"\{(code|math)", fence[2])
            fences.append((fence[1], is_text))
            kept.append(line if is_text else "")
        elif not inside_code:
            kept.append(line)
    text = re.sub(r"<!--.*?-->", "", "\n".join(kept), flags=re.DOTALL)
    text = re.sub(r"\$\$.*?\$\$", "formula", text, flags=re.DOTALL)
    return re.sub(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)|\$[^$\n]+\$", "code", text)


@cache
def count_words(markdown):
    """How many words a reader reads in a piece of Markdown."""
    text = re.sub(r"^[ \t]*(:\w+:|[`~:]{3,}).*$", "", prose(markdown), flags=re.MULTILINE)
    text = re.sub(r"\]\([^)]*\)|https?://\S+|</?\w[^>]*>", " ", text)
    return sum(bool(re.search(r"[^\W\d_]", word)) for word in text.split())
