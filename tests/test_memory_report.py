"""What a report says: which line asked for each byte, what autograd keeps, and how it reads."""

import pytest
import torch
from torch import nn

from nonlocal_tut import NonLocalBlock, SelfAttention2d, memory
from nonlocal_tut.memory.report import amount
from nonlocal_tut.memory.variants import VARIANTS

MAP = (24 * 24) ** 2 * 4
SHAPE = (1, 16, 24, 24)
QUERY = "query = self.query_conv(x).flatten(2)"
KEY = "key = self.key_conv(x).flatten(2)"
ENERGY = "energy = torch.bmm(query.transpose(1, 2), key)"
SOFTMAX = "return energy.softmax(dim=-1)"
VALUE = "value = self.value_conv(x).flatten(2)"
OUT = "out = torch.bmm(value, attention.transpose(1, 2))"
SUM = "return self.gamma * out.unflatten(2, x.shape[2:]) + x"


def article(device="cpu", **more):
    return memory.predict(lambda: VARIANTS["article"](16), SHAPE, device=device, **more)


# --- lines


def test_each_large_allocation_names_its_line_and_a_backward_one_its_forward_line():
    large = [a for a in article().timeline if a.bytes >= 24 * 24 * 2 * 4]
    forward = [a.line for a in large if not a.backward]
    assert forward == [QUERY, KEY, ENERGY, SOFTMAX, VALUE, OUT, SUM, SUM]
    backward = [a.line for a in large if a.backward]
    products = [OUT, OUT, VALUE, VALUE, SOFTMAX, SOFTMAX, ENERGY, ENERGY]
    assert backward == [SUM, SUM, *products, KEY, QUERY, QUERY]  # the last is a hidden copy
    assert {a.where.split(",")[0] for a in large} == {"forward", "weights"}
    assert all(a.where.rsplit(" ", 1)[1].isdigit() for a in large)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_four_maps_at_the_peak_and_the_fourth_is_hidden(device):
    maps = [a for a in article(device).at_peak if a.bytes == MAP]
    assert [(a.line, a.backward, a.hidden) for a in maps] == [
        (SOFTMAX, False, False),
        (OUT, True, False),
        (SOFTMAX, True, False),
        (SOFTMAX, True, True),
    ]
    assert maps[3].operation == "contiguous copy of the gradient in softmax's backward"
    assert all(a.shape == (1, 576, 576) and a.dtype == torch.float32 for a in maps)


def test_what_autograd_keeps_is_listed_by_line():
    report = article()
    assert [(a.line, a.shape) for a in report.saved] == [
        (SOFTMAX, (1, 576, 576)),
        (VALUE, (1, 16, 24, 24)),
        (OUT, (1, 16, 576)),
        (QUERY, (1, 2, 24, 24)),
        (KEY, (1, 2, 24, 24)),
    ]
    assert sum(a.bytes for a in report.saved) == report.saved_bytes
    assert article(training=False).saved == ()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_timeline_adds_up_to_the_peak(variant, training):
    report = memory.predict(lambda: VARIANTS[variant](16), SHAPE, training=training)
    steps = range(max(a.born for a in report.timeline) + 1)
    alive = [sum(a.bytes for a in report.timeline if a.alive(step)) for step in steps]
    assert max(alive) == report.peak_bytes == sum(a.bytes for a in report.at_peak)
    assert report.peak_bytes == max(report.forward_peak_bytes, report.backward_peak_bytes)
    assert (report.backward_peak_bytes > 0) == training


def test_measuring_on_a_cpu_finds_the_same_four_maps_by_operation():
    report = memory.measure(lambda: VARIANTS["article"](16), SHAPE, device="cpu")
    maps = [a.operation for a in report.at_peak if a.bytes == MAP]
    assert len(maps) == 4 and sum("_softmax_backward_data" in name for name in maps) == 2


def test_a_map_of_terabytes_is_predicted_and_nothing_is_allocated():
    shape, side = (1, 16, 512, 512), 512 * 512
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as seen:
        report = memory.predict(lambda: VARIANTS["article"](16), shape)
    assert report.at_peak[0].bytes == side**2 * 4  # 256 GiB
    assert report.peak_bytes > 4 * side**2 * 4
    assert sum(max(0, event.self_cpu_memory_usage) for event in seen.events()) <= 64


# --- text


def test_amounts_have_units_and_exact_bytes():
    assert amount(64 * 2**20) == "64.00 MiB (67,108,864 bytes)"
    assert amount(0) == "0.00 MiB (0 bytes)"


def test_a_report_prints_mib_shapes_and_lines_within_a_page_s_width():
    report = memory.predict(lambda: VARIANTS["article"](64), (1, 64, 32, 32))
    peak, kept, header, *rows = str(report).splitlines()
    assert peak == "predicted for cpu: peak 16.58 MiB (17,383,684 bytes), in the backward pass"
    assert kept == "kept for the backward pass: 4.56 MiB (4,784,128 bytes)"
    assert header.split() == ["MiB", "shape", "what"]
    first = "     4.00  1×1024×1024  "
    assert rows[0] == first + SOFTMAX
    below = " " * len(first)
    assert rows[1:3] == [f"{first}gradient (bmm) of:", below + OUT]
    hidden = "hidden: contiguous copy of the gradient in softmax's backward of:"
    assert " ".join(row[len(first) :] for row in rows[5:7]) == hidden
    assert (rows[5][: len(first)], rows[7]) == (first, below + SOFTMAX)
    assert rows[-1].split() == ["0.08", "5", "smaller"]
    assert all(len(row) <= 76 for row in str(report).splitlines())


def test_a_page_shows_a_table_with_lines_as_code():
    report = memory.predict(lambda: VARIANTS["article"](64), (1, 64, 32, 32))
    html, text = report._repr_html_(), str(report).splitlines()
    assert html.startswith(f"<p>{text[0]}</p>\n<p>{text[1]}</p>\n<table")
    start = '<tr><td class="text-end">4.00</td><td>1×1024×1024</td><td>'
    softmax = "<code>return energy.<wbr>softmax(dim=-1)</code>"
    out = "<code>out = torch.<wbr>bmm(value, attention.<wbr>transpose(1, 2))</code>"
    gradient = "gradient (<code>_softmax_<wbr>backward_<wbr>data</code>) of:<br>"
    assert f"{start}{softmax}</td></tr>" in html
    assert f"{start}gradient (<code>bmm</code>) of:<br>{out}</td></tr>" in html
    assert f"{start}{gradient}{softmax}</td></tr>" in html
    copy = "hidden: contiguous copy of the gradient in softmax&#x27;s backward of:<br>"
    assert f"{start}{copy}{softmax}</td></tr>" in html
    assert '<td class="text-end">0.08</td><td>–</td><td>5 smaller</td>' in html
    large = [a for a in report.at_peak if a.bytes >= report.peak_bytes / 100]
    assert html.count("<tr>") == 1 + len(large) + 1 and len(large) < len(report.at_peak)


def test_a_page_shows_no_table_where_the_device_does_not_tell_and_says_what_is_left_out():
    reading = memory.Report("measured", "cuda", *[2**20] * 5, not_modeled=("a < b",))
    html = reading._repr_html_()
    assert "<table" not in html and html.endswith("<p>not modeled: a &lt; b</p>\n")


def test_the_closed_form_and_an_inference_print_too():
    formula = str(memory.closed_form("article", 1, 64, 32, 32)).splitlines()
    peak = "closed form for cpu: peak 16.58 MiB (17,383,684 bytes), in the backward pass"
    assert formula[0] == peak
    assert formula[3].split(maxsplit=1)[1] == "4 × attention matrix (B·N·keys)"
    inference = str(article(training=False))
    assert "in the forward pass" in inference and "kept" not in inference


FUSED = "scratch inside the fused attention kernel"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("block", [SelfAttention2d, NonLocalBlock])
def test_fused_attention_has_no_map_and_on_cuda_says_what_is_not_modeled(block, dtype):
    for device in ("cpu", "cuda"):
        report = memory.predict(lambda: block(64), (1, 64, 32, 32), dtype, device=device)
        assert (FUSED in report.not_modeled) == (device == "cuda")
        assert (f"\nnot modeled: {FUSED}" in str(report)) == (device == "cuda")
        assert max(a.bytes for a in report.timeline) < 1024**2 * dtype.itemsize


def test_on_cuda_float64_goes_by_chunks_and_keys_stay_narrow():
    def predicted(dtype, device):
        return memory.predict(lambda: SelfAttention2d(64), (1, 64, 32, 32), dtype, device=device)

    assert FUSED in predicted(torch.float32, "cuda").not_modeled
    assert FUSED not in predicted(torch.float64, "cuda").not_modeled
    for device in ("cpu", "cuda"):
        saved = predicted(torch.float32, device).saved
        assert len([a for a in saved if a.shape == (1, 1024, 8)]) == 2  # queries and keys


def test_what_cuda_s_libraries_take_is_not_modeled_and_the_rest_is():
    def not_modeled(make, device):
        return memory.predict(make, (1, 8, 9, 9), device=device).not_modeled

    assert not_modeled(lambda: nn.Conv2d(8, 8, 3), "cpu") == ()
    assert not_modeled(lambda: VARIANTS["paper_pooled"](8), "cpu") == ()
    cudnn = "cuDNN's workspace for convolutions"
    assert not_modeled(lambda: VARIANTS["article"](8), "cuda") == (cudnn,)
    assert set(not_modeled(lambda: VARIANTS["paper"](8), "cuda")) == {
        cudnn,
        "what cuDNN's batch norm keeps for its backward",
    }
