"""Positions split over real workers against one process, and workers that fail.

Where a worker cannot be forked its start takes seconds; so a run answers many questions.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import split_work
import torch
from every import EVERY

from nonlocal_tut import NonLocalBlock, memory, parallel
from nonlocal_tut.pairwise import attend
from nonlocal_tut.parallel import split

PATIENCE = 600  # seconds; a busy machine is slow, a hang ends all the same


def run(work, *args, **more):
    return parallel.run(work, *args, **({"seconds": PATIENCE} | more))


def our_children():
    """The workers below this process: not multiprocessing's bookkeeper, nor what they fork from."""
    workers = []
    for child in psutil.Process().children(recursive=True):
        parent = " ".join(psutil.Process(child.ppid()).cmdline())
        if "forkserver" in parent or "spawn_main" in " ".join(child.cmdline()):
            workers.append(child)
    return workers


@pytest.fixture(autouse=True)
def nobody_stays():
    yield
    assert our_children() == []


@pytest.fixture(scope="module")
def two():
    """All that is asked of two workers, by rank."""
    return run(split_work.two, workers=2)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_split_positions_are_those_of_one_process(workers, two):
    told = two if workers == 2 else run(split_work.one_or_four, workers=workers)
    assert len(told) == workers
    for worker in told:
        apart = worker["exact"]
        assert len(apart) == (68 if workers < 4 or EVERY else 23)
        assert {name: far for name, far in apart.items() if far > 1e-10} == {}
        if workers == 4:
            assert worker["pairs"] <= 1e-10


def test_wrapped_blocks_have_the_gradients_of_one_process(two):
    for worker in two:
        assert len(worker["wrapped"]) == (16 if split_work.SHARDS else 6)
        assert {name: far for name, far in worker["wrapped"].items() if far > 1e-10} == {}


REFUSED = {
    "batch norm": "norm would take mean and variance over this worker's part alone",
    "pool": "even number of rows, the last at least 2, not 3, 4",
    "pool of one row": "even number of rows, the last at least 2, not 2, 1",
    "empty": "none may be empty, not (1, 4, 0, 3), (1, 4, 1, 3)",
    "other width": "differ in axis 2 alone, none may be empty, not (1, 4, 2, 3), (1, 4, 2, 4)",
    "other batch": "differ in axis 2 alone, none may be empty, not (1, 4, 2, 3), (2, 4, 2, 3)",
}


def test_what_cannot_be_split_is_refused_on_all_workers(two):
    for worker in two:
        assert worker["refused"].keys() == REFUSED.keys()
        assert all(REFUSED[name] in told for name, told in worker["refused"].items())


def test_a_synchronized_batch_norm_needs_gpus(two):
    for worker in two:
        assert worker["synchronized"] is None or "to be on GPU" in worker["synchronized"]


class Part(NonLocalBlock):
    """One of two workers, as the page predicts it: stand-ins for the other's keys and values."""

    @staticmethod
    def attend(theta, phi, g, w_f=None, **how):
        return attend(theta, phi.repeat(1, 2, 1), g.repeat(1, 2, 1), w_f, **how)


@pytest.mark.parametrize("switches", split_work.MEASURED, ids=str)
def test_the_prediction_is_what_a_worker_takes(switches, two):
    predicted = memory.predict(lambda: Part(16, norm=False, **switches), split_work.PART).peak_bytes
    for worker in two:
        if torch.cuda.device_count() > 1:
            pytest.skip("the workers of this machine have a GPU each")
        (measured,) = (b for s, b in worker["measured"] if s == switches)
        assert abs(measured / predicted - 1) < 0.01


def test_results_and_prints_come_by_rank(two, capsys):
    x = torch.arange(3.0)
    told = run(split_work.returns, x, workers=2)
    assert capsys.readouterr().out == "hello from 0\nhello from 1\n"
    assert [rank for rank, *_ in told] == [0, 1]
    assert all(torch.equal(y, x + rank) for rank, _, y in told)
    assert torch.equal(x, torch.arange(3.0))  # the workers changed copies


def test_the_environment_is_that_of_the_run(two, monkeypatch):
    monkeypatch.setenv("OF_THIS_RUN", "now")
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # which the first run had
    names = ("OF_THIS_RUN", "PYTEST_CURRENT_TEST")
    assert run(split_work.environment, names, workers=1) == [["now", None]]


@pytest.mark.parametrize(
    ("work", "args", "said"),
    [
        (split_work.raises, (1,), "worker 1 of 2 raised ValueError: not today; the others"),
        (split_work.dies, (0, "killed"), "worker 0 of 2 was ended by SIGKILL; the others were"),
        (split_work.dies, (1, 3), "worker 1 of 2 ended with code 3; the others were stopped"),
        (split_work.dies, (1, 0), "worker 1 of 2 ended with code 0; the others were stopped"),
    ],
    ids=["raised", "killed", "left", "left quietly"],
)
def test_a_worker_that_fails_is_named(work, args, said, tmp_path):
    moment = tmp_path / "moment"
    with pytest.raises(RuntimeError) as raised:
        run(work, str(moment), *args, workers=2)
    assert time.time() - float(moment.read_text(encoding="utf-8")) < 30
    assert str(raised.value).startswith(said)
    if work is split_work.raises:
        assert "in raises" in raised.value.__notes__[0]  # its traceback


def test_workers_that_hang_are_stopped(tmp_path):
    with pytest.raises(TimeoutError, match="after 1 seconds worker 0 and worker 1 of 2 had not"):
        run(split_work.hangs, str(tmp_path), workers=2, seconds=1)


def test_workers_end_with_the_process_that_started_them(tmp_path):
    here = Path(__file__).parent
    code = f"""if True:
        import sys
        sys.path[:0] = [{str(here)!r}, {str(here.parent)!r}]
        import split_work
        from nonlocal_tut import parallel
        parallel.run(split_work.hangs, {str(tmp_path)!r}, seconds={PATIENCE})"""
    parent = subprocess.Popen([sys.executable, "-c", code])
    try:
        deadline = time.monotonic() + PATIENCE
        while len(list(tmp_path.iterdir())) < 2:  # both are there, and wait
            assert parent.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
        children = our_children()
        assert len(children) == 2
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []


def test_a_function_of_a_notebook_is_refused_before_anything_starts():
    with pytest.raises(ValueError, match=r"unlike .*<lambda>: begin its cell with %%writefile"):
        parallel.run(lambda device: None)
    code = "from nonlocal_tut import parallel\ndef work(device): ...\nparallel.run(work)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ValueError: function must be in a file that a new process can import" in told.stderr


def test_no_worker_at_all_is_refused():
    with pytest.raises(ValueError, match="workers must be 1 or more, not 0"):
        parallel.run(split_work.returns, workers=0)


def test_split_attention_names_what_it_cannot_take():
    theta = torch.zeros(1, 2, 3)
    with pytest.raises(TypeError, match=r"g must be a tensor \(B, m, dv\), not 'g'"):
        parallel.attend_split(theta, theta, "g")


def test_what_has_no_name_cannot_be_sent_to_a_worker():
    with pytest.raises(TypeError, match="function must be one with a name, not 3"):
        parallel.run(3, workers=1)


@pytest.mark.parametrize("sizes", [[3, 2], [2, 3, 2], [2, 2, 1]])
def test_every_cut_is_between_two_pools(sizes):
    with pytest.raises(ValueError, match=f"not {', '.join(map(str, sizes))}"):
        split._whole_pools(sizes)
    split._whole_pools([2, 4, 3])
