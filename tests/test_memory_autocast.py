"""The casts of the CPU's autocast: predicted, and held against the profiler's record."""

import pytest
import torch
from memory_cases import QUANTITIES
from torch import nn
from torch.nn import functional as F

from nonlocal_tut import NonLocalBlock, SelfAttention2d, memory
from nonlocal_tut.memory import autocast
from nonlocal_tut.pairwise import ATTENTION, PAIRWISE

EXACT = 64  # bytes


def under(make, dtype=torch.bfloat16):
    """The module, run under autocast."""

    class Under(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = make()

        def forward(self, x):
            with torch.autocast("cpu", dtype=dtype):
                return self.inner(x)

    return Under


def does(function):
    class Does(nn.Module):
        def forward(self, x):
            return function(x)

    return Does


def off(make, shape, modes=(True, False), dtype=torch.bfloat16):
    found = 0
    for training in modes:
        predicted = memory.predict(under(make, dtype), shape, training=training)
        measured = memory.measure(under(make, dtype), shape, training=training, device="cpu")
        assert predicted.not_modeled == ()
        found = max(found, *(abs(getattr(predicted, q) - getattr(measured, q)) for q in QUANTITIES))
    return found


class Twice(nn.Module):
    """One weight, cast once and used three times."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(16, 16)

    def forward(self, x):
        y = self.linear(self.linear(x))
        return y.exp() + self.linear(y).sin()


class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.heads = nn.MultiheadAttention(16, 4, batch_first=True)

    def forward(self, x):
        return self.heads(x, x, x, need_weights=False)[0]


def without(x):
    y = x @ x.mT
    with torch.autocast("cpu", enabled=False):
        return (x @ x.mT) @ y.float()


ROWS, IMAGES, VOLUMES = (2, 100, 16), (2, 8, 20, 18), (2, 8, 4, 6, 6)
RUNS = {
    "convolutions": (
        lambda: nn.Sequential(nn.Conv2d(8, 32, 1), nn.GELU(), nn.Conv2d(32, 8, 3)),
        IMAGES,
    ),
    "a batch norm between": (
        lambda: nn.Sequential(nn.Conv2d(8, 32, 3), nn.BatchNorm2d(32), nn.ReLU()),
        IMAGES,
    ),
    "a layer norm between": (
        lambda: nn.Sequential(nn.Linear(16, 64), nn.LayerNorm(64), nn.Linear(64, 16)),
        ROWS,
    ),
    "products": (does(lambda x: (x @ x.mT).softmax(-1) @ x), ROWS),
    "a weight used three times": (Twice, ROWS),
    "a loss": (does(lambda x: F.mse_loss(x @ x.mT, x @ x.mT)), ROWS),
    "joining unequals": (does(lambda x: torch.cat([x @ x.mT, x], -1)), ROWS),
    "joining equals": (does(lambda x: torch.cat([x @ x.mT, x @ x.mT], -1)), ROWS),
    "attention": (does(lambda x: F.scaled_dot_product_attention(*[x[:, None]] * 3)), ROWS),
    "a transposed convolution": (lambda: nn.ConvTranspose2d(8, 4, 3), IMAGES),
    "a PReLU": (lambda: nn.PReLU(8), IMAGES),
    "a pool in 3-D": (lambda: nn.Sequential(nn.Conv3d(8, 8, 1), nn.MaxPool3d(2)), VOLUMES),
    "a part without": (does(without), ROWS),
}


@pytest.mark.parametrize("name", RUNS)
def test_casts_are_predicted(name):
    assert off(*RUNS[name]) <= EXACT


def test_casts_to_float16_are_predicted():
    assert off(*RUNS["products"], dtype=torch.float16) <= EXACT


def test_multi_head_attention_in_training():
    assert off(Heads, ROWS, modes=(True,)) <= EXACT


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("kind", [*PAIRWISE, "SelfAttention2d"])
def test_our_own_blocks_are_predicted(kind, attention):
    def make():
        if kind == "SelfAttention2d":
            return SelfAttention2d(16, attention=attention)
        return NonLocalBlock(16, pairwise=kind, attention=attention)

    assert off(make, (2, 16, 14, 12)) <= 2 * EXACT  # kept statistics of 16 channels, for one


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda x: torch.einsum("bnd,bmd->bnm", x, x), "autocast of bmm inside another operation"),
        (lambda x: F.pad((x @ x.mT)[:, None], (1, 1, 1, 1), mode="reflect"), "reflection_pad2d"),
    ],
)
def test_a_cast_inside_another_operation_is_named(function, told):
    assert told in " ".join(memory.predict(under(does(function)), ROWS).not_modeled)


def test_nothing_of_autocast_is_said_without_it_and_nothing_is_kept_after_it():
    assert memory.predict(Twice, ROWS).not_modeled == ()
    casts = autocast.Casts()
    weight = nn.Parameter(torch.zeros(4, 4, device="meta"))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for _ in range(2):
            y = casts.run("matmul", torch.matmul, (weight, weight), {})
    assert y.dtype == torch.bfloat16 and len(casts.kept) == 1
    assert casts.run("matmul", torch.matmul, (weight, weight), {}).dtype == torch.float32
    assert casts.kept == {}


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("matmul", lambda a, b: a @ b),
        ("linear", F.linear),
        ("cat", lambda a, b: torch.cat([a, b])),
        ("stack", lambda a, b: torch.stack([a, b])),
        ("mse_loss", F.mse_loss),
        ("cdist", torch.cdist),
        ("__matmul__", torch.Tensor.__matmul__),
        ("prelu", lambda a, b: F.prelu(a, b[0])),
        ("add", torch.add),
    ],
)
@pytest.mark.parametrize("dtypes", [(0, 0), (0, 1), (1, 1), (2, 2)])
def test_the_dtype_is_what_torch_s_own_autocast_gives(name, function, dtypes):
    kinds = torch.float32, torch.bfloat16, torch.float64
    a, b = (torch.zeros(4, 4, dtype=kinds[i]) for i in dtypes)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = function(a, b)
        assert autocast.Casts().run(name, function, (a, b), {}).dtype == expected.dtype
        meta = autocast.Casts().run(name, function, (a.to("meta"), b.to("meta")), {})
        assert meta.dtype == expected.dtype
