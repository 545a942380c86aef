"""python -m bench.speed: the forms are one function, and a row says what it is of."""

import json

import data_files
import pytest
import torch

from bench import forms, speed
from bench.same import draw
from nonlocal_tut import memory


@pytest.fixture
def without_a_compiler(monkeypatch):
    """torch.compile takes half a minute for what is not looked at here."""
    monkeypatch.setattr(torch, "compile", lambda module, dynamic: module)


@pytest.mark.parametrize("block", forms.BLOCKS)
def test_all_forms_of_a_block_are_one_function(block, without_a_compiler):
    x = torch.randn(2, 64, 5, 18, generator=torch.Generator().manual_seed(0)).double()
    made = {name: make().double() for name, (make, _) in forms.forms(block).items()}
    assert set(made) >= {"ours", "plain", "sdpa", "compiled"}
    draw(made["ours"], torch.Generator().manual_seed(1))
    expected = made["ours"](x)
    for name, module in made.items():
        module.load_state_dict(made["ours"].state_dict())
        assert torch.allclose(module(x), expected, atol=1e-10), name


@pytest.mark.parametrize("training", [True, False])
def test_a_row_keeps_the_schema_and_names_the_best_of_the_others(
    training, without_a_compiler, monkeypatch
):
    monkeypatch.setattr(speed, "TURN", 0.0)
    row = speed.row_of("SelfAttention2d", (1, 64, 4, 4), training)
    data = json.loads(speed.as_json(speed._provenance([]), [row]))
    assert data_files.problems("speed_cpu.json", data) == []
    assert set(row["median_ms"]) == {"ours", "article", "plain", "sdpa", "compiled"}
    others = {name: ms for name, ms in row["median_ms"].items() if name != "ours"}
    assert row["best"] == min(others, key=others.get) and row["rounds"] >= 7
    assert (row["threads"], row["training"]) == (torch.get_num_threads(), training)
    data["rows"][0]["best"] = "mine"
    assert data_files.problems("speed_cpu.json", data)


def test_what_does_not_fit_is_not_run_and_says_so(without_a_compiler, monkeypatch):
    shape, made = (1, 64, 20, 20), forms.BLOCKS["SelfAttention2d"]
    ours, article = (memory.predict(made[name], shape).peak_bytes for name in ("ours", "article"))
    monkeypatch.setattr(speed, "TURN", 0.0)
    monkeypatch.setattr(speed, "MIB", 1)
    monkeypatch.setattr(speed, "BUDGET_MIB", article - 1)
    row = speed.row_of("SelfAttention2d", shape, True)
    assert row["not_run"]["article"] == f"predicted {article:,} MiB"
    assert "ours" in row["median_ms"] and "article" not in row["median_ms"]
    monkeypatch.setattr(speed, "BUDGET_MIB", ours)
    assert speed.row_of("SelfAttention2d", shape, True) is None


def test_a_share_is_taken_within_a_round_and_slow_forms_have_three(monkeypatch):
    told = {"ours": [2.0, 4.0, 6.0], "plain": [1.0, 2.0, 3.0]}
    asked = []

    def in_turns(runs, rounds, device):
        asked.append((sorted(runs), rounds))
        return {name: told.get(name, [9.0] * 3) for name in runs}

    monkeypatch.setattr(speed, "in_turns", in_turns)
    runs = dict.fromkeys(("ours", "plain", "sdpa"), lambda: None)
    times = speed._times(runs, {"ours": 0.5, "plain": 0.4, "sdpa": 5.0})
    assert asked == [(["ours", "plain"], 7), (["sdpa"], 3)]
    assert speed.ratio(times["plain"], times["ours"]) == 0.5


def test_the_path_of_this_machine_is_not_told():
    assert speed._shown(["--only", "7", "--out", "/tmp/x.json"]) == ["--only", "7"]


def test_where_all_others_were_slow_at_first_the_best_of_them_counts(monkeypatch):
    times = {"ours": [2.0] * 7, "plain": [7.0] * 3, "article": [9.0] * 3}
    monkeypatch.setattr(speed, "_times", lambda runs, first: times)
    row = speed.row_of("SelfAttention2d", (1, 64, 2, 2), False)
    assert (row["best"], row["share"]) == ("plain", 3.5)
