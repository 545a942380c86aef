"""The command that keeps a GPU's figures, run against the recorded allocator, into a folder."""

import datetime
import json
import re
from pathlib import Path

import measure_gpu
import pytest
import torch
from recorded_allocator import NAME, recorded

from nonlocal_tut.memory.hidden import ROWS

FILE = "gpu_recordedallocator_no_gpu.json"
DATA = measure_gpu.DATA


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where the tool writes meanwhile, with sizes that are soon run."""
    before = set(DATA.glob("*")) if DATA.is_dir() else None
    monkeypatch.setattr(measure_gpu, "DATA", tmp_path / "data")
    monkeypatch.setattr(measure_gpu, "SIZES", ((1, 16, 24, 24),))
    monkeypatch.setattr(measure_gpu, "LARGER", ((2, 16, 9, 15),))
    yield tmp_path / "data"
    assert (set(DATA.glob("*")) if DATA.is_dir() else None) == before


def test_it_writes_what_was_predicted_and_measured(folder, capsys, monkeypatch):
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "max_split_size_mb:64")
    monkeypatch.delenv("PYTORCH_ALLOC_CONF", raising=False)
    with recorded(workspace=8_519_680):
        assert measure_gpu.main([]) == 0
    assert [path.name for path in folder.iterdir()] == [FILE]
    text = (folder / FILE).read_text(encoding="utf-8")
    kept = json.loads(text)
    assert text.endswith("}\n") and str(folder) not in text
    rows = kept.pop("rows")
    assert datetime.date.fromisoformat(kept.pop("date")) is not None
    assert kept == {
        "device": NAME,
        "compute_capability": "0.0",
        "memory_bytes": 2**34,
        "driver": measure_gpu.driver(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "allocator_settings": "max_split_size_mb:64",
        "command": "python tools/measure_gpu.py",
        "did_not_fit": [],
    }
    assert len(rows) == 2 * 2 * 7 and {row["dtype"] for row in rows} == {"float32", "bfloat16"}
    first = rows[0]
    assert (first["variant"], first["shape"]) == ("article", [1, 16, 24, 24])
    names = {"peak", "forward_peak", "backward_peak", "requested", "saved", "workspace"}
    for row in rows:
        for figures in (row["predicted_bytes"], row["measured_bytes"]):
            assert set(figures) == names and all(type(size) is int for size in figures.values())
            assert figures["peak"] == max(figures["forward_peak"], figures["backward_peak"])
    assert first["measured_bytes"]["workspace"] == 8_519_680
    assert first["measured_bytes"]["requested"] == first["predicted_bytes"]["requested"]
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in told[1:29]] == [f"{i}/28" for i in range(1, 29)]
    assert told[29].startswith("Furthest off of the blocks that build the map: ")
    assert re.match(r"That is (NOT )?within 2 %\. Written: .*" + re.escape(FILE), told[30])


def test_a_miss_is_reported_and_kept(folder, capsys, monkeypatch):
    monkeypatch.setitem(ROWS, "cuda", {})
    with recorded():
        assert measure_gpu.main([]) == 0
    worst, verdict = capsys.readouterr().out.splitlines()[-2:]
    assert " article " in worst and "That is NOT within 2 %" in verdict
    assert (folder / FILE).exists()


def test_an_existing_file_is_kept_unless_forced(folder, capsys):
    folder.mkdir()
    (folder / FILE).write_text("mine")
    with recorded():
        assert measure_gpu.main([]) == 1
        said = capsys.readouterr()
        assert "--force" in said.err and FILE in said.err and said.out == ""
        assert (folder / FILE).read_text() == "mine"
        assert measure_gpu.main(["--force"]) == 0
    assert json.loads((folder / FILE).read_text())["device"] == NAME


def test_without_a_gpu_it_says_so_and_writes_nothing(folder, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert measure_gpu.main(["--force"]) == 1
    said = capsys.readouterr()
    assert "no GPU here that torch can use" in said.err and said.out == ""
    assert not folder.exists()


def test_what_does_not_fit_is_listed_and_the_rest_is_measured(folder):
    with recorded(total=5 * 2**20):
        assert measure_gpu.main([]) == 0
    kept = json.loads((folder / FILE).read_text(encoding="utf-8"))
    assert "article on 1×16×24×24 in torch.float32 does not fit" in kept["did_not_fit"]
    assert len(kept["did_not_fit"]) + len(kept["rows"]) == 28


@pytest.mark.parametrize(
    ("raised", "code", "told"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), 1, "Not one block fits"),
        (KeyboardInterrupt(), 130, "Stopped"),
    ],
)
def test_where_nothing_was_measured_nothing_is_written(
    folder, capsys, monkeypatch, raised, code, told
):
    def fails(*args):
        raise raised

    monkeypatch.setattr(measure_gpu, "row", fails)
    with recorded():
        assert measure_gpu.main([]) == code
    assert told in capsys.readouterr().err and not folder.exists()


def test_the_driver_is_what_nvidia_smi_says_or_null(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert measure_gpu.driver() is None
    program = Path(tmp_path, "nvidia-smi")
    for script, expected in [
        ('echo "580.65.06"; echo "580.65.06"', "580.65.06"),
        ("exit 9", None),
        ("true", None),
    ]:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        assert measure_gpu.driver() == expected
