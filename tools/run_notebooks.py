"""Run the book's notebooks from top to bottom and write them back in one normal form.

    python tools/run_notebooks.py [PATH ...]           run, normalise, write back
    python tools/run_notebooks.py --check [PATH ...]   run nothing, say what is not in order

A notebook is written back only when all of its cells ran. Whether stored outputs are still
those that the code gives is nbval's question (`pytest --nbval`), not this tool's.
"""

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import ValidationError
from normal_form import ANSI, faults, may_raise, normalise, problems, read, write
from slim_figures import slim_all

ROOT = Path(__file__).resolve().parent.parent
SECONDS_PER_CELL = 600


class CellFailed(Exception):
    """A cell raised, killed its kernel or took too long."""

    def __init__(self, number, cell, error):
        super().__init__(f"code cell {number} failed\n\n{cell.source}\n\n{ANSI.sub('', error)}")


class _Interpreter(KernelSpecManager):
    """Starts the kernel of one interpreter, whatever kernels the user has registered."""

    python = sys.executable

    def get_kernel_spec(self, kernel_name):
        argv = [self.python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")


def kernel_environment():
    """This process's environment, with the module of this checkout first on the path."""
    quiet = {"KINETO_LOG_LEVEL": "6", "TORCH_LOGS": "-torch.utils.flop_counter"}  # on stderr
    env = {"OMP_NUM_THREADS": "1", **quiet, **os.environ}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), env.get("PYTHONPATH")]))
    env.pop("MPLBACKEND", None)  # any other backend than the kernel's own keeps figures to itself
    return env


def execute(nb, folder, *, python=sys.executable, env=None, progress=lambda number: None):
    """Run the code cells of `nb`, in place, in a fresh kernel of `python` started in `folder`.

    Raises `CellFailed` at the first cell that raises without a tag that says it should.
    """
    interpreter = _Interpreter()
    interpreter.python = str(python)
    km = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=interpreter)
    client = NotebookClient(
        nb, km=km, timeout=SECONDS_PER_CELL, allow_errors=True, record_timing=False
    )
    cells = [(index, cell) for index, cell in enumerate(nb.cells) if cell.cell_type == "code"]
    with client.setup_kernel(cleanup_kc=True, cwd=str(folder), env=env or kernel_environment()):
        for number, (index, cell) in enumerate(cells, 1):
            progress(number)
            try:
                client.execute_cell(cell, index, execution_count=number)
            except (CellTimeoutError, DeadKernelError) as error:
                raise CellFailed(number, cell, str(error)) from None
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = number
                if output.output_type == "error" and not may_raise(cell):
                    raise CellFailed(number, cell, "\n".join(output.traceback))


def run(path):
    """Run one notebook and write it back; raise and leave the file alone if anything is wrong."""
    name, live, start = os.path.relpath(path), sys.stdout.isatty(), time.monotonic()
    before = path.read_text(encoding="utf-8")
    nb = read(before)
    normalise(nb)
    total = sum(cell.cell_type == "code" for cell in nb.cells)

    def progress(number):
        if live:
            print(f"\r\x1b[K{name}: code cell {number} of {total}", end="", flush=True)

    try:
        execute(nb, path.resolve().parent, progress=progress)
    finally:
        if live:
            print("\r\x1b[K", end="", flush=True)
    normalise(nb)
    slim_all(nb)
    if found := faults(nb):
        raise ValueError("\n".join(["it ran, but cannot be kept:", *found]))
    _replace(path.resolve(), before, write(nb))
    print(f"{name}: {total} code cells in {time.monotonic() - start:.1f} s", flush=True)


def _replace(path, before, text):
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_text(text, encoding="utf-8", newline="\n")
        shutil.copymode(path, beside)
        if path.read_text(encoding="utf-8") != before:
            raise ValueError("the file was edited while it ran; run it again")
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def check(path):
    """Print whether one notebook is normalised and fully executed, and return whether it is."""
    try:
        found = problems(path.read_bytes().decode("utf-8"))
    except (ValueError, ValidationError) as error:
        found = [str(error)]
    print(f"{os.path.relpath(path)}: {'not in order' if found else 'in order'}")
    for line in found:
        print("  " + line.replace("\n", "\n    "))
    return not found


def main(argv=None):
    parser = argparse.ArgumentParser(description="Run the book's notebooks and normalise them.")
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="else all of book/")
    parser.add_argument("--check", action="store_true", help="run nothing, say what is amiss")
    args = parser.parse_args(argv)
    paths = args.paths or sorted((ROOT / "book").glob("*.ipynb"))
    if not paths:
        parser.error("there is no notebook in book/")
    for path in paths:
        if not path.is_file():
            parser.error(f"there is no notebook {path}")
    if args.check:
        return 0 if all([check(path) for path in paths]) else 1
    for path in paths:
        try:
            run(path)
        except (CellFailed, ValueError, ValidationError) as error:
            print(f"{os.path.relpath(path)}: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print(f"{os.path.relpath(path)}: stopped; the file is as it was", file=sys.stderr)
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
