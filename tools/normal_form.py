"""The one form in which the book's notebooks are committed, so that a diff shows what changed."""

import hashlib
import json
import re
from itertools import count

import nbformat

NOTEBOOK_KEYS = ("cells", "metadata", "nbformat", "nbformat_minor")
NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3", "name": "python3"},
    "language_info": {"name": "python"},
}
CELL_KEYS = {
    "code": ("cell_type", "execution_count", "id", "metadata", "outputs", "source"),
    "markdown": ("attachments", "cell_type", "id", "metadata", "source"),
    "raw": ("attachments", "cell_type", "id", "metadata", "source"),
}
CELL_METADATA = ("cellView", "mystnb", "tags")
EXPECTS_AN_ERROR = {"raises-exception", "nbval-raises-exception"}
WIDGET = "application/vnd.jupyter.widget-view+json"
ANSI = re.compile(r"\x1b\[[\d;]*m")
LOCAL_PATH = re.compile(
    r"(?<![\w.<])/(?:home|root|tmp|Users|work|content|opt|usr|var|mnt)\b[^\s'\")]*"
    r"|(?<!\w)~/[\w.][^\s'\")]*"
    r"|\b[A-Z]:\\\w[^\s'\")]*"
    r"|(?<![^\s'\"(])[^\s'\"(]*\bsite-packages\b[^\s'\")]*"  # from where a word begins: else slow
)


def read(text):
    """Parse a notebook without repairing it; `ValueError` when it is none of nbformat 4."""
    content = json.loads(text)
    if not isinstance(content, dict) or content.get("nbformat") != 4 or "cells" not in content:
        raise ValueError("this is not a notebook in nbformat 4")
    return nbformat.v4.to_notebook_json(content)


def write(nb):
    """The text of a normalised notebook: keys sorted, one line a source line, a last newline."""
    nbformat.validate(nb)
    return nbformat.v4.writes_json(nb) + "\n"


def problems(text):
    """What keeps a notebook's text from being normalised and fully executed, in words."""
    nb = read(text)
    found = normalise(nb) + faults(nb)
    if not found and write(nb) != text:
        found.append("the order of keys, the indentation or the last newline is not the usual one")
    return found


def numbered(nb):
    """Pair each cell with the name that its reader would use: "code cell 3"."""
    counters = {}
    for cell in nb.cells:
        number = next(counters.setdefault(cell.cell_type, count(1)))
        yield f"{cell.cell_type} cell {number}", cell


def normalise(nb):
    """Put `nb` into the book's form, in place, and return what was amiss, in words."""
    amiss = []
    if nb.get("nbformat_minor") != 5:
        amiss.append(f"nbformat is 4.{nb.get('nbformat_minor')}, not 4.5")
        nb.nbformat_minor = 5
    _keep(nb, NOTEBOOK_KEYS, "notebook: key", amiss)
    _keep(nb.metadata, NOTEBOOK_METADATA, "notebook: metadata", amiss)
    for key, value in NOTEBOOK_METADATA.items():
        if nb.metadata.get(key) != value:
            amiss.append(f"notebook: {key} is not {value}")
            nb.metadata[key] = nbformat.from_dict(value)
    amiss += [f"{name}: empty" for name, cell in numbered(nb) if not cell.source.strip()]
    nb.cells = [cell for cell in nb.cells if cell.source.strip()]
    taken = set()
    for name, cell in numbered(nb):
        _keep(cell, CELL_KEYS[cell.cell_type], f"{name}: key", amiss)
        _keep(cell.metadata, CELL_METADATA, f"{name}: metadata", amiss)
        if cell.metadata.get("tags") == []:
            amiss.append(f"{name}: an empty list of tags")
            del cell.metadata["tags"]
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", cell.get("id", "")) or cell.id in taken:
            amiss.append(f"{name}: its id, {cell.get('id')!r}, is missing, malformed or taken")
            cell.id = _new_id(cell, taken)
        taken.add(cell.id)
        if cell.cell_type == "code":
            cell.outputs = _normal_outputs(cell.outputs, name, amiss)
    return amiss


def _keep(mapping, known, where, amiss):
    for key in [key for key in mapping if key not in known]:
        amiss.append(f"{where} {key!r} does not belong in a page")
        del mapping[key]


def _new_id(cell, taken):
    # From the source, not the position: a cell added above must not rename this one.
    for n in count():
        new = hashlib.sha256(f"{cell.cell_type}{n}{cell.source}".encode()).hexdigest()[:8]
        if new not in taken:
            return new


def _normal_outputs(outputs, name, amiss):
    kept = []
    for output in outputs:
        last = kept[-1] if kept else {}
        if output.output_type == "stream" and output.name == last.get("name"):
            amiss.append(f"{name}: {output.name} in several pieces")
            last.text += output.text
            continue
        if output.output_type == "error":
            # A frame outside the page shows a path of this machine, and is not the lesson.
            own = [frame for frame in output.traceback if not _plain(frame).startswith("File ")]
            if own != output.traceback:
                amiss.append(f"{name}: its traceback leaves the page")
                output.traceback = own
        if "data" in output:
            if output.data.pop(WIDGET, None):
                amiss.append(f"{name}: a widget, which needs a kernel")
            _keep(output.metadata, output.data, f"{name}: output metadata", amiss)
        kept.append(output)
    return kept


def faults(nb):
    """What only the page's author can mend, in words: cells not run, stderr, local paths."""
    found = []
    cells = ((name, cell) for name, cell in numbered(nb) if cell.cell_type == "code")
    for number, (name, cell) in enumerate(cells, 1):
        if cell.execution_count is None:
            found.append(f"{name}: not executed")
            continue
        counts = {o.execution_count for o in cell.outputs if o.output_type == "execute_result"}
        if counts | {cell.execution_count} != {number}:
            found.append(f"{name}: executed out of order, as number {cell.execution_count}")
        raised = any(output.output_type == "error" for output in cell.outputs)
        if raised != may_raise(cell):
            found.append(f"{name}: " + ("it raised" if raised else "tagged to raise, it did not"))
        for output in cell.outputs:
            if output.get("name") == "stderr":
                found.append(f"{name}: it wrote to stderr:\n{output.text.rstrip()}")
            for path in LOCAL_PATH.finditer(output_text(output)):
                found.append(f"{name}: its output shows a path of this machine, {path[0]}")
    return found


def may_raise(cell):
    """Whether the cell's tags say that it raises on purpose."""
    return bool(EXPECTS_AN_ERROR & set(cell.metadata.get("tags", [])))


def output_text(output):
    """What a reader can read in one output: streams, tracebacks, text, HTML and SVG."""
    pieces = [output.get("text", ""), *output.get("traceback", [])]
    for kind, data in output.get("data", {}).items():
        if kind.startswith("text/") or kind.endswith(("xml", "javascript")):
            pieces.append(data)
    return _plain("\n".join(pieces))


def _plain(text):
    return ANSI.sub("", text)
