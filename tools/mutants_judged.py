"""Who judges a mutant, and how: tests or pages run on a copy of the tree with that one change.

Each run is a fork of this process, which has imported torch and pytest but never nonlocal_tut, so
that a verdict takes about a second and not ten. A file is first run on the copy as it is, under
coverage: it has to pass, and says which of its tests run which lines. A mutant is shown to the
tests that run its statement, the quickest first, up to the first that fails.
"""

import hashlib
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("EVERY", "1")  # all cases, as on main: tests/every.py
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: forks want a process of one thread

import coverage
import hypothesis  # noqa: F401  this and the rest: once, for all forks
import matplotlib.pyplot  # noqa: F401
import nbformat
import nbval  # noqa: F401
import psutil
import pytest
import torch._dynamo
import torch.utils.flop_counter  # noqa: F401
from repository import ROOT, copy_tree

KEPT = ROOT / "_build" / "mutants"
PATIENCE = 600  # seconds for a file as it is
# The tracer takes minutes under coverage: its tests judge what no other runs, and come first there.
QUICK = "not compil and not export"
MEMORY = 8 * 2**30  # resident bytes; a loop without an end must not take the machine along
SAVE = "import coverage\ncoverage.process_startup.coverage.save()"  # nbval kills its kernels
# Pytest's exit codes: 2 and 3 when it could not even collect, 5 when there was nothing to collect.
ENDS = {0: "survived", 1: "killed", 2: "killed", 3: "killed", 5: "survived"}
ENDS[-signal.SIGALRM] = "timed out"


class Fails(Exception):
    """A file fails without a mutant."""


class Tests:
    """Pytest's files, test by test: which of them to run, in which order, and who runs what."""

    def __init__(self, chosen=None, known=None, measured=None):
        self.chosen, self.known, self.measured, self.seconds = chosen, known, measured, {}

    def pytest_collection_modifyitems(self, items):
        """Those chosen, in their order; first of all those that the mutant alone has."""
        if self.chosen is not None:
            order = dict.fromkeys({item.nodeid for item in items} - {*self.known}, -1)
            order |= {name: number for number, name in enumerate(self.chosen)}
            kept = [item for item in items if item.nodeid in order]
            items[:] = sorted(kept, key=lambda item: order[item.nodeid])

    def pytest_runtest_logstart(self, nodeid):
        if self.measured is not None:
            self.measured.switch_context(nodeid)
        if self.chosen is not None:  # a loop without an end is known by its test
            signal.setitimer(signal.ITIMER_REAL, 30 + 10 * self.known.get(nodeid, 6))

    def pytest_runtest_logfinish(self):
        signal.setitimer(signal.ITIMER_REAL, 0)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef, request):
        """What several tests share counts for all tests of the file."""
        if self.measured is None or fixturedef.scope == "function":
            return (yield)
        self.measured.switch_context(request._pyfuncitem.nodeid.split("::")[0])
        try:
            return (yield)
        finally:
            self.measured.switch_context(request._pyfuncitem.nodeid)

    def pytest_runtest_logreport(self, report):
        before = self.seconds.get(report.nodeid, 0)
        self.seconds[report.nodeid] = before + report.duration


class Copy:
    """A copy of the tree for as long as the context lasts, in which mutants live and die."""

    def __enter__(self):
        self.kept = tempfile.TemporaryDirectory(prefix="mutants-")
        self.folder, self.known = Path(self.kept.name), {}
        self.tree = self.folder / "tree"
        copy_tree(ROOT, self.tree)
        return self

    def __exit__(self, *error):
        self.kept.cleanup()

    def digest(self, *names):
        """Of these files and folders, as they are in the copy."""
        said = hashlib.sha256()
        for name in names:
            for path in sorted([self.tree / name, *(self.tree / name).rglob("*")]):
                if path.is_file() and path.suffix != ".pyc":
                    said.update(str(path.relative_to(self.tree)).encode() + path.read_bytes())
        return said.hexdigest()[:12]

    def baseline(self, file):
        """A file without a mutant: {"seconds": {test: s}, "lines": {path: {line: tests}}}.

        Kept in _build/mutants until the file, what tests share, or the module changes. Raises
        `Fails` if it does not pass, also with its tests in the order that mutants see.
        """
        folders = [p for name in ("tests", "tools") for p in (self.tree / name).glob("*.py")]
        shared = {f"{p.parent.name}/{p.name}" for p in folders}
        shared -= {name for name in shared if name.startswith(("tests/test_", "tools/mutants"))}
        stamp = self.digest("nonlocal_tut", "conftest.py", *sorted(shared), file)
        path = KEPT / f"{file.replace('/', '_')}.json"
        if (
            path.exists()
            and (known := json.loads(path.read_text(encoding="utf-8")))["stamp"] == stamp
        ):
            return known
        page = file.endswith(".ipynb")
        self._passes(file, lambda: self._measure(file, page))
        data = coverage.CoverageData(str(self.folder / "lines"))
        data.read()
        lines = {
            str(Path(measured).relative_to(self.tree)): {
                str(line): [file] if page else sorted(filter(None, tests))
                for line, tests in data.contexts_by_lineno(measured).items()
            }
            for measured in data.measured_files()
        }
        seconds = json.loads((self.folder / "seconds").read_text(encoding="utf-8"))
        if not page:
            order = Tests(sorted(seconds, key=seconds.get), seconds)
            self._passes(file, lambda: self._pytest([file], order))
        found = {"stamp": stamp, "seconds": seconds, "lines": lines}
        KEPT.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found), encoding="utf-8")
        return found

    def _passes(self, file, work):
        end, _ = self._fork(work, PATIENCE)
        if end != "survived":
            raise Fails(f"{file}: {end} without a mutant:\n{self.said()[-3000:]}")

    def _measure(self, file, page):
        """In a fork: run a file, and leave which lines ran and how long its tests took."""
        measured = coverage.Coverage(
            data_file=str(self.folder / "lines"),
            source=[str(self.tree / "nonlocal_tut")],
            config_file=False,
        )
        tests = Tests(measured=None if page else measured)
        (self.folder / "lines").unlink(missing_ok=True)
        if page:
            path, before = self.tree / file, (self.tree / file).read_text(encoding="utf-8")
            notebook = nbformat.reads(before, 4)
            ignored = {"tags": ["nbval-ignore-output"]}
            notebook.cells.append(nbformat.v4.new_code_cell(SAVE, metadata=ignored))
            nbformat.write(notebook, path)
            os.environ["COVERAGE_PROCESS_CONFIG"] = measured.config.serialize()
            code = self._pytest([file], tests)
            path.write_text(before, encoding="utf-8")
        else:
            measured.start()
            code = self._pytest([file], tests)
            measured.stop()
            measured.save()
        seconds = {file: sum(tests.seconds.values())} if page else tests.seconds
        (self.folder / "seconds").write_text(json.dumps(seconds), encoding="utf-8")
        return code

    def judge(self, mutant, files):
        """("killed" | "timed out" | "survived" | "not run", seconds): what these files say of it.

        "not run": no page runs a line of its statement or, for a function's head, of its body.
        """
        for file in files:
            if file not in self.known:
                self.known[file] = self.baseline(file)
        known = {file: self.known[file] for file in files}
        seconds = {test: s for one in known.values() for test, s in one["seconds"].items()}
        chosen = asked(mutant, known)
        if not chosen and all(file.endswith(".ipynb") for file in files):
            return "not run", 0.0
        lines = [one["lines"].get(mutant.path, {}) for one in known.values()]
        ran = any(str(line) in each for each in lines for line in mutant.lines)
        quick = QUICK if ran else ""
        chosen = sorted(chosen or seconds, key=seconds.get)
        path = self.tree / mutant.path
        self._forget(path)
        path.write_text(mutant.text, encoding="utf-8")
        limit = 30 + 4 * sum(seconds[test] for test in chosen)
        in_order = list(dict.fromkeys(test.split("::")[0] for test in chosen))
        tests = Tests() if in_order[0] in chosen else Tests(chosen, seconds)
        try:
            return self._fork(lambda: self._pytest(in_order, tests, quick), limit)
        finally:
            path.write_text(mutant.source, encoding="utf-8")
            self._forget(path)

    def _forget(self, path):
        for old in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            old.unlink()

    def _pytest(self, files, tests, quick=QUICK):
        page = files[0].endswith(".ipynb")
        how = ["--nbval"] if page else ["--hypothesis-seed=0", "-k", quick]
        quiet = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
        return int(pytest.main([*quiet, *how, *files], plugins=[tests]))

    def _fork(self, work, limit):
        """How work's exit code is called, run in a fork that has `limit` seconds."""
        start = time.monotonic()
        sys.stdout.flush()
        child = os.fork()
        if not child:
            try:
                self._settle()
                code = work()
                sys.stdout.flush()
            except BaseException as error:
                print(repr(error), flush=True)
                code = 3
            os._exit(code)
        end, process = None, psutil.Process(child)
        while end is None and time.monotonic() - start < limit:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(status)
                end = ENDS.get(code, "killed" if code < 0 else f"pytest ended with {code}")
            elif process.memory_info().rss > MEMORY:
                break  # for longer would do no good
            else:
                time.sleep(0.02)
        try:
            os.killpg(child, signal.SIGKILL)  # and whatever it has started
        except ProcessLookupError:
            pass
        if end is None:
            os.waitpid(child, 0)
        if end and end.startswith("pytest"):
            raise Fails(f"{end}:\n{self.said()[-3000:]}")
        return end or "timed out", time.monotonic() - start

    def _settle(self):
        """A fork's own group, output, folder and paths."""
        os.setsid()
        out = os.open(self.folder / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.chdir(self.tree)
        here = str(Path(__file__).resolve().parent)
        sys.path[:] = [str(self.tree), *(p for p in sys.path if p not in ("", here, str(ROOT)))]
        os.environ["PYTHONPATH"] = str(self.tree)

    def said(self):
        return (self.folder / "said").read_text(encoding="utf-8", errors="replace")


def asked(mutant, known):
    """The tests, or the pages, that run a mutant's statement; of a function's head, which an import
    runs, those that run its body. None where coverage knows none, as in a process of a test's own,
    and for what stands outside of all functions: any test may see that. Of a statement that no page
    runs, the rest of its function is nothing that a page could answer for.
    """
    pages = any(file in one["seconds"] for file, one in known.items())
    places = (mutant.lines, mutant.scope) if mutant.scope or pages else ()
    if pages and mutant.line in mutant.scope:
        places = (mutant.lines,)
    for lines in places:
        found = set()
        for file, one in known.items():
            ran = one["lines"].get(mutant.path, {})
            for line in lines:
                names = ran.get(str(line), [])
                found |= {*one["seconds"]} if file in names else {*names}
        if found:
            return found
    return set()
