"""Every line that measures on a GPU, run on a CPU against a recorded allocator."""

import pytest
import torch
from memory_cases import QUANTITIES, Case
from recorded_allocator import recorded
from torch import nn

from nonlocal_tut import SelfAttention2d, memory
from nonlocal_tut.memory import run
from nonlocal_tut.memory.compare import BLOCKS, BMM
from nonlocal_tut.memory.hidden import ROWS
from nonlocal_tut.memory.measure import free_bytes
from nonlocal_tut.memory.variants import VARIANTS

SHAPE = (1, 32, 24, 24)
CUBLAS = 8_519_680


def article():
    return VARIANTS["article"](32)


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("variant", ["article", "swapped", "dot_product"])
def test_what_the_statistics_say_is_what_is_predicted_for_cuda(variant, dtype, training):
    case = Case(variant, (1, 64, 24, 25), dtype, training)
    with recorded():
        predicted, measured = case.predict(device="cuda"), case.measure()
    assert (measured.kind, measured.device) == ("measured", "cuda")
    assert abs(predicted.requested_bytes - measured.requested_bytes) <= 64
    assert abs(predicted.saved_bytes - measured.saved_bytes) <= 64
    for name in QUANTITIES[:3]:  # in blocks, whose rests depend on what was there before
        expected = pytest.approx(getattr(measured, name), rel=0.02)
        assert getattr(predicted, name) == expected, name
    assert predicted.peak_bytes >= predicted.requested_bytes
    assert (measured.backward_peak_bytes > 0) == training


def test_without_the_hidden_copies_the_prediction_for_cuda_is_one_map_short(monkeypatch):
    monkeypatch.setitem(ROWS, "cuda", {})
    with recorded():
        without, measured = (
            memory.predict(article, SHAPE, device="cuda"),
            memory.measure(article, SHAPE),
        )
    assert measured.requested_bytes - without.requested_bytes == 576**2 * 4


def test_workspace_is_reported_apart_and_in_nothing_else():
    with recorded():
        without = memory.measure(article, SHAPE)
    with recorded(workspace=CUBLAS):
        first, second = memory.measure(article, SHAPE), memory.measure(article, SHAPE)
    assert [r.workspace_bytes for r in (without, first, second)] == [0, CUBLAS, 0]
    names = (*QUANTITIES, "requested_bytes")
    assert len({tuple(getattr(r, name) for name in names) for r in (without, first, second)}) == 1
    told = "\nbeside it, libraries' workspace: 8.12 MiB (8,519,680 bytes)"
    assert told in str(first) and "workspace" not in str(without)


def test_what_is_cached_from_before_does_not_change_the_blocks():
    count = 19 * 2**17  # 9.5 MiB of float32: split off 20 MiB, but not off 10 MiB
    with recorded():
        cached = [torch.empty(10 * 2**20, dtype=torch.uint8) for _ in range(2)]
        del cached
        report = memory.measure(nn.Sigmoid, (count,), training=False)
    assert report.peak_bytes == report.requested_bytes == 4 * count


def test_the_backward_peak_is_not_the_forward_one():
    class Wide(nn.Conv2d):
        def forward(self, x):
            return super().forward(x) + x.detach().repeat(1, 1, 9, 9).mean()

    def make():
        return Wide(32, 32, 1)

    with recorded():
        report = memory.measure(make, SHAPE)
    wide = 81 * 32 * 576 * 4
    assert report.forward_peak_bytes > wide > report.backward_peak_bytes > 0
    assert report.peak_bytes == report.forward_peak_bytes
    assert memory.predict(make, SHAPE).backward_peak_bytes < wide


def test_the_rounding_of_a_block_is_no_workspace():
    with recorded():
        report = memory.measure(lambda: nn.Conv2d(3, 5, 1), (1, 3, 5, 7))
    assert report.workspace_bytes == 0
    assert report.forward_peak_bytes % 512 == 0 < report.requested_bytes % 512


@pytest.mark.parametrize("make", [nn.Identity, lambda: nn.Flatten(2)])
def test_an_input_that_is_returned_was_not_added(make):
    with recorded():
        report = memory.measure(make, SHAPE)
    assert report.saved_bytes == report.forward_peak_bytes == 0


def test_all_that_is_returned_is_left_out_of_what_is_saved():
    class WithMap(SelfAttention2d):
        def forward(self, x):
            return super().forward(x, return_attention=True)

    with recorded():
        apart, beside = (
            memory.measure(make, SHAPE)
            for make in (lambda: SelfAttention2d(32, attention="matmul"), lambda: WithMap(32))
        )
    assert apart.saved_bytes - beside.saved_bytes == 576**2 * 4


def test_free_bytes_are_what_the_device_and_the_cache_have():
    with recorded(total=2**30) as gpu:
        assert free_bytes("cuda") == 2**30
        held = torch.empty(3 * 2**20, dtype=torch.uint8)
        assert gpu.memory_reserved() == 20 * 2**20
        assert free_bytes("cuda") == 2**30 - held.nbytes


def test_a_gpu_with_too_little_memory_refuses_before_it_runs():
    needed = memory.predict(article, SHAPE, device="cuda")
    given = 32 * 24 * 24 * 4
    with recorded(total=needed.peak_bytes + given - 1) as gpu:
        with pytest.raises(MemoryError, match="nothing was run") as told:
            memory.measure(article, SHAPE)
        assert "predicted for cuda" in str(told.value) and "synchronize" not in gpu.calls


def test_an_allocator_that_counts_no_requests_is_refused():
    with recorded() as gpu:
        gpu.backend = "cudaMallocAsync"
        with pytest.raises(ValueError, match=r"torch's own allocator, .* with cudaMallocAsync"):
            memory.measure(article, SHAPE)


def test_the_reader_s_block_stays_where_it_is():
    block = article()
    before = {name: tensor.clone() for name, tensor in block.state_dict().items()}
    with recorded():
        memory.measure(lambda: block, SHAPE, torch.bfloat16)
    after = block.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(p.grad is None and p.dtype == torch.float32 for p in block.parameters())


def test_without_the_stand_in_a_run_on_cuda_takes_place_there():
    assert run.place("cuda") == torch.device("cuda") and run.place("cpu").type == "cpu"


# --- predicted beside measured


def check_table(rows, device):
    assert [(row.variant, row.shape) for row in rows] == [
        (variant, shape) for shape in {row.shape: None for row in rows} for variant in BLOCKS
    ]
    assert {row.measured.device for row in rows} == {row.predicted.device for row in rows}
    assert {row.measured.device for row in rows} == {device}
    head, *lines = str(rows).splitlines()
    assert head.split("  ")[0] == "block" and head.endswith("off, %")
    assert [line.split() for line in lines] == [str(row)[:-2].split() for row in rows]
    assert len({len(line) for line in lines}) == 1
    assert rows._repr_html_().count("<tr>") == 1 + len(rows)


def test_on_a_cpu_the_blocks_that_build_the_map_compare_to_the_byte():
    rows = memory.compare("cpu", sizes=((1, 32, 24, 24), (3, 16, 9, 15)))
    check_table(rows, "cpu")
    for row in rows:
        if row.variant in BMM:
            assert abs(row.predicted.peak_bytes - row.measured.peak_bytes) <= 64
    assert abs(rows.worst().percent) < 0.01
    assert rows.worst(["NonLocalBlock"]).variant == "NonLocalBlock"
    mib = f"{memory.closed_form('article', 1, 32, 24, 24).peak_bytes / 2**20:.2f}"
    assert str(rows[0]).split() == ["article", "1×32×24×24", mib, mib, "+0.00", "%"]


@pytest.mark.parametrize(
    ("dtype", "shape"), [(torch.float32, (1, 64, 48, 48)), (torch.bfloat16, SHAPE)]
)
def test_on_a_gpu_they_compare_within_two_percent(dtype, shape):
    with recorded(workspace=CUBLAS):
        rows = memory.compare(sizes=(shape,), dtype=dtype)
    check_table(rows, "cuda")
    assert abs(rows.worst().percent) <= 2


def test_a_difference_has_its_sign_and_is_a_share_of_what_was_measured():
    row = memory.compare("cpu", sizes=(SHAPE,))[0]
    half = type(row)(row.variant, row.shape, row.dtype, row.predicted, row.predicted)
    assert half.percent == 0 and str(half).endswith("+0.00 %")
    inference = memory.predict(article, SHAPE, training=False)
    low = type(row)("article", SHAPE, row.dtype, inference, row.measured)
    expected = 100 * (inference.peak_bytes - row.measured.peak_bytes) / row.measured.peak_bytes
    assert low.percent == pytest.approx(expected) and low.percent < -45
    assert f"{expected:+.2f} %".replace("-", "−") in str(low)


def test_sizes_that_are_wrong_are_named():
    with pytest.raises(
        ValueError, match=r"sizes must be shapes \(B, C, H, W\), not \(\(1, 64, 0, 9\),\)"
    ):
        memory.compare("cpu", sizes=((1, 64, 0, 9),))
