"""The command for a machine with a GPU: its CUDA branches against the recorded allocator, its
limits against small programs, and the way of a reader's JSON into the book."""

import copy
import io
import json
import re
import sys
from pathlib import Path

import data_files
import file_gpu
import gpu
import gpu_bytes
import gpu_kernels
import gpu_times
import pytest
import torch
import yaml
from recorded_allocator import NAME, recorded

from nonlocal_tut.memory import evidence
from nonlocal_tut.memory.hidden import ROWS
from nonlocal_tut.memory.registered import few, grid

FILE = "gpu_recordedallocator_no_gpu.json"
CUBLAS = 8_519_680
SHAPE = (1, 16, 24, 24)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """What the bytes part writes, from the recorded allocator."""
    out = tmp_path_factory.mktemp("bytes") / "bytes.json"
    with recorded(workspace=CUBLAS):
        code = gpu_bytes.main([str(out), "--commit", "c" * 40], shapes=[SHAPE])
    assert code == 0
    return json.loads(out.read_text(encoding="utf-8"))


@pytest.fixture
def parts(monkeypatch, measured):
    """Parts that are over at once; the bytes part's data are those of `measured`."""
    asked = []

    def run(part, arguments, limit):
        asked.append((part, arguments, limit))
        if part == "bytes":
            Path(arguments[2]).write_text(evidence.as_json(measured), encoding="utf-8")
        if part == "times":  # stopped in the middle
            Path(arguments[2]).write_text('{"times": [', encoding="utf-8")
        result = "out of time" if part == "times" else "passed"
        return {"part": part, "result": result, "seconds": 1.0, "limit": limit, "told": "done"}

    monkeypatch.setattr(gpu, "run", run)
    return asked


def test_bytes_are_kept_with_the_readings_that_they_come_from(measured):
    assert data_files.problems("gpu_x.json", measured) == []
    assert len(measured["bytes"]) == len(list(grid([SHAPE]))) and measured["device"] == NAME
    assert (measured["commit"], measured["compute_capability"]) == ("c" * 40, "8.0")
    for row in measured["bytes"]:
        assert len(row["readings"]) == gpu_bytes.REPEATS
        assert all(len(r) == (10 if row["training"] else 8) for r in row["readings"])
    said = measured["summary"]
    assert said["workspace"] == CUBLAS and said["repeats_differ"] == 0
    assert said["rows"] == said["requested_equal"] == 5 * 3 * 2
    assert abs(said["worst_percent"]) <= evidence.GOAL


@pytest.mark.parametrize("reading", evidence.READINGS)
def test_a_reading_that_is_changed_is_found(reading, measured):
    changed = copy.deepcopy(measured)
    row = next(row for row in changed["bytes"] if row["training"] and row["variant"] == "article")
    place = evidence.READINGS.index(reading)
    row["readings"][0][place] += 2**22  # above all peaks
    assert any("come to" in said for said in data_files.problems("gpu_x.json", changed))


def test_a_summary_that_is_changed_is_found(measured):
    changed = copy.deepcopy(measured)
    changed["summary"]["requested_equal"] += 1
    assert "$.summary: its rows come to" in data_files.problems("gpu_x.json", changed)[0]


def test_a_repeat_that_differs_is_counted_and_a_first_workspace_is_not(measured):
    rows = copy.deepcopy(measured["bytes"])
    assert evidence.summary(rows)["repeats_differ"] == 0
    rows[5]["readings"][1][evidence.READINGS.index("forward_allocated")] += 512
    assert evidence.summary(rows)["repeats_differ"] == 1


def test_a_hidden_copy_that_is_left_out_fails_the_part(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(ROWS, "cuda", {})
    with recorded():
        assert gpu_bytes.main([str(tmp_path / "b.json")], shapes=[SHAPE]) == 1
    assert "furthest off: -" in capsys.readouterr().out


def test_what_does_not_fit_is_listed_and_the_rest_is_measured(tmp_path):
    out = tmp_path / "b.json"
    with recorded(total=5 * 2**20):
        gpu_bytes.main([str(out)], shapes=[SHAPE])
    found = json.loads(out.read_text(encoding="utf-8"))
    assert "article 1×16×24×24 float32 training" in found["did_not_fit"]
    assert len(found["did_not_fit"]) + len(found["bytes"]) == len(list(grid([SHAPE])))
    assert data_files.problems("gpu_x.json", found) == []


def test_the_origin_is_told_as_far_as_it_is_known(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "max_split_size_mb:64")
    monkeypatch.delenv("PYTORCH_ALLOC_CONF", raising=False)
    assert evidence.settings() == "max_split_size_mb:64"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert evidence.driver() is None
    program = tmp_path / "nvidia-smi"
    for script, expected in [
        ("echo 580.65.06; echo 1", "580.65.06"),
        ("exit 9", None),
        (":", None),
    ]:
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
        assert evidence.driver() == expected
    monkeypatch.setattr(evidence, "__file__", str(tmp_path / "a" / "b" / "c.py"))
    assert re.fullmatch(r"unknown|[0-9a-f]{40}", evidence.module_commit())
    installed = tmp_path / "nonlocal_tut-0.1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Name: nonlocal_tut\nVersion: 0.1.0\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert evidence.module_commit() == "unknown"
    origin = {"vcs_info": {"vcs": "git", "commit_id": "c" * 40}}
    (installed / "direct_url.json").write_text(json.dumps(origin), encoding="utf-8")
    assert evidence.module_commit() == "c" * 40
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="needs a GPU that torch can use"):
        evidence.record()


# --- the whole run


def test_a_run_writes_one_file_and_ends_with_a_table(parts, tmp_path, capsys):
    with recorded():
        assert gpu.main(["--out", str(tmp_path), "--commit", "d" * 40]) == 1
    assert [part for part, *_ in parts] == list(gpu.LIMITS)
    text = (tmp_path / FILE).read_text(encoding="utf-8")
    found = json.loads(text)
    assert data_files.problems(FILE, found) == [] and str(tmp_path) not in text
    assert [p["result"] for p in found["parts"]] == [*["passed"] * 3, "out of time", "passed"]
    assert found["bytes"] and "times" not in found
    told = capsys.readouterr().out.splitlines()
    assert told[-7].split()[:2] == ["part", "result"] and told[-3].startswith(
        "times    out of time"
    )
    assert "d" * 40 in dict((part, arguments) for part, arguments, _ in parts)["bytes"]


def test_the_limits_leave_eight_minutes():
    assert sum(gpu.LIMITS.values()) <= 480


def test_an_existing_file_is_kept_unless_forced(parts, tmp_path, capsys):
    (tmp_path / FILE).write_text("mine", encoding="utf-8")
    with recorded():
        assert gpu.main(["--out", str(tmp_path)]) == 1
        said = capsys.readouterr()
        assert "--force" in said.err and said.out == "" and not parts
        gpu.main(["--out", str(tmp_path), "--force", "--parts", "bytes"])
    assert json.loads((tmp_path / FILE).read_text(encoding="utf-8"))["device"] == NAME


def test_without_a_gpu_it_says_what_it_left_out(parts, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main(["--out", str(tmp_path / "x")]) == 0
    assert [part for part, *_ in parts] == ["module", "kernels"]
    assert all("cpu" in arguments for _, arguments, _ in parts)
    told = capsys.readouterr().out
    assert "no GPU here" in told and told.count("left out") == 3 and "needs a GPU" in told
    assert not (tmp_path / "x").exists()
    assert gpu.main(["--pages", "--parts", "pages"]) == 0 and parts[-1][0] == "pages"


def test_an_unknown_part_is_named(capsys):
    with pytest.raises(SystemExit):
        gpu.main(["--parts", "bytes,magic"])
    assert "not bytes,magic" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("program", "limit", "result", "told"),
    [
        ("print('a'); print('b')", 60, "passed", "b"),
        ("print('a'); raise SystemExit(3)", 60, "failed", "a"),
        ("import time; print('a', flush=True); time.sleep(60)", 3, "out of time", "a"),
        (
            "import subprocess, sys; print('a', flush=True); "
            "subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])",
            3,
            "out of time",
            "a",
        ),
    ],
)
def test_a_part_has_its_own_limit(program, limit, result, told):
    row = gpu.run("bytes", [sys.executable, "-c", program], limit)
    assert (row["result"], row["told"]) == (result, told) and row["seconds"] < 40


def test_every_part_is_a_program_that_is_there():
    for part in gpu.LIMITS:
        arguments = gpu.command(part, Path("x.json"), cuda=True, commit=None)
        scripts = [a for a in arguments if a.endswith(".py")]
        assert all((gpu.ROOT / script).is_file() for script in scripts)
        assert "cpu" not in arguments


# --- its parts


def test_the_kernel_named_is_the_one_that_runs_here(monkeypatch):
    row = gpu_kernels.row(32, 32, torch.float32, True, 50, "cpu")
    assert row["expected"] == row["ran"] == "flash" and row["names"] == []
    assert gpu_kernels.row(8, 64, torch.bfloat16, False, 50, "cpu")["ran"] == "math"
    monkeypatch.setattr(gpu_kernels, "RAN", {})
    assert gpu_kernels.row(32, 32, torch.float32, True, 50, "cpu")["ran"] == "failed"


def test_a_kernel_that_is_not_the_one_named_fails_the_part(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu_kernels, "WIDTHS", ((32, 32),))
    out = tmp_path / "k.json"
    assert gpu_kernels.main([str(out), "--device", "cpu"]) == 0
    choice = type("Choice", (), {"backend": "cudnn"})
    monkeypatch.setattr(gpu_kernels, "fused_backend", lambda *a, **k: choice)
    assert gpu_kernels.main([str(out), "--device", "cpu"]) == 1
    assert '"expected": "cudnn"' in capsys.readouterr().out


def test_times_are_ratios_within_a_round_and_a_failure_is_a_row(monkeypatch):
    def missing():
        raise gpu_times.Missing("no such package")

    def broken():
        raise RuntimeError("no kernel\nand a long story")

    taking_part = {
        **{name: gpu_times.contestants(8)[name] for name in list(gpu_times.contestants(8))[:3]},
        "missing": (missing, gpu_times.OURS),
        "broken": (broken, gpu_times.OURS),
    }
    monkeypatch.setattr(gpu_times, "contestants", lambda side: taking_part)
    rows = {row["contestant"]: row for row in gpu_times.rows(8, torch.float32, "cpu", rounds=2)}
    assert rows[gpu_times.OURS]["time_ratio"] == 1
    assert rows["SDPA, called plainly"]["time_ratio"] > 0
    assert len(rows["the article's two bmm"]["milliseconds"]) == 2
    assert rows["missing"]["status"] == "left out: not installed"
    assert rows["broken"]["status"] == "failed: RuntimeError: no kernel"
    schema = data_files.schema("gpu")
    whole = {"$defs": schema["$defs"], "type": "array", "items": {"$ref": "#/$defs/time"}}
    assert list(data_files.Draft202012Validator(whole).iter_errors(list(rows.values()))) == []


def test_what_takes_part_computes_what_ours_does():
    ours = gpu_times.SelfAttention2d(64)
    torch.nn.init.ones_(ours.gamma)
    plain = gpu_times.PlainSdpa(64)
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(1, 64, 5, 6)
    assert torch.allclose(ours(x), plain(x), atol=1e-5)
    names = set(gpu_times.contestants(64))
    assert {"FlexAttention, compiled", "torch.compile of the plain form", "timm", "monai"} <= names


# --- from a reader


def test_what_a_reader_pastes_has_room_in_an_issue(measured):
    longest = max(len(json.dumps(row)) for row in measured["bytes"])
    assert (longest + 60) * len(few()) < 60_000


@pytest.mark.parametrize(
    "around", ["{}", "### The printed JSON\n\n```json\n{}\n```\n\n_No response_"]
)
def test_a_pasted_block_is_checked_and_filed(around, measured, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(file_gpu, "DATA", tmp_path)
    issue = tmp_path / "issue.txt"
    issue.write_text(around.replace("{}", evidence.as_json(measured)), encoding="utf-8")
    assert file_gpu.main([str(issue)]) == 0
    assert json.loads((tmp_path / FILE).read_text(encoding="utf-8")) == measured
    assert file_gpu.main([str(issue)]) == 1 and "exists" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", io.StringIO(issue.read_text(encoding="utf-8")))
    assert file_gpu.main(["-", "--force"]) == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: data | {"device": ""}, "device"),
        (lambda data: data | {"note": "<script>"}, "note"),
        (lambda data: data | {"summary": data["summary"] | {"rows": 7}}, "come to"),
        (lambda data: {}, "required"),
    ],
)
def test_a_pasted_block_that_is_wrong_is_not_filed(
    change, told, measured, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(file_gpu, "DATA", tmp_path / "data")
    issue = tmp_path / "issue.txt"
    issue.write_text(json.dumps(change(measured)), encoding="utf-8")
    assert file_gpu.main([str(issue)]) == 1
    assert told in capsys.readouterr().err and not (tmp_path / "data").exists()


@pytest.mark.parametrize("text", ["nothing here", "{oops", "x" * (file_gpu.MOST + 1)])
def test_a_text_without_json_is_refused(text):
    with pytest.raises(file_gpu.NotAFile):
        file_gpu.block_in(text)


def test_a_device_s_name_cannot_lead_elsewhere():
    assert evidence.file_name("../../Tesla T4\n") == "gpu_tesla_t4.json"


def test_the_issue_form_asks_for_the_block():
    path = gpu.ROOT / ".github" / "ISSUE_TEMPLATE" / "gpu.yml"
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    (area,) = [part for part in form["body"] if part.get("id") == "measured"]
    assert area["validations"]["required"] and area["attributes"]["render"] == "json"
