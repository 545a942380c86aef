"""What operations allocate inside themselves: predicted, and held against the profiler's record."""

import random
import re
import warnings

import pytest
import torch
from everyday import EVERYDAY, FLOAT32_ALONE
from memory_cases import QUANTITIES
from torch import nn
from torch.nn import functional as F

from nonlocal_tut import memory
from nonlocal_tut.memory.hidden import ROWS, UNKNOWN, UNKNOWN_ON_CPU, UNKNOWN_ON_CUDA
from nonlocal_tut.memory.variants import VARIANTS

EXACT = 64  # bytes; the CPU wraps a Python number in a tensor of 8, which autograd may keep
F32, BF16 = torch.float32, torch.bfloat16


def off(make, shape, dtype=F32, modes=(True, False), quantities=QUANTITIES):
    """The largest difference between prediction and run, in bytes, and whether it was announced."""
    found = 0
    for training in modes:
        predicted = memory.predict(make, shape, dtype, training=training)
        measured = memory.measure(make, shape, dtype, training=training, device="cpu")
        assert predicted.not_modeled == ()
        found = max(found, *(abs(getattr(predicted, q) - getattr(measured, q)) for q in quantities))
    return found


class Does(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


# --- convolutions

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
SIDES = {1: (23,), 2: (10, 9), 3: (4, 6, 5)}


def drawn(count, seed):
    """Convolutions of all kinds: (name, make, shape, dtype)."""
    draw = random.Random(seed)
    for _ in range(count):
        dims, transposed = draw.choice((1, 2, 2, 3)), draw.random() < 0.3
        kernel, groups = draw.choice((1, 1, 2, 3)), draw.choice((1, 1, 2, 4))
        options = {
            "stride": draw.choice((1, 1, 2)),
            "padding": draw.choice((0, kernel // 2)),
            "dilation": draw.choice((1, 1, 1, 2)),
            "groups": groups,
            "bias": draw.random() < 0.7,
        }
        kind = (TRANSPOSED if transposed else CONVOLUTIONS)[dims]
        channels = 4 * draw.randint(1, 5), 4 * draw.randint(1, 5)
        batch, dtype = draw.choice((1, 2, 3, 17)), draw.choice((F32, F32, BF16))
        name = f"{kind.__name__} {channels} {kernel} {options} batch {batch} {dtype}"
        yield name, kind, (*channels, kernel), options, (batch, channels[0], *SIDES[dims]), dtype


def test_what_convolutions_unfold_is_predicted():
    """Peaks: of all moments in the run, the largest."""
    wrong = []
    for name, kind, sizes, options, shape, dtype in drawn(48, seed=13):
        difference = off(lambda: kind(*sizes, **options), shape, dtype)  # noqa: B023
        if difference > EXACT:
            wrong.append(f"{name}: {difference}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3])
def test_a_3d_convolution_of_rows_copies_them(kernel, batch):
    """The CPU's 3-D kernel knows one memory format; rows of positions lie in the other."""

    def make():
        conv = nn.Conv3d(8, 12, kernel, padding=kernel // 2)
        return nn.Sequential(Does(lambda x: x.mT.unflatten(2, (4, 4, 6))), conv)

    assert off(make, (batch, 96, 8)) <= EXACT


# --- the table, row by row

X = (2, 8, 9, 7)
TOKENS = (2, 3, 250, 16)


def attention(x):
    return F.scaled_dot_product_attention(x, x, x)


NOTICED_BY = {  # for each row, a run whose peak holds what it says
    "_softmax": (lambda: Does(lambda x: x.flatten(2).mT.softmax(-1)), X),
    "_softmax_backward_data": (
        lambda: Does(lambda x: x.flatten(2).mT.contiguous().softmax(-1).mT.contiguous()),
        X,
    ),
    "_safe_softmax": (lambda: Does(attention), (40, 8)),
    "convolution": (lambda: nn.Conv2d(8, 8, 3), X),
    "convolution_backward": (lambda: nn.Conv2d(8, 8, 1, groups=8), X),
    "native_batch_norm": (lambda: nn.BatchNorm1d(400), (2, 400)),
    "native_batch_norm_backward": (lambda: nn.BatchNorm2d(8), X),
    "native_group_norm_backward": (lambda: nn.GroupNorm(40, 80), (2, 80, 1, 1)),
    "native_layer_norm_backward": (lambda: nn.LayerNorm(100), (1, 100)),
    "max_pool2d_with_indices_backward": (
        lambda: Does(lambda x: F.max_pool2d(x, 1).mT.contiguous()),
        X,
    ),
    "max_pool3d_with_indices_backward": (
        lambda: Does(lambda x: F.max_pool3d(x, 1).mT.contiguous()),
        (2, 8, 4, 9, 7),
    ),
    "_scaled_dot_product_flash_attention_for_cpu": (lambda: Does(attention), TOKENS),
    "_scaled_dot_product_flash_attention_for_cpu_backward": (lambda: Does(attention), TOKENS),
    "upsample_nearest2d": (lambda: nn.Upsample(scale_factor=2), X),
    "_upsample_nearest_exact2d": (lambda: nn.Upsample(scale_factor=2, mode="nearest-exact"), X),
    "upsample_bilinear2d": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), X),
    "upsample_bicubic2d": (lambda: nn.Upsample(scale_factor=2, mode="bicubic"), X),
    "upsample_nearest1d": (lambda: nn.Upsample(scale_factor=2), (2, 8, 9)),
    "upsample_linear1d": (lambda: nn.Upsample(scale_factor=2, mode="linear"), (2, 8, 9)),
    "upsample_nearest3d": (lambda: nn.Upsample(scale_factor=2), (2, 8, 3, 5, 4)),
    "upsample_trilinear3d": (
        lambda: nn.Upsample(scale_factor=2, mode="trilinear"),
        (2, 8, 3, 5, 4),
    ),
    "logsumexp": (lambda: Does(lambda x: x.logsumexp(1)), X),
    "im2col": (lambda: nn.Unfold(3), X),
    "median": (lambda: Does(lambda x: x.median(1)[0]), X),
    "pixel_unshuffle": (lambda: Does(lambda x: F.pixel_unshuffle(x[..., :6], 3)), X),
    "repeat": (lambda: Does(lambda x: x.repeat(1, 2, 1, 1)), X),
    "sum": (lambda: Does(lambda x: (x > 0).sum(1) * x[:, 0]), X),
    "mse_loss": (lambda: Does(lambda x: F.mse_loss(x, x.flip(0))), X),
    "smooth_l1_loss": (lambda: Does(lambda x: F.smooth_l1_loss(x, x.flip(0))), X),
    "huber_loss": (lambda: Does(lambda x: F.huber_loss(x, x.flip(0))), X),
    "binary_cross_entropy_with_logits": (
        lambda: Does(lambda x: F.binary_cross_entropy_with_logits(x, x.detach())),
        X,
    ),
}
IN_16_BITS = {
    "gather": lambda x: x.gather(1, torch.zeros(2, 3, 9, 7, dtype=torch.long, device=x.device)),
    "scatter": lambda x: x.max(1)[0],
    "scatter_add": lambda x: torch.zeros_like(x).scatter_add(
        1, torch.zeros(2, 8, 9, 7, dtype=torch.long, device=x.device), x
    ),
    "binary_cross_entropy": lambda x: F.binary_cross_entropy(x.sigmoid(), x.detach().sigmoid()),
}
NUMBERS = {  # rows of 12 bytes
    "mean": lambda x: x.mean((2, 3)),
    "add": lambda x: x + 2,
    "sub": lambda x: x - 2.5,
    "mul": lambda x: x * 2,
    "div": lambda x: x / 3,
    "rsub": lambda x: torch.rsub(x, 3),
    "gt": lambda x: x > 0,
    "lt": lambda x: x < 0,
    "ge": lambda x: x >= 0,
    "le": lambda x: x <= 0,
}


def test_each_row_has_a_run_that_notices_it():
    assert {*NOTICED_BY, *NUMBERS, *IN_16_BITS} == set(ROWS["cpu"])
    assert set(ROWS["cuda"]) <= set(ROWS["cpu"])


@pytest.mark.parametrize("row", NOTICED_BY)
def test_a_row_that_is_taken_out_is_noticed(row, monkeypatch):
    make, shape = NOTICED_BY[row]
    gradient_is_not_modeled = row in ("im2col", "binary_cross_entropy_with_logits")
    modes = (False,) if gradient_is_not_modeled else (True, False)
    assert off(make, shape, modes=modes) <= EXACT
    monkeypatch.delitem(ROWS["cpu"], row)
    assert off(make, shape, modes=modes) > EXACT


@pytest.mark.parametrize("row", IN_16_BITS)
def test_a_row_for_16_bits_that_is_taken_out_is_noticed(row, monkeypatch):
    assert off(lambda: Does(IN_16_BITS[row]), X, BF16) <= EXACT
    monkeypatch.delitem(ROWS["cpu"], row)
    assert off(lambda: Does(IN_16_BITS[row]), X, BF16) > EXACT


@pytest.mark.parametrize("row", NUMBERS)
def test_a_python_number_takes_twelve_bytes(row, monkeypatch):
    def make():
        return Does(NUMBERS[row])

    assert off(make, X, modes=(False,)) == 0
    monkeypatch.delitem(ROWS["cpu"], row)
    assert off(make, X, modes=(False,)) == 12


def test_sums_of_16_bits_are_taken_in_32():
    assert off(lambda: nn.AdaptiveAvgPool2d(1), X, BF16) <= EXACT
    assert off(lambda: Does(lambda x: x.mean((2, 3))), X, torch.float16) <= EXACT


# --- which way attention goes


def masked(mask):
    return lambda x: F.scaled_dot_product_attention(x, x, x, attn_mask=mask(x))


WAYS = {
    "plain": attention,
    "causal": lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True),
    "three sides": lambda x: attention(x[:, 0]),
    "three sides with a mask": lambda x: F.scaled_dot_product_attention(
        *[x[:, 0]] * 3, attn_mask=torch.zeros(2, 250, 250, device=x.device, dtype=x.dtype)
    ),
    "two sides": lambda x: attention(x[0, 0]),
    "two tokens": lambda x: attention(x[:, :, :2]),
    "strided": lambda x: attention(x.mT.contiguous().mT),
    "unequal widths": lambda x: F.scaled_dot_product_attention(x, x, x[..., :8].contiguous()),
    "dropout": lambda x: F.scaled_dot_product_attention(x, x, x, dropout_p=0.5),
    "mask of scores": masked(lambda x: torch.zeros(250, 250, device=x.device)),
    "mask of booleans": masked(lambda x: torch.ones(250, 250, device=x.device) > 0),
    "mask of three sides": masked(lambda x: torch.zeros(3, 250, 250, device=x.device)),
    "mask of four sides": masked(lambda x: torch.zeros(2, 1, 1, 250, device=x.device)),
    "grouped": lambda x: F.scaled_dot_product_attention(
        x, x[:, :1].expand(-1, 3, -1, -1)[:, :1], x[:, :1], enable_gqa=True
    ),
}


@pytest.mark.parametrize("dtype", [F32, BF16])
@pytest.mark.parametrize("way", WAYS)
def test_attention_takes_the_kernel_that_it_takes_there(way, dtype):
    if way == "grouped" and "enable_gqa" not in (F.scaled_dot_product_attention.__doc__ or ""):
        pytest.skip("this torch knows no groups")
    if way.startswith("mask of") and "bool" not in way and dtype is BF16:
        pytest.skip("a mask has the dtype of the query")
    assert off(lambda: Does(WAYS[way]), TOKENS, dtype) <= EXACT


@pytest.mark.parametrize("count", [1, 31, 32, 191, 192, 512, 513, 767, 768])
def test_the_tile_of_the_fused_kernel_grows_with_the_queries(count):
    assert off(lambda: Does(attention), (1, 2, count, 8)) <= EXACT


def test_multi_head_attention_is_fused_in_training_and_says_so_where_it_takes_a_short_cut():
    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.heads = nn.MultiheadAttention(32, 4, batch_first=True)

        def forward(self, x):
            return self.heads(x, x, x, need_weights=False)[0]

    assert off(Heads, (2, 60, 32), modes=(True,)) <= EXACT
    told = memory.predict(Heads, (2, 60, 32), training=False).not_modeled
    assert told == ("the fast path of nn.MultiheadAttention in eval mode",)


# --- what cannot be told is said


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("name", "dtype"),
    [(n, d) for n in EVERYDAY for d in (F32, BF16)] + [(n, F32) for n in FLOAT32_ALONE],
)
def test_no_everyday_operation_is_off_without_a_word(name, dtype, training):
    function = (EVERYDAY | FLOAT32_ALONE)[name]
    predicted = memory.predict(lambda: Does(function), X, dtype, training=training)
    measured = memory.measure(lambda: Does(function), X, dtype, training=training, device="cpu")
    differences = [getattr(predicted, q) - getattr(measured, q) for q in QUANTITIES]
    assert predicted.not_modeled or max(map(abs, differences)) <= EXACT, differences


def test_few_everyday_operations_are_named_and_not_counted():
    named = [n for n in EVERYDAY if memory.predict(lambda n=n: Does(EVERYDAY[n]), X).not_modeled]
    assert len(named) <= len(EVERYDAY) / 10, named


@pytest.mark.parametrize(
    ("make", "shape", "training", "told"),
    [
        (lambda: nn.LSTM(8, 8), (5, 2, 8), False, "an LSTM"),
        (lambda: nn.GRU(8, 8), (5, 2, 8), True, "a GRU"),
        (nn.Mish, X, True, "mish"),
        (lambda: nn.MaxPool1d(2), (2, 8, 10), False, "max_pool1d"),
        (lambda: nn.Fold((9, 7), 3), (2, 72, 35), False, "fold"),
        (lambda: Does(lambda x: x.prod(1)), X, True, "prod's gradient"),
        (lambda: Does(lambda x: torch.linalg.inv(x[..., :7, :])), X, False, "LAPACK's scratch"),
        (lambda: Does(torch.fft.rfft2), X, False, "complex numbers"),
        (lambda: Does(lambda x: torch.cdist(x, x)), X, False, "inside cdist"),
    ],
)
def test_what_goes_another_way_than_on_the_meta_device_is_named(make, shape, training, told):
    assert told in " ".join(memory.predict(make, shape, training=training).not_modeled)


@pytest.mark.parametrize(
    "table", [UNKNOWN, UNKNOWN_ON_CPU, UNKNOWN_ON_CUDA], ids=["both", "cpu", "cuda"]
)
def test_what_is_left_out_belongs_to_an_operation_and_is_said_in_words(table):
    for name, told in table.items():
        assert hasattr(torch.ops.aten, name), f"torch has no {name}"
        assert re.fullmatch(r"[a-z]\w+('s)? [\w', ]*[a-z]", told), told


class ChannelsLast(nn.Module):
    """A batch norm whose input lies in another order than its gradient."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x):
        return self.norm(x.to(memory_format=torch.channels_last)).contiguous()


def test_a_hidden_copy_says_of_what_and_where():
    predicted = memory.predict(ChannelsLast, (2, 8, 6, 5), BF16)
    assert [a.operation for a in predicted.timeline if a.hidden] == [
        "sums in batch norm",
        "a sum in batch norm's backward",
        "a sum in batch norm's backward",
        "float32 copy of the gradient in batch norm's backward",
    ]


class LearnedMask(nn.Module):
    """A mask that learns, which no fused kernel of the CPU takes."""

    def __init__(self):
        super().__init__()
        self.mask = nn.Parameter(torch.zeros(40, 40))

    def forward(self, x):
        return F.scaled_dot_product_attention(x, x, x, attn_mask=self.mask)


@pytest.mark.parametrize("training", [True, False])
def test_a_mask_that_learns_is_predicted(training):
    case = LearnedMask, (2, 4, 40, 16)
    predicted = memory.predict(*case, training=training)
    measured = memory.measure(*case, training=training, device="cpu")
    for quantity in QUANTITIES:
        assert abs(getattr(predicted, quantity) - getattr(measured, quantity)) <= EXACT, quantity


def autocast(x):
    with torch.autocast("cuda", dtype=BF16):
        return x @ x.mT


def test_autocast_of_cuda_is_named():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where no GPU is, torch turns it off and says so
        told = memory.predict(lambda: Does(autocast), X, device="cuda").not_modeled
    assert ("autocast, which the meta device does not see" in told) == torch.cuda.is_available()


@pytest.mark.parametrize("on", [True, False])
def test_autocast_of_cuda_is_named_without_a_gpu(monkeypatch, on):
    """The module is told that it is on; `torch.autocast` itself would restore what it was told."""
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda kind: on and kind == "cuda")
    told = memory.predict(lambda: Does(lambda x: x @ x.mT), X, device="cuda").not_modeled
    assert told == ("autocast, which the meta device does not see",) * on


# --- on a GPU


def test_dropout_on_cuda_keeps_a_byte_for_each_number():
    report = memory.predict(lambda: nn.Dropout(0.5), (2**20,), device="cuda")
    assert report.saved_bytes == 2**20
    assert memory.predict(lambda: nn.Dropout(0.5), (2**20,)).saved_bytes == 4 * 2**20


def test_a_tensor_says_that_it_is_where_the_run_would_be():
    def branch(x):
        return x if x.device.type == "cuda" and x.is_cuda else torch.cat([x, x])

    def peak(device):
        return memory.predict(lambda: Does(lambda x: branch(x) + 0), X, device=device).peak_bytes

    assert peak("cuda") < peak("cpu")


def test_what_a_module_makes_itself_is_counted_where_the_run_would_be():
    def adds(x):
        return x + torch.arange(7, dtype=x.dtype) + torch.ones(9, 7, device=x.device)

    assert off(lambda: Does(adds), X) <= EXACT
    assert memory.predict(lambda: Does(adds), X, device="cuda").peak_bytes > 0


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_article_s_order_of_operands_costs_a_hidden_map_and_the_other_order_none(device):
    """Its second operand is the map transposed: so the map's gradient comes transposed, too."""
    article, swapped = (
        memory.predict(lambda name=name: VARIANTS[name](32), (1, 32, 12, 12), device=device)
        for name in ("article", "swapped")
    )
    told = "hidden: contiguous copy of the gradient in softmax's backward"
    assert " ".join(str(article).split()).count(told) == 1 and "hidden" not in str(swapped)
    assert article.requested_bytes - swapped.requested_bytes == 144**2 * 4
