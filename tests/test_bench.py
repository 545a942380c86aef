"""The bench's rows, from a tiny run: structure, refusals, failures, and what is compared."""

import json
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bench import __main__ as command
from bench import clock, targets
from bench.contestants import Contestant, articles, everyone, papers
from bench.rows import MIB, Cell, Row, bench, cells
from bench.same import CLOSE, difference
from bench.table import of_targets, tables
from nonlocal_tut import SelfAttention2d, memory
from nonlocal_tut.memory.variants import VARIANTS

TINY = [Cell((1, 64, 16, 16), torch.float32, training, 2) for training in (True, False)]
OURS, PLAIN = articles()[:2]


def rows_of(*contestants: Contestant, cells=TINY, budget=256 * MIB) -> dict:
    """The rows of a run, by contestant and mode."""
    rows = bench(contestants, cells, device="cpu", budget=budget, say=lambda what: None)
    return {(row["contestant"], row["training"]): row for row in rows}


class Sharper(VARIANTS["article"]):
    """The article's block with scores twice as large: another function under the same names."""

    def weights(self, energy):
        return super().weights(2 * energy)


class BreaksInTraining(SelfAttention2d):
    """Right, but its backward pass raises an error, as that of mmcv's concatenation does."""

    def forward(self, x):
        y = super().forward(x)
        gate = y.sigmoid()
        gate += 0  # autograd has saved it
        return y + 0 * gate


def missing() -> nn.Module:
    raise ImportError("no such package\nand a long story")


def test_a_tiny_run_is_written_as_the_readme_says(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "everyone", lambda: [*articles()[:2], *papers()])
    monkeypatch.setattr(command, "SIDES", (16,))
    path = tmp_path / "deep" / "bench.json"
    assert command.main(["--quick", "--device", "cpu", "--threads", "1", "--out", str(path)]) == 0
    data = json.loads(path.read_text("utf-8"))
    assert list(data) == ["provenance", "targets", "rows"]
    readme = (command.ROOT / "bench" / "README.md").read_text("utf-8")
    assert len(data["rows"]) == 10 * 2
    for row in data["rows"]:
        assert list(row) == list(data["rows"][0])
        assert all(f"`{field}`" in readme for field in row)
        assert row["status"] == "ok" and row["shape"] == [1, 64, 16, 16] and row["rounds"] == 31
        assert 0 < row["min_ms"] <= row["median_ms"]
        assert 0 < row["predicted_bytes"] <= row["peak_bytes"] < 2 * MIB
        assert row["bytes_are"] == "measured"
        if row["kind"] == "ours":
            assert row["same_function_as"] == row["contestant"]
            assert row["time_ratio"] == row["bytes_ratio"] == 1
    origin = data["provenance"]
    assert origin["torch"] == torch.__version__ and origin["threads"] == 1
    assert origin["command"] == "python -m bench --quick --device cpu --threads 1"
    printed = capsys.readouterr().out
    assert "[2/2] 1×64×16×16 float32 inference" in printed and "no figure" in printed


def test_strict_fails_where_a_target_has_no_figure(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "everyone", lambda: [OURS])
    monkeypatch.setattr(command, "SIDES", (16,))
    path = str(tmp_path / "bench.json")
    assert command.main(["--quick", "--strict", "--device", "cpu", "--out", path]) == 1


def test_bytes_are_those_that_the_module_measures():
    row = rows_of(OURS, PLAIN)[PLAIN.name, True]
    measured = memory.measure(lambda: VARIANTS["article"](64), (1, 64, 16, 16), device="cpu")
    assert row["peak_bytes"] == measured.peak_bytes


def test_large_maps_in_16_bits_have_predicted_bytes_and_are_run():
    cell = Cell((1, 64, 40, 40), torch.bfloat16, False, 1)
    row = rows_of(OURS, PLAIN, cells=[cell])[PLAIN.name, False]
    assert row["bytes_are"] == "predicted" and row["peak_bytes"] == row["predicted_bytes"]
    assert row["time_ratio"] > 0


def test_another_function_has_a_row_and_no_ratio():
    other = Contestant("sharper", "peer", OURS.function, lambda: Sharper(64), OURS.name)
    rows = rows_of(OURS, PLAIN, other)
    for training in (True, False):
        row = rows["sharper", training]
        assert row["status"] == "ok" and row["median_ms"] > 0 and row["peak_bytes"] > 0
        assert row["same_function_as"] is row["time_ratio"] is row["bytes_ratio"] is None
        assert row["function"].startswith(f"not {OURS.function}: ")
        assert rows[PLAIN.name, training]["same_function_as"] == OURS.name
        assert rows[PLAIN.name, training]["time_ratio"] > 0
    assert any("sharper: not SelfAttention2d(64)" in line for line in tables(list(rows.values())))


def test_a_contestant_that_is_missing_has_a_row_that_says_why():
    rows = rows_of(OURS, Contestant("gone", "peer", OURS.function, missing, OURS.name))
    row = rows["gone", None]
    assert row["status"] == "failed: ImportError: no such package"
    assert row["shape"] is row["peak_bytes"] is row["time_ratio"] is None
    assert rows[OURS.name, True]["status"] == "ok"


def test_a_backward_pass_that_raises_is_a_row_and_inference_is_still_compared():
    broken = Contestant("broken", "peer", OURS.function, lambda: BreaksInTraining(64), OURS.name)
    rows = rows_of(OURS, broken)
    assert rows["broken", True]["status"].startswith("failed: RuntimeError: one of the variables")
    assert rows["broken", True]["time_ratio"] is None
    assert rows["broken", False]["status"] == "ok" and rows["broken", False]["time_ratio"] > 0


def test_a_run_whose_bytes_cannot_be_measured_is_a_row_that_says_why(monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("no kernel without oneDNN\nand a long story")

    monkeypatch.setattr(memory, "measure", broken)
    row = rows_of(OURS, PLAIN, cells=TINY[:1])[PLAIN.name, True]
    assert row["status"] == "failed: RuntimeError: no kernel without oneDNN"
    assert row["peak_bytes"] is row["bytes_ratio"] is row["median_ms"] is row["time_ratio"] is None


def test_a_kernel_that_is_called_by_names_is_predicted():
    """As MONAI calls it; the prediction has no (N, N) map."""

    class ByNames(nn.Module):
        def forward(self, x):
            rows = x.flatten(2).mT.contiguous().unsqueeze(1)  # (B, 1, N, C)
            options = {"attn_mask": None, "scale": 0.1, "dropout_p": 0.0, "is_causal": False}
            return F.scaled_dot_product_attention(query=rows, key=rows, value=rows, **options)

    report = memory.predict(ByNames, (1, 8, 64, 64))
    assert report.peak_bytes < 64**4


def test_what_is_predicted_not_to_fit_is_not_run(monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("it was run")

    monkeypatch.setattr(memory, "measure", never)
    rows = rows_of(OURS, PLAIN, cells=TINY[:1], budget=MIB // 100)
    for c in (OURS, PLAIN):
        row = rows[c.name, True]
        assert row["status"] == f"not run: predicted {row['predicted_bytes'] / MIB:,.0f} MiB"
        assert row["peak_bytes"] is row["median_ms"] is row["time_ratio"] is None


def test_the_budget_refuses_the_map_and_not_the_fused_form():
    rows = rows_of(OURS, PLAIN, cells=TINY[:1], budget=MIB)
    assert rows[OURS.name, True]["status"] == "ok"
    assert rows[PLAIN.name, True]["status"] == "not run: predicted 1 MiB"
    assert rows[OURS.name, True]["time_ratio"] == 1


def test_a_block_that_is_here_to_be_compared_does_not_run_by_itself():
    ours = Contestant("ours as x", "ours", OURS.function, OURS.make)
    peer = Contestant("x", "peer", OURS.function, PLAIN.make, ours.name)
    rows = rows_of(ours, peer, cells=TINY[:1], budget=MIB)
    assert rows["ours as x", True]["status"].startswith("not run: nothing of the same function")
    assert rows_of(ours, peer, cells=TINY[:1])["ours as x", True]["status"] == "ok"


@pytest.mark.parametrize(
    "plain", [c for c in everyone() if c.kind == "plain"], ids=lambda c: c.name
)
def test_plain_forms_compute_what_ours_do(plain):
    ours = next(c for c in everyone() if c.name == plain.like)
    assert difference(plain, ours) <= CLOSE


def test_a_nan_is_a_difference():
    def make():
        block = SelfAttention2d(64)
        block.register_forward_hook(lambda module, args, y: y * math.nan)
        return block

    broken = Contestant("nan", "peer", OURS.function, make, OURS.name)
    assert not difference(broken, OURS) <= CLOSE


def test_names_are_unique_and_every_reference_stands_before():
    seen = {}
    for c in everyone():
        assert c.name not in seen and c.kind in ("ours", "plain", "peer")
        assert (c.like == "") == (c.kind == "ours")
        if c.like:
            assert seen[c.like].function == c.function and seen[c.like].kind == "ours"
        seen[c.name] = c


def test_rounds_interleave_and_ratios_are_taken_within_a_round():
    order = []
    runs = {name: lambda name=name: order.append(name) for name in "ab"}
    times = clock.in_turns(runs, 3, "cpu")
    assert "".join(order) == "ababab" and [len(t) for t in times.values()] == [3, 3]
    assert clock.ratio([2.0, 40.0, 9.0], [1.0, 10.0, 9.0]) == 2


def a_row(name: str, side: int, *, peak: float = 0, batch: int = 1, **changes) -> Row:
    shape = [batch, 64, side, side]
    row = {"contestant": name, "shape": shape, "dtype": "float32", "training": True, "status": "ok"}
    return row | {"peak_bytes": peak * MIB, "same_function_as": None, "time_ratio": None} | changes


def test_targets_are_read_off_the_rows():
    few = [a_row("x", 32, peak=5), a_row("y", 32, same_function_as="x", time_ratio=2.5)]
    assert targets.peak("x", (1, 64, 32, 32), True, 5).result(few)["met"] is True
    assert targets.peak("x", (1, 64, 32, 32), True, 4.9).result(few)["met"] is False
    assert targets.peak("x", (1, 64, 32, 32), False, 4.9).result(few)["met"] is None
    assert targets.speed("y", "x", (1, 64, 32, 32), 2.5).result(few)["met"] is True
    assert targets.speed("y", "x", (1, 64, 32, 32), 2.6).result(few)["met"] is False
    assert targets.speed("y", "z", (1, 64, 32, 32), 2.6).result(few)["met"] is None
    (line,) = of_targets([targets.speed("y", "x", (1, 64, 32, 32), 3).result(few)])
    assert line.split()[:2] == ["MISSED", "2.50"]


@pytest.mark.parametrize("power, met", [(1, True), (1.04, True), (0.9, False), (2, False)])
def test_the_slope_is_the_power_of_n(power, met):
    rows = [a_row("x", side, peak=(side**2) ** power) for side in (32, 64, 96, 128, 192)]
    result = targets.slope("x").result(rows)
    assert result["reached"] == pytest.approx(power, abs=1e-3) and result["met"] is met
    assert targets.slope("x").result(rows[:-1])["met"] is None


def test_every_target_names_contestants_and_shapes_of_the_bench():
    rows = [
        a_row(c.name, cell.shape[-1], peak=1, batch=cell.shape[0])
        | {"training": cell.training, "same_function_as": c.like or c.name, "time_ratio": 1.0}
        for c in everyone()
        for cell in cells(command.SIDES, command.DTYPES[:1])
    ]
    assert all(target.result(rows)["met"] is not None for target in targets.TARGETS)
