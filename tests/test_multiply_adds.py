"""What the ledger's multiply-adds leave out: nothing that it does not name.

The wanted numbers are products written by hand: one multiply-add for each term of each sum.
"""

import contextlib
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import flop_registry

from nonlocal_tut import NonLocalBlock, SelfAttention2d, shapes

sdpa = F.scaled_dot_product_attention


def total(target, *inputs):
    return shapes.ledger(target, *inputs).multiply_adds


# --- one operation


@pytest.mark.parametrize(
    ("call", "inputs", "wanted"),
    [
        (torch.dot, ["N=4", "N"], 4),
        (torch.vdot, ["N=4", "N"], 4),
        (torch.mv, ["N=3 d=4", "d"], 3 * 4),
        (torch.matmul, ["N=3 d=4", "d"], 3 * 4),
        (torch.matmul, ["B=2 N=3 d=4", "d M=5"], 2 * 3 * 4 * 5),
        (torch.linalg.matmul, ["B=2 N=3 d=4", "d M=5"], 2 * 3 * 4 * 5),
        (torch.inner, ["N=3 d=4", "M=5 d"], 3 * 4 * 5),
        (torch.inner, ["d=4", "d"], 4),
        (torch.linalg.vecdot, ["N=3 d=4", "d"], 3 * 4),
        (F.cosine_similarity, ["N=3 d=4", "N d"], 3 * 4),
        (lambda a, b: torch.tensordot(a, b, 2), ["N=2 C=3 d=4", "C d M=5"], 2 * 3 * 4 * 5),
        (torch.addmv, ["N=3", "N d=4", "d"], 3 * 4),
        (torch.addbmm, ["N=3 M=5", "B=2 N d=4", "B d M"], 2 * 3 * 4 * 5),
        (lambda c, a, b: c.addmm_(a, b), ["N=3 M=5", "N d=4", "d M"], 3 * 4 * 5),
        (lambda c, a, b: c.baddbmm_(a, b), ["B=2 N=3 M=5", "B N d=4", "B d M"], 2 * 3 * 4 * 5),
        (lambda c, a, b: torch.mm(a, b, out=c), ["N=3 M=5", "N d=4", "d M"], 3 * 4 * 5),
        (
            lambda a, b, c: torch.linalg.multi_dot([a, b, c]),
            ["N=2 d=3", "d M=4", "M C=5"],
            2 * 3 * 4 + 2 * 4 * 5,
        ),
        (
            lambda a, b, c: torch.einsum("nd,dm,mc->nc", a, b, c),
            ["N=2 d=3", "d M=4", "M C=5"],
            2 * 3 * 4 + 2 * 4 * 5,
        ),
        (lambda a, b: torch.einsum(a, [0, 1], b, [1, 2]), ["N=2 d=3", "d M=4"], 2 * 3 * 4),
        (lambda a, b: torch.linalg.matrix_power(a @ b, 2), ["N=3 d=4", "d N"], 3 * 4 * 3 + 27),
        (lambda x, w: torch.conv_tbc(x, w, w.new_zeros(5)), ["T=9 B=2 C=4", "k=3 C O=5"], 840),
        (nn.Bilinear(3, 4, 5), ["B=2 N=7 C=3", "B N d=4"], 2 * 7 * 3 * 4 * 5),
        (lambda a, b: torch.ops.aten.mm(a, b), ["N=3 d=4", "d M=5"], 3 * 4 * 5),
        (lambda a, b: torch._int_mm(a.char(), b.char()), ["N=32 d=8", "d M=16"], 32 * 8 * 16),
    ],
)
def test_each_product_is_counted_however_it_is_called(call, inputs, wanted):
    book = shapes.ledger(call, *inputs)
    assert book.multiply_adds == wanted
    assert book.not_counted == ()


@pytest.mark.parametrize(
    ("call", "inputs", "shown", "wanted"),
    [
        (
            lambda x, w, b: F.conv2d(x, bias=b, weight=w),
            ["B=2 C=4 H=9 W=7", "O=5 C k=3 k", "O"],
            ("B×C×H×W", "O×C×k×k"),
            2 * 5 * 7 * 5 * 4 * 9,
        ),
        (
            lambda x, w, b: F.linear(bias=b, weight=w, input=x),
            ["B=2 C=4", "O=6 C", "O"],
            ("B×C", "O×C"),
            2 * 6 * 4,
        ),
        (
            lambda a, b: torch.matmul(other=b, input=a),
            ["N=5 d=3", "d M=7"],
            ("N×d", "d×M"),
            5 * 3 * 7,
        ),
        (
            lambda q, k, v: sdpa(query=q, value=v, key=k),
            ["B=2 N=5 d=3", "B M=7 d", "B M C=11"],
            ("B×N×d", "B×M×d", "B×M×C"),
            2 * 5 * 7 * (3 + 11),
        ),
        (
            lambda c, a, b: c.baddbmm(batch2=b, batch1=a),
            ["B=2 N=5 M=7", "B N d=3", "B d M"],
            ("B×N×M", "B×N×d", "B×d×M"),
            2 * 5 * 3 * 7,
        ),
        (
            lambda c, a, b: torch.addbmm(batch2=b, input=c, batch1=a),
            ["N=5 M=7", "B=2 N d=3", "B d M"],
            ("N×M", "B×N×d", "B×d×M"),
            2 * 5 * 3 * 7,
        ),
    ],
)
def test_keywords_count_and_stand_in_the_functions_order(call, inputs, shown, wanted):
    (row,) = shapes.ledger(call, *inputs)
    assert row.inputs == shown
    assert row.multiply_adds == wanted


def test_a_failure_shows_keywords_in_the_functions_order():
    with pytest.raises(ValueError, match=r"^bmm cannot multiply B×N×d by B×M×d: inner sides d and"):
        shapes.ledger(lambda a, b: torch.bmm(mat2=b, input=a), "B N d", "B M d")


# --- layers


@pytest.mark.parametrize(
    ("layer", "inputs", "wanted"),  # a transposed one: each input number meets each weight of its
    [
        (nn.ConvTranspose2d(3, 1, 2, 2), ["B=1 C=3 H=2 W=2"], 48),
        (nn.ConvTranspose1d(4, 6, 5, 3, 1, groups=2), ["B=2 C=4 W=9"], 2 * 9 * 4 * 3 * 5),
        (nn.ConvTranspose3d(2, 3, 2), ["B=1 C=2 T=3 H=4 W=5"], 60 * 2 * 3 * 8),
        (nn.LSTM(8, 16, 2), ["N=3 B=2 C=8"], 3 * 2 * 4 * 16 * (8 + 16 + 16 + 16)),
        (
            nn.LSTM(8, 16, bidirectional=True, proj_size=4, batch_first=True),
            ["B=2 N=3 C=8"],
            2 * 2 * 3 * (4 * 16 * (8 + 4) + 16 * 4),
        ),
        (nn.GRU(8, 16), ["N=3 B=2 C=8"], 3 * 2 * 3 * 16 * (8 + 16)),
        (nn.RNN(8, 16), ["N=3 B=2 C=8"], 3 * 2 * 16 * (8 + 16)),
        (nn.LSTMCell(8, 16), ["B=2 C=8"], 2 * 4 * 16 * (8 + 16)),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_layers_are_counted_to_the_term(layer, inputs, wanted, training):
    assert total(layer.train(training), *inputs) == wanted


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("weights", [True, False])
def test_multihead_attention_is_counted_whichever_way_it_takes(training, weights):
    layer = nn.MultiheadAttention(16, 4, batch_first=True).train(training)
    book = shapes.ledger(lambda x: layer(x, x, x, need_weights=weights)[0], "B=1 N=20 C=16")
    assert book.multiply_adds == 4 * 20 * 16 * 16 + 2 * 20 * 20 * 16 == 33280
    other = nn.MultiheadAttention(16, 4, kdim=6, vdim=10).train(training)
    book = shapes.ledger(other, "L=5 B=2 C=16", "S=7 B k=6", "S B v=10")
    projections = 2 * 16 * (5 * 16 + 7 * 6 + 7 * 10 + 5 * 16)
    assert book.multiply_adds == projections + 2 * 2 * 5 * 7 * 16


@pytest.mark.parametrize("context", [contextlib.nullcontext, torch.no_grad, torch.inference_mode])
def test_a_transformer_layer_in_eval_mode_takes_no_way_past_the_ledger(context):
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True).eval()
    wanted = 4 * 20 * 256 + 2 * 20 * 20 * 16 + 2 * 20 * 16 * 32
    assert (
        total(context()(layer) if context is not contextlib.nullcontext else layer, "B=1 N=20 C=16")
        == wanted
    )


# --- attention


@pytest.mark.parametrize(
    ("call", "inputs", "wanted"),
    [
        (lambda q, k, v: sdpa(q, k, v), ["N=5 d=3", "M=7 d", "M C=11"], 5 * 7 * (3 + 11)),
        (lambda x: sdpa(x, x, x), ["B=2 N=5 d=8"], 2 * 5 * 5 * 16),
        (lambda x: sdpa(x, x, x, is_causal=True), ["B=2 h=4 N=5 d=8"], 8 * 5 * 5 * 16),
        (lambda x: sdpa(x, x, x, dropout_p=0.5), ["B=2 h=4 N=5 d=8"], 8 * 5 * 5 * 16),
        (lambda x, m: sdpa(x, x, x, attn_mask=m), ["B=2 h=4 N=5 d=8", "N N"], 8 * 5 * 5 * 16),
        (lambda x, m: sdpa(x, x, x, m, scale=1.0), ["B=2 h=4 N=5 d=8", "N N"], 8 * 5 * 5 * 16),
        (
            lambda x, y: sdpa(x, y, y, enable_gqa=True),
            ["B=2 h=4 N=5 d=8", "B k=2 M=7 d"],
            8 * 5 * 7 * 16,
        ),
        (lambda x, y: sdpa(x, y, y), ["B=2 h=4 N=5 d=8", "one=1 h N d"], 8 * 5 * 5 * 16),
        (torch.vmap(lambda x: sdpa(x, x, x)), ["B=2 h=4 N=5 d=8"], 8 * 5 * 5 * 16),
        (
            lambda x: torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(x, x, x)[0],
            ["B=2 h=4 N=5 d=8"],
            8 * 5 * 5 * 16,
        ),
    ],
)
@pytest.mark.parametrize("context", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_attention_is_counted_however_it_is_called(call, inputs, wanted, context):
    assert total(context()(call), *inputs) == wanted


def test_the_default_block_costs_what_its_two_products_cost():
    fused, written = (SelfAttention2d(64, attention=how) for how in ("fused", "matmul"))
    assert total(written, "B=1 C=64 H=28 W=28") == 48_269_312
    assert total(fused, "B=1 C=64 H=28 W=28") == 48_269_312


@pytest.mark.parametrize("context", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("pairwise", ["gaussian", "embedded_gaussian"])
@pytest.mark.parametrize("widths", [(16, 12), (16, 16), (12, 16), (2, 1)])
def test_zeros_that_a_kernel_wants_are_no_terms(context, pairwise, widths):
    for size in ("B=2 C H=6 W=4", "B=1 C H=9 W=6"):
        size = size.replace("C", f"C={widths[0]}")
        costs = set()
        for how in ("fused", "matmul", "chunked"):
            block = NonLocalBlock(*widths, pairwise=pairwise, attention=how)
            costs.add(total(context()(lambda x, block=block: block(x)), size))
        assert len(costs) == 1


def test_zeros_that_change_the_products_are_terms():
    names = "B=2 N=5 d=3", "B M=7 d"
    keys_too = shapes.ledger(lambda q, k: F.pad(q, (0, 0, 0, 4)) @ k.mT, *names)
    assert keys_too.multiply_adds == 2 * 9 * 7 * 3
    ones = shapes.ledger(lambda q, k: sdpa(F.pad(q, (0, 2), value=1), F.pad(k, (2, 0)), k), *names)
    assert ones.multiply_adds == 2 * 5 * 7 * (5 + 3)


# --- ways past Python


def relu_of_product(a, b):
    return torch.relu(a @ b)


with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    scripted = torch.jit.script(relu_of_product)


@pytest.mark.parametrize(
    ("call", "inputs", "wanted"),
    [
        (scripted, ["N=2 d=3", "d M=4"], 24),
        (lambda a, b: scripted(a, b) @ b.mT, ["N=2 d=3", "d M=4"], 48),
        (torch.vmap(torch.mm), ["B=5 N=2 d=3", "B d M=4"], 120),
        (torch.inference_mode()(torch.matmul), ["B=5 N=2 d=3", "B d M=4"], 120),
        (lambda a, b: checkpoint(torch.mm, a, b, use_reentrant=False), ["N=2 d=3", "d M=4"], 24),
        (
            lambda a, b: torch.autograd.grad((a.requires_grad_() @ b).sum(), a)[0],
            ["N=2 d=3", "d M=4"],
            48,
        ),
        (lambda a, b: torch.func.grad(lambda x: (x @ b).sum())(a), ["N=2 d=3", "d M=4"], 48),
    ],
)
def test_what_torch_runs_for_the_target_is_counted(call, inputs, wanted):
    assert total(call, *inputs) == wanted


def test_what_no_python_call_asked_for_is_a_row_of_its_own():
    book = shapes.ledger(lambda a, b: scripted(a, b).exp(), "N=2 d=3", "d M=4")
    assert [tuple(row) for row in book] == [
        ("mm", ("N×d", "d×M"), "N×M"),
        ("exp", ("N×M",), "N×M"),
    ]


# --- what has no formula


def custom(name):
    """A stranger's product, under a name that torch has for something else."""

    @torch.library.custom_op(f"nonlocal_tut_tests::{name}", mutates_args=())
    def product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a @ b

    product.register_fake(lambda a, b: a.new_empty(a.shape[0], b.shape[1]))
    return product


as_mv, as_addmm, as_sum = map(custom, ("mv", "addmm_", "sum"))


@pytest.mark.parametrize(
    ("call", "inputs", "name"),
    [
        (lambda x: torch.fft.rfft(x), ["B N"], r"fft_rfft \(_fft_r2c\)"),
        (torch.cdist, ["B=2 N=5 d=3", "B M=7 d"], r"cdist \(_cdist_forward\)"),
        (torch.linalg.inv, ["N N"], r"linalg_inv \(linalg_inv_ex\)"),
        (lambda x, g: F.grid_sample(x, g), ["B C H W", "B K L two=2"], r"\(grid_sampler_2d\)"),
        (as_mv, ["N d", "d M"], r"\(nonlocal_tut_tests::mv\)"),
        (as_addmm, ["N d", "d M"], r"\(nonlocal_tut_tests::addmm_\)"),
        (as_sum, ["N d", "d M"], r"\(nonlocal_tut_tests::sum\)"),
    ],
)
@pytest.mark.filterwarnings("ignore:Default grid_sample")
def test_a_total_that_would_leave_something_out_is_refused(call, inputs, name):
    book = shapes.ledger(lambda *x: call(*x).sum() + (x[0] @ x[0].mT).sum(), *inputs)
    with pytest.raises(ValueError, match=rf"^a total would leave out .*{name}: torch has no"):
        _ = book.multiply_adds
    (last,) = [row for row in book if row.not_counted]
    assert last.multiply_adds is None
    assert str(book).splitlines()[-1].startswith("multiply-adds not counted: ")
    assert any(row.multiply_adds for row in book)


def test_a_formula_that_torch_is_given_counts_here_too(monkeypatch):
    monkeypatch.setitem(
        flop_registry,
        torch.ops.nonlocal_tut_tests.mv,
        lambda a, b, *_, **__: 2 * a.shape[0] * b.numel(),
    )
    book = shapes.ledger(as_mv, "N=2 d=3", "d M=4")
    assert book.multiply_adds == 24
    assert "not counted" not in str(book)


CHANNELS = "B=2 C=8 H=6 W=4"


@pytest.mark.parametrize(
    ("layer", "names"),
    [
        *((getattr(nn, name)(8), CHANNELS) for name in ("BatchNorm2d", "InstanceNorm2d")),
        (nn.InstanceNorm2d(8, affine=True, track_running_stats=True), CHANNELS),
        (nn.GroupNorm(2, 8), CHANNELS),
        (nn.LayerNorm(4), CHANNELS),
        (nn.RMSNorm(4), CHANNELS),
        (nn.LocalResponseNorm(3), CHANNELS),
        (nn.MaxPool2d(2, return_indices=True), CHANNELS),
        (nn.AvgPool2d(2), CHANNELS),
        (nn.LPPool2d(2, 2), CHANNELS),
        (nn.FractionalMaxPool2d(2, output_size=2), CHANNELS),
        (nn.AdaptiveAvgPool2d(1), CHANNELS),
        (nn.AdaptiveAvgPool2d(3), CHANNELS),
        (nn.AdaptiveMaxPool2d(2), CHANNELS),
        (nn.MaxPool1d(2), "B=2 C=8 N=6"),
        (nn.AdaptiveAvgPool1d(2), "B=2 C=8 N=6"),
        (nn.MaxPool3d(2), "B=2 C=8 T=2 H=6 W=4"),
        *(
            (nn.Upsample(scale_factor=2, mode=mode), CHANNELS)
            for mode in ("nearest", "nearest-exact", "bilinear", "bicubic")
        ),
        *(
            (nn.Upsample(scale_factor=2, mode=mode), "B=2 C=8 N=6")
            for mode in ("nearest", "linear")
        ),
        *(
            (getattr(nn, f"{kind}Pad2d")(1), CHANNELS)
            for kind in ("Zero", "Reflection", "Replication")
        ),
        (nn.CircularPad2d(1), CHANNELS),
        (nn.PixelShuffle(2), CHANNELS),
        (nn.PixelUnshuffle(2), CHANNELS),
        (nn.ChannelShuffle(2), CHANNELS),
        (nn.Unfold(2), CHANNELS),
        (nn.Dropout2d(), CHANNELS),
        (nn.AlphaDropout(), CHANNELS),
        *(
            (getattr(nn, name)(), CHANNELS)
            for name in """ReLU ReLU6 LeakyReLU ELU SELU CELU GELU SiLU Mish Sigmoid LogSigmoid Tanh
            Softplus Softsign Hardswish Hardsigmoid Hardtanh Hardshrink Softshrink Tanhshrink PReLU
            RReLU Softmax2d""".split()
        ),
        (nn.GLU(1), CHANNELS),
        (nn.LogSoftmax(1), CHANNELS),
        (lambda x: F.embedding(x.long(), torch.ones(9, 3)), CHANNELS),
        (lambda x: x.topk(2)[0].cumsum(1).sort().values.roll(1).flip(0).tril(), CHANNELS),
        (
            lambda x: x.where(x > 0, 1).masked_fill(x > 1, 0).index_select(0, x.new_zeros(1).int()),
            CHANNELS,
        ),
        (lambda x: x.norm() + x.std() + x.var((2, 3)).mean() + x.logsumexp(1).amax(), CHANNELS),
        (lambda x: F.cross_entropy(x, x[:, 0].long(), label_smoothing=0.1), CHANNELS),
        (lambda x: F.mse_loss(x, x) + F.smooth_l1_loss(x, x) + F.kl_div(x, x), CHANNELS),
        (lambda x: F.binary_cross_entropy_with_logits(x, x), CHANNELS),
        (lambda x: torch.outer(x[0, 0, 0], x[0, 0, 0]) + torch.rand(4), CHANNELS),
    ],
)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.filterwarnings("ignore:reduction")
def test_what_multiplies_no_two_tensors_and_sums_counts_nothing_and_says_nothing(
    layer, names, training
):
    book = shapes.ledger(layer.train(training) if isinstance(layer, nn.Module) else layer, names)
    assert (book.multiply_adds, book.not_counted) == (0, ())
    assert all(row.multiply_adds is None for row in book)
