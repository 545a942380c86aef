"""A small book that keeps every rule, and the small edits that break it."""

from contextlib import contextmanager

from book_rules import SET_UP
from nbformat import v4
from normal_form import normalise, read, write

ADDRESS, TAG = "https://github.com/some-one/a-book", "v1.2"
NEAR, FAR = "book/01_near.ipynb", "book/02_far.ipynb"
SAYS = {"A2": "near", "A4": "far"}
FILES = {
    "_config.yml": f"repository:\n  url: {ADDRESS}\n  branch: main\n",
    "_toc.yml": "root: book/intro\nparts:\n  - chapters:\n      - file: book/01_near\n"
    "      - file: book/02_far\n  - chapters:\n"
    "      - file: book/claims\n      - file: book/references\n      - file: book/problems\n",
    "README.md": f"Read [the pages](book/intro.md) of {ADDRESS}.\n",
    "CITATION.cff": f"repository-code: {ADDRESS}\n",
    "pyproject.toml": f'[project]\nversion = "1.2"\n[project.urls]\nRepository = "{ADDRESS}"\n',
    "book/intro.md": "# Start\nGo to [near](01_near.ipynb#it-is-so) or [out](https://example.org).\n\n"
    "| 1 | [Look](01_near.ipynb) | 5 |\n| 2 | [Look](02_far.ipynb) | 5 |\n\n"
    "## What comes out?\n- **3.1** [seconds](#so-it-is).\n",
    "book/problems.md": "# Problems\n\n## Too slow\n\nIt takes its time, as all such cells do.\n\n"
    "→ [The cell](#so-it-is): `3.1`.\n",
    "book/_part.md": "Included elsewhere, and no page.\n",
    "book/references.bib": "@article{one, title={One}}\n\n@book{two,\n title={Two}}\n",
    "book/references.md": "- {cite:t}`one`: to start.\n- {cite:t}`two`: to go on.\n",
    "book/claims.md": "# Claims\n\n"
    "| id | the article says | verdict | what came out, and its cell |\n"
    "|---|---|---|---|\n"
    "| A1 | its source | holds | Cited, not run: {cite:t}`two` |\n"
    "| A2 | it is near | holds, with limits | Near ([the cell](#claim-a2-1)). |\n"
    "| A4 | it is far | holds | [Near](#claim-a4-1), [far](#claim-a4-2). |\n",
}


def build(root):
    """Write the small book below `root`."""
    for name, text in FILES.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    (root / NEAR).write_text(
        write(_chapter(NEAR, A2="Holds, with limits", A4="Holds")), encoding="utf-8"
    )
    (root / FAR).write_text(write(_chapter(FAR, A4="Holds")), encoding="utf-8")


def _chapter(page, **claims):
    colab = f"https://colab.research.google.com/github/some-one/a-book/blob/{TAG}/{page}"
    figure = v4.new_output("display_data", {"image/svg+xml": "<svg/>", "text/plain": "<Figure>"})
    seconds = "# not compared: the seconds differ on each machine\nprint(seconds)"
    cells = [
        v4.new_markdown_cell(f"# Look\n[Open in Colab]({colab}) · 5 minutes to read"),
        _code(SET_UP.format(address=ADDRESS, tag=TAG), tags=["hide-input"], cellView="form"),
        v4.new_markdown_cell("(so-it-is)=\n## It is so\n{cite}`one`. " + "word " * 1500),
        _code("draw()", figure, mystnb={"image": {"alt": "A white square, " * 3}}),
        _code(seconds, v4.new_output("stream", text="3.1 seconds\n"), tags=["nbval-ignore-output"]),
        v4.new_markdown_cell("```{solution-start} reach\n:class: dropdown\n```"),
        _code("\n".join(f"step({n})" for n in range(12))),
        v4.new_markdown_cell("```{solution-end}\n```"),
        *(
            _code(
                f"# Claim {claim}: it is {SAYS[claim]}. {verdict}.\nassert reach == 3",
                tags=[f"claim-{claim}"],
            )
            for claim, verdict in claims.items()
        ),
    ]
    for number, cell in enumerate((c for c in cells if c.cell_type == "code"), 1):
        cell.execution_count = number
    for cell in cells:
        del cell["id"]  # nbformat's is random; the normal form gives another
    nb = v4.new_notebook()
    nb.cells = cells
    normalise(nb)
    return nb


def _code(source, *outputs, **metadata):
    return v4.new_code_cell(source, outputs=list(outputs), metadata=metadata)


@contextmanager
def _code_cell(root, page, number):
    nb = read((root / page).read_text(encoding="utf-8"))
    yield [cell for cell in nb.cells if cell.cell_type == "code"][number - 1]
    (root / page).write_text(v4.writes_json(nb) + "\n", encoding="utf-8")


def source(number, text, page=NEAR):
    """An edit: code cell `number` has another source."""

    def edit(root):
        with _code_cell(root, page, number) as cell:
            cell.source = text

    return edit


def metadata(number, page=NEAR, **changed):
    """An edit: code cell `number` has other metadata."""

    def edit(root):
        with _code_cell(root, page, number) as cell:
            cell.metadata.update(changed)

    return edit


def count(number, execution_count):
    """An edit: code cell `number` has another execution count."""

    def edit(root):
        with _code_cell(root, NEAR, number) as cell:
            cell.execution_count = execution_count

    return edit


def prints(number, text, stream="stdout"):
    """An edit: code cell `number` has printed `text`, and nothing else."""

    def edit(root):
        with _code_cell(root, NEAR, number) as cell:
            cell.outputs = [v4.new_output("stream", name=stream, text=text)]

    return edit


def shows_html(number, html, **also):
    """An edit: code cell `number` has shown `html`, perhaps as plain text, and nothing else."""

    def edit(root):
        with _code_cell(root, NEAR, number) as cell:
            cell.outputs = [v4.new_output("display_data", {"text/html": html} | also)]

    return edit


def swap(file, old, new, times=-1):
    """An edit: `old` is `new` in the text of `file`, everywhere or so many times."""

    def edit(root):
        text = (root / file).read_text(encoding="utf-8")
        assert old in text, "this edit no longer changes anything"
        (root / file).write_text(text.replace(old, new, times), encoding="utf-8")

    return edit


def add(file, text):
    """An edit: there is one more file."""

    def edit(root):
        (root / file).parent.mkdir(exist_ok=True)
        (root / file).write_text(text, encoding="utf-8")

    return edit


def both(first, second):
    """An edit: one, then another."""

    def edit(root):
        first(root)
        second(root)

    return edit


def remove(*files):
    """An edit: some files are gone."""

    def edit(root):
        for file in files:
            (root / file).unlink()

    return edit
