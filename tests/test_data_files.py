"""The files in book/data: their schemas, the registered predictions computed again, and the way
that a reader's measurement takes into the book."""

import copy
import json
from importlib import resources

import data_files
import pytest
import register
from every import some

from nonlocal_tut import records
from nonlocal_tut.memory import registered

FILES = sorted(data_files.DATA.glob("*.json"))
ROW = {"requested_bytes": 2**20, "peak_bytes": 2**20, "saved_bytes": 0, "kernel": None}


def load(name):
    return json.loads((data_files.DATA / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def kept():
    return load("registered.json")


@pytest.fixture(scope="module")
def now():
    return registered.rows(some(registered.grid(), 5))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_keeps_its_schema(path):
    assert data_files.problems(path.name, load(path.name)) == []


def test_the_files_that_the_book_needs_are_there_and_small():
    sizes = {path.name: path.stat().st_size for path in FILES}
    assert {"bench_cpu.json", "registered.json"} <= set(sizes)
    assert max(sizes.values()) < 400_000


# --- predictions


def test_no_prediction_moves_without_an_entry_that_says_why(kept, now):
    moved = register.moved(kept, now)
    assert moved == [], f'{len(moved)} moved: python tools/register.py --why "…"'


def test_nothing_is_registered_that_the_grid_does_not_have(kept):
    cases = {(gpu, case) for gpu in registered.GPUS for case in registered.grid()}
    assert set(registered.current(kept)) == cases


def test_the_grid_has_what_it_should():
    cases = list(registered.grid())
    assert {len(case.shape) for case in cases} == {4, 5} and len(set(cases)) == len(cases)
    assert {str(case.dtype) for case in cases} == {
        f"torch.{d}" for d in ("float32", "bfloat16", "float16")
    }
    assert {case.training for case in cases} == {True, False}
    assert {"article", "NonLocalBlock"} <= {case.variant for case in cases}
    assert all(registered.case_of(case.as_json()) == case for case in cases)


def test_one_byte_is_a_move_and_the_newest_entry_holds(kept, now):
    changed = copy.deepcopy(now)
    changed[7]["peak_bytes"] += 1
    (row,) = register.moved(kept, changed)
    assert row == changed[7]
    later = copy.deepcopy(kept)
    later["entries"].append(register.entry("The allocator's model is another.", [row], "0" * 40))
    assert data_files.problems("registered.json", later) == []
    assert register.moved(later, changed) == [] and register.moved(later, now) == [now[7]]
    assert later["entries"][:-1] == kept["entries"]


def test_a_move_on_one_gpu_names_that_gpu_alone(kept, now):
    changed = copy.deepcopy(now)
    number = next(i for i, row in enumerate(now) if len(row["gpus"]) == 4)
    before, after = copy.deepcopy(changed[number]), changed[number]
    before["gpus"], after["gpus"] = ["T4", "L4", "A100"], ["H100"]
    after["kernel"] = "flash"
    assert register.moved(kept, [before, after]) == [after]


@pytest.mark.parametrize("variant", ["SelfAttention2d", "NonLocalBlock"])
def test_the_kernels_registered_are_those_that_the_source_names(variant, kept):
    found = {
        (gpu, str(case.dtype).removeprefix("torch.")): said["kernel"]
        for (gpu, case), said in registered.current(kept).items()
        if case.variant == variant and case.shape == (1, 64, 64, 64)
    }
    equal = variant == "NonLocalBlock"  # its widths: flash wants that
    for half in ("bfloat16", "float16"):
        assert found["H100", half] == "cudnn"
        assert found["A100", half] == found["L4", half] == ("flash" if equal else "efficient")
    assert found["T4", "bfloat16"] is None and found["T4", "float16"] == "efficient"
    assert {found[gpu, "float32"] for gpu in registered.GPUS} == {"efficient"}


def test_the_command_appends_and_does_not_write_twice(tmp_path, monkeypatch, capsys, now):
    file = tmp_path / "registered.json"
    monkeypatch.setattr(register, "FILE", file)
    monkeypatch.setattr(register.registered, "rows", lambda: copy.deepcopy(now[:9]))
    monkeypatch.setattr(register, "git", lambda *a: "" if a[0] == "status" else "1" * 40)
    assert register.main(["--check"]) == 1 and not file.exists()
    assert register.main(["--why", "The first of them all."]) == 0
    first = file.read_bytes()
    data = json.loads(first)
    assert data_files.problems("registered.json", data) == []
    assert data["entries"][0]["commit"] == "1" * 40 and len(data["entries"][0]["rows"]) == 9
    assert register.main(["--why", "Nothing has changed."]) == 0 and file.read_bytes() == first
    changed = copy.deepcopy(now[:9])
    changed[0]["saved_bytes"] += 1
    monkeypatch.setattr(register.registered, "rows", lambda: changed)
    assert register.main(["--why", "A tensor more is kept."]) == 0
    after = json.loads(file.read_bytes())
    assert after["entries"][0] == data["entries"][0] and after["entries"][1]["rows"] == changed[:1]
    assert "1 rows are new or have moved" in capsys.readouterr().out


def test_the_command_wants_the_module_committed(tmp_path, monkeypatch, capsys, now):
    monkeypatch.setattr(register, "FILE", tmp_path / "registered.json")
    monkeypatch.setattr(register.registered, "rows", lambda: now[:1])
    monkeypatch.setattr(register, "git", lambda *a: " M nonlocal_tut/blocks.py")
    assert register.main(["--why", "In the middle of work."]) == 1
    assert "not committed" in capsys.readouterr().err and not register.FILE.exists()
    with pytest.raises(SystemExit):
        register.main([])


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("entries", 0, "why"), "", "why"),
        (("entries", 0, "commit"), "main", "commit"),
        (("entries", 0, "rows", 3, "gpus"), ["RTX 9"], "gpus"),
        (("entries", 0, "rows", 3, "peak_bytes"), 1.5, "peak_bytes"),
        (("entries", 0, "rows", 3, "kernel"), "magic", "kernel"),
        (("entries", 0, "rows", 3, "more"), 1, "rows[3]"),
    ],
)
def test_a_broken_file_is_reported(path, value, told, kept):
    broken = copy.deepcopy(kept)
    place = broken
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    (said,) = data_files.problems("registered.json", broken)
    assert told in said


def test_a_file_of_no_kind_is_reported():
    assert "no schema for 'other'" in data_files.problems("other_x.json", {})[0]


def test_the_check_of_all_files_runs_and_can_fail(tmp_path, capsys):
    assert data_files.main([]) == 0 and "in order" in capsys.readouterr().out
    (tmp_path / "bench_x.json").write_text("{}", encoding="utf-8")
    assert data_files.main([str(tmp_path / "bench_x.json")]) == 1
    assert "bench_x.json: $: 'provenance'" in capsys.readouterr().out


# --- as the package reads them


def test_the_package_reads_what_the_repository_keeps():
    assert records.names() == [path.stem for path in FILES]
    assert records.read("bench_cpu") == load("bench_cpu.json")
    assert records.of_gpus() == [load(p.name) for p in FILES if p.name.startswith("gpu_")]
    with pytest.raises(FileNotFoundError, match=r"keeps no nothing\.json; it has: bench_cpu"):
        records.read("nothing")


def test_an_installed_package_reads_its_own(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "gpu_x.json").write_text('{"device": "x"}', encoding="utf-8")
    monkeypatch.setattr(records, "files", lambda name: tmp_path)
    assert records.names() == ["gpu_x"] and records.of_gpus() == [{"device": "x"}]
    assert resources.files("nonlocal_tut").is_dir()
