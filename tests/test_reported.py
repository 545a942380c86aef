"""Faults that users of other tools reported in public, and the test that each would fail here.

The tools: receptive-field calculators, counters of multiply-adds, estimators of memory, attention
kernels and what runs notebooks. All kinds were tried on this module, with relatives that nobody
reported. "here" is this file; `test_the_table_names_tests_that_exist` reads the table.

| kind | the fault | reported for | its test |
|---|---|---|---|
| 1 | one number a row: the fused kernel is refused, the matrix built | pytorch #116333 | here::test_rows_of_one_number_build_no_matrix |
| 2 | totals leave out what has no formula | fvcore #78, flops-counter #65 #149, OpCounter #197, pytorch #195460 | test_multiply_adds.py::test_each_product_is_counted_however_it_is_called, test_multiply_adds.py::test_a_total_that_would_leave_something_out_is_refused |
| 3 | operands are taken in the order of the keywords | thop #156 | test_multiply_adds.py::test_keywords_count_and_stand_in_the_functions_order |
| 4 | a stride that holds for one pair of neighbors alone | pytorch-receptive-field #9 | test_receptive_field.py::test_where_no_one_stride_holds_there_is_none_and_the_field_says_so |
| 5 | the old weight_norm cannot be copied | pytorch #28594 | test_receptive_field.py::test_modules_that_hold_computed_tensors_are_copied, test_memory_runs.py::test_a_module_that_keeps_a_computed_weight_is_run_as_a_copy |
| 6 | "too small?" is said of every error | torchinfo #117 | test_receptive_field.py::test_too_small_is_said_where_a_larger_input_goes_through |
| 7 | parametrized weights are never drawn anew; a norm of zeros is NaN | pytorch #25092 | test_ways.py::test_reset_parameters_draws_parametrized_weights_too, test_receptive_field.py::test_parametrized_weights_are_drawn_anew, test_ways.py::test_a_norm_of_a_w_z_of_zeros_is_an_error_and_not_nan |
| 8 | another kernel of SDPA is predicted than runs | pytorch #157893 #104693 #187266 | test_memory_hidden.py::test_attention_takes_the_kernel_that_it_takes_there |
| 9 | meta tensors see no autocast, no bool mask, no device | pytorch #61173 #16577 | test_memory_autocast.py::test_casts_are_predicted, test_memory_hidden.py::test_dropout_on_cuda_keeps_a_byte_for_each_number, test_memory_hidden.py::test_a_tensor_says_that_it_is_where_the_run_would_be |
| 10 | a module that needs numbers to be made fails without advice | dinov2 #477, timm #2778 | here::test_a_module_that_is_made_from_numbers_is_sent_to_measure |
| 11 | scratch of everyday operations, neither counted nor named | torchinfo #149, pytorch_memlab #44 | test_memory_hidden.py::test_no_everyday_operation_is_off_without_a_word |
| 12 | a Python number takes 8 to 12 bytes | torchinfo #149 | test_memory_hidden.py::test_a_python_number_takes_twelve_bytes, here::test_numbers_in_our_blocks_are_all_that_is_off |
| 13 | with more values than keys a kernel reads past the keys | pytorch #193728 | here::test_operands_that_do_not_fit_are_refused_by_name |
| 14 | a backward in place cannot be mapped | functorch #207 | test_pairwise.py::test_ways_to_differentiate_equal_the_map_s |
| 15 | forward mode ends in "file an issue" | pytorch #165517 | test_pairwise.py::test_forward_mode_is_refused_with_the_way_round |
| 16 | gradients at logits beyond 1e5: bounded by their terms, not mended | pytorch #121558 | test_pairwise.py::test_a_gradient_at_large_logits_is_off_by_rounding_of_its_terms |
| 17 | a flat row, or a report without a run, fails to be drawn | vit-pytorch #219 | test_draw.py::test_what_is_no_map_is_refused_by_name, test_draw.py::test_a_closed_form_has_no_timeline_and_its_terms_are_bars |
| 18 | a file's name becomes a link to a stranger | jupyter-book #1393 | test_rendered_links.py::test_a_file_name_in_a_sentence_becomes_no_link |
| 19 | a line for the shell fails unnoticed | nbval #81 | test_book.py::test_a_broken_book_is_reported |
| 20 | memory of 3-D blocks is predicted too low | own check | test_memory_hidden.py::test_a_3d_convolution_of_rows_copies_them, here::test_blocks_on_volumes_are_predicted |
"""  # noqa: E501

import re
from pathlib import Path

import pytest
import torch
from memory_cases import QUANTITIES
from torch import nn
from torch.profiler import ProfilerActivity, profile

from nonlocal_tut import NonLocalBlock, SelfAttention2d, memory
from nonlocal_tut.pairwise import ATTENTION, PAIRWISE, affinity, attend

HERE = Path(__file__)


def test_the_table_names_tests_that_exist():
    rows = [line.split(" | ") for line in __doc__.splitlines() if re.match(r"\| \d", line)]
    assert [row[0] for row in rows] == [f"| {kind}" for kind in range(1, 21)]
    named = {test for row in rows for test in re.findall(r"([\w.]+)::(test_\w+)", row[3])}
    assert len(named) > 20 and all("::" in row[3] for row in rows)
    for file, test in named:
        path = HERE if file == "here" else HERE.with_name(file)
        assert re.search(rf"^def {test}\(", path.read_text(encoding="utf-8"), re.MULTILINE), test


# --- kind 1


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: NonLocalBlock(2), (1, 2, 64, 64)),
        (lambda: NonLocalBlock(2), (3, 2, 40, 40)),
        (lambda: NonLocalBlock(2, subsample="after"), (1, 2, 64, 64)),
        (lambda: NonLocalBlock(1, 1, pairwise="gaussian"), (1, 1, 64, 64)),
        (lambda: NonLocalBlock(2, dims=1), (1, 2, 2048)),
        (lambda: NonLocalBlock(2, dims=3), (1, 2, 8, 16, 16)),
        (lambda: SelfAttention2d(8), (1, 8, 64, 64)),
    ],
)
def test_rows_of_one_number_build_no_matrix(make, shape, training):
    """Neither in the run nor in its prediction."""
    positions = torch.Size(shape[2:]).numel()
    matrix = 4 * shape[0] * positions * positions
    matrix //= 4 if getattr(make(), "subsample", None) else 1
    for run in (memory.predict, memory.measure):
        assert run(make, shape, training=training, device="cpu").peak_bytes < matrix / 3


@pytest.mark.parametrize("sides", [(64, 64), (32, 128)])
def test_an_exported_block_builds_none_either(sides):
    """There torch chooses the kernel: it refuses a last stride that is not 1, and says nothing."""
    x = torch.randn(1, 2, *sides)
    program = torch.export.export(NonLocalBlock(2).eval(), (x,)).module()
    with torch.no_grad(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as run:
        program(x)
    largest = max(
        e.nbytes() for e in run.profiler.kineto_results.events() if e.name() == "[memory]"
    )
    assert 0 < largest < 4 * 4096 * 4096 / 3


@pytest.mark.parametrize("strides", ["rows", "columns", "every other"])
def test_rows_of_one_number_may_lie_apart(strides):
    """Such a row counts as contiguous whatever its last stride is, and the kernel reads by it."""
    lie = {
        "rows": lambda t: t,
        "columns": lambda t: t.mT.contiguous().mT,
        "every other": lambda t: torch.stack([t, t + 9], 3).flatten(2)[..., ::2],
    }[strides]
    draw = torch.Generator().manual_seed(0)
    tensors = [torch.randn(2, n, 1, generator=draw) for n in (600, 700, 700)]
    apart = [lie(t).requires_grad_() for t in tensors]
    y, expected = attend(*apart), attend(*tensors, attention="matmul")
    assert torch.allclose(y, expected, atol=1e-5)
    plain = [t.clone().requires_grad_() for t in tensors]
    wanted = torch.autograd.grad(attend(*plain, attention="matmul").sin().sum(), plain)
    for actual, want in zip(torch.autograd.grad(y.sin().sum(), apart), wanted, strict=True):
        assert torch.allclose(actual, want, atol=1e-5)


# --- kind 10


@pytest.mark.parametrize(
    "read",
    [
        lambda t: [number.item() for number in t],
        lambda t: t.tolist(),
        lambda t: [float(number) for number in t],
        lambda t: t.numpy(),
        lambda t: [1.0 if number > 0 else 0.0 for number in t],
    ],
    ids=["item", "tolist", "float", "NumPy", "branch"],
)
def test_a_module_that_is_made_from_numbers_is_sent_to_measure(read):
    """As rates of dropped paths, which grow from block to block, are often written."""

    class Rates(nn.Module):
        def __init__(self):
            super().__init__()
            self.rates = read(torch.linspace(0, 0.1, 3))

        def forward(self, x):
            return x * float(self.rates[1])

    with pytest.raises(ValueError, match=r"failed on the meta device.* memory.measure runs it"):
        memory.predict(Rates, (2, 8))
    assert memory.measure(Rates, (2, 8), device="cpu").peak_bytes >= 2 * 2 * 8 * 4


# --- kind 12


@pytest.mark.parametrize("subsample", [None, "before"])
@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("pairwise", PAIRWISE)
def test_numbers_in_our_blocks_are_all_that_is_off(pairwise, attention, subsample):
    """In training autograd may keep one or two, of 12 bytes at most; else not a byte is off."""

    def make():
        return NonLocalBlock(8, pairwise=pairwise, attention=attention, subsample=subsample)

    for training, most in ((True, 12), (False, 0)):
        predicted = memory.predict(make, (2, 8, 16, 14), training=training)
        measured = memory.measure(make, (2, 8, 16, 14), training=training, device="cpu")
        assert predicted.not_modeled == ()
        assert abs(predicted.peak_bytes - measured.peak_bytes) <= most


# --- kind 13

Q, K, V = (2, 3, 8), (2, 5, 8), (2, 5, 4)


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("pairwise", PAIRWISE)
@pytest.mark.parametrize(
    ("theta", "phi", "g", "said"),
    [
        (Q, K, (2, 6, 8), r"g must be \(2, 5, dv\) .* not \(2, 6, 8\)"),
        (Q, K, (2, 4, 8), r"g must be \(2, 5, dv\) .* not \(2, 4, 8\)"),
        (Q, K, (1, 5, 8), r"g must be \(2, 5, dv\) .* not \(1, 5, 8\)"),
        (Q, K, (2, 1, 5, 8), r"g must be \(2, 5, dv\)"),
        (Q, (2, 5, 7), V, r"phi must be \(2, M, 8\) .* not \(2, 5, 7\)"),
        (Q, (1, 5, 8), V, r"phi must be \(2, M, 8\) .* not \(1, 5, 8\)"),
        (Q, (2, 0, 8), (2, 0, 4), r"phi must be \(2, M, 8\) .* 1 key or more"),
        ((3, 8), K, V, r"theta must be \(B, N, d\), not \(3, 8\)"),
    ],
)
def test_operands_that_do_not_fit_are_refused_by_name(theta, phi, g, said, pairwise, attention):
    theta, phi, g, w_f = (torch.zeros(shape) for shape in (theta, phi, g, (16,)))
    with pytest.raises(ValueError, match=f"^{said}"):
        attend(theta, phi, g, w_f, pairwise=pairwise, attention=attention)
    if not said.startswith("g"):
        with pytest.raises(ValueError, match=f"^{said}"):
            affinity(theta, phi, w_f, pairwise=pairwise)


# --- kind 20


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("switches", "shape"),
    [
        ({"subsample": "after"}, (2, 1024, 4, 14, 14)),
        ({"subsample": "after"}, (1, 1024, 4, 14, 14)),
        ({"norm": False}, (2, 512, 2, 5, 4)),
        ({"subsample": "before"}, (2, 64, 4, 8, 8)),
        ({"norm": False}, (2, 64, 4, 8, 8)),
        ({"pairwise": "gaussian", "subsample": "after"}, (2, 64, 3, 8, 6)),
        ({"attention": "fused", "subsample": "after"}, (2, 64, 8, 14, 14)),
    ],
)
def test_blocks_on_volumes_are_predicted(switches, shape, training):
    def make():
        return NonLocalBlock(shape[1], dims=3, **{"attention": "matmul"} | switches)

    predicted = memory.predict(make, shape, training=training)
    measured = memory.measure(make, shape, training=training, device="cpu")
    assert predicted.not_modeled == ()
    for name in QUANTITIES:
        assert getattr(predicted, name) == pytest.approx(getattr(measured, name), abs=64)
