"""The ledger of named shapes, against rows written by hand and torch's own flop counter."""

import itertools
import math
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nonlocal_tut import shapes
from nonlocal_tut.shapes.names import PRIMES, name_table


class Attention(nn.Module):
    """The article's block in our own words, with the places where its mistakes are made."""

    def __init__(self, channels=64, mistake=None):
        super().__init__()
        self.query = nn.Conv2d(channels, channels // 8, 1)
        self.key = nn.Conv2d(channels, channels // 8, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))
        self.softmax = nn.Softmax(dim=-1)
        self.mistake = mistake

    def forward(self, x):
        b, c, h, w = x.size()
        query = self.query(x).view(b, -1, h * w)
        if self.mistake != "no permute":
            query = query.permute(0, 2, 1)
        key = self.key(x).view(b, -1, h * w)
        energy = torch.bmm(query, key)
        self.attention = self.softmax(energy)
        value = self.value(x).view(b, -1, h * w)
        out = torch.bmm(value, self.attention.permute(0, 2, 1))
        out = out.view(b, c, w, h) if self.mistake == "swapped back" else out.view(b, c, h, w)
        return self.gamma * out + x


class Pooled(nn.Module):
    """Keys and values from a pooled map, in two or three dimensions, with a norm at the end."""

    def __init__(self, channels, dims):
        super().__init__()
        conv = {2: nn.Conv2d, 3: nn.Conv3d}[dims]
        self.theta, self.g = conv(channels, channels // 2, 1), conv(channels, channels // 2, 1)
        self.pool = nn.MaxPool2d(2) if dims == 2 else nn.MaxPool3d((1, 2, 2))
        self.w_z = conv(channels // 2, channels, 1)
        self.norm = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}[dims](channels)

    def forward(self, x):
        theta, g = self.theta(x).flatten(2).mT, self.pool(self.g(x)).flatten(2)
        y = F.softmax(theta @ g, -1) @ g.mT
        return x + self.norm(self.w_z(y.mT.unflatten(2, x.shape[2:])))


ARTICLE = [
    ("conv2d", ("B×C×H×W", "C/8×C×1×1"), "B×C/8×H×W"),
    ("view", ("B×C/8×H×W",), "B×C/8×N"),
    ("permute", ("B×C/8×N",), "B×N×C/8"),
    ("conv2d", ("B×C×H×W", "C/8×C×1×1"), "B×C/8×H×W"),
    ("view", ("B×C/8×H×W",), "B×C/8×N"),
    ("bmm", ("B×N×C/8", "B×C/8×N"), "B×N×N"),
    ("softmax", ("B×N×N",), "B×N×N"),
    ("conv2d", ("B×C×H×W", "C×C×1×1"), "B×C×H×W"),
    ("view", ("B×C×H×W",), "B×C×N"),
    ("permute", ("B×N×N",), "B×N×N"),
    ("bmm", ("B×C×N", "B×N×N"), "B×C×N"),
    ("view", ("B×C×N",), "B×C×H×W"),
    ("mul", ("1", "B×C×H×W"), "B×C×H×W"),
    ("add", ("B×C×H×W", "B×C×H×W"), "B×C×H×W"),
]


def rows(function, *inputs):
    """The rows as plain tuples."""
    return [(row.operation, row.inputs, row.output) for row in shapes.ledger(function, *inputs)]


def failure(target, *inputs):
    """What is said of an operation that cannot take its shapes."""
    with pytest.raises(ValueError) as caught:
        shapes.ledger(target, *inputs)
    assert caught.value.__cause__ is not None
    return str(caught.value)


@pytest.mark.parametrize(
    "given",
    ["B C H W", "B C=64 H=6 W=14", torch.zeros(2, 64, 5, 7)],
    ids=["names", "names and sizes", "tensor"],
)
def test_the_articles_block_row_by_row(given):
    book = shapes.ledger(Attention(), given)
    assert list(book) == ARTICLE
    assert not book.ambiguous


def test_a_row_has_three_fields_and_the_numbers_beside_them():
    row = shapes.ledger(lambda q, k: torch.bmm(q, k), "B=2 N=35 d=8", "B d N")[0]
    operation, inputs, output = row
    assert (operation, inputs, output) == ("bmm", ("B×N×d", "B×d×N"), "B×N×N")
    assert row.input_shapes == ((2, 35, 8), (2, 8, 35))
    assert row.output_shapes == ((2, 35, 35),)
    assert row.multiply_adds == 2 * 35 * 35 * 8
    assert str(row) == "bmm B×N×d · B×d×N → B×N×N"


def test_the_numbers_are_those_of_a_real_run():
    block, x, seen = Pooled(16, 2).eval(), torch.zeros(2, 16, 6, 10), []
    for layer in (block.theta, block.g, block.pool, block.w_z, block.norm):
        layer.register_forward_hook(lambda layer, given, out: seen.append(tuple(out.shape)))
    block(x)
    layers = ("conv2d", "max_pool2d", "batch_norm")
    ledger = shapes.ledger(block, x)
    assert [r.output_shapes[0] for r in ledger if r.operation in layers] == seen[:5]


def test_the_table_is_aligned_under_a_line_of_sizes():
    text = str(shapes.ledger(lambda q, k: (q @ k).softmax(-1), "B=2 N=35 d=8", "B d N"))
    assert text.splitlines() == [
        "B=2  N=35  d=8",
        "matmul   B×N×d · B×d×N → B×N×N",
        "softmax  B×N×N         → B×N×N",
    ]
    book = shapes.ledger(nn.ReLU(), "B=2 C=3 H=5 W=7")
    assert repr(book) == str(book) == "B=2  C=3  H=5  W=7  N=H·W=35\nrelu  B×C×H×W → B×C×H×W"


def test_a_page_gets_the_same_rows_as_a_table():
    square = shapes.ledger(lambda q, k: (q @ k).softmax(-1), "B=2 N=5 d=5", "B d N")
    html = square._repr_html_()
    assert html.startswith("<p>B=2  N=5  d=5</p>\n<table")
    cells = ["<td>matmul</td>", "<td>B×N|d×N|d · B×N|d×N|d</td>", "<td>B×N|d×N|d</td>"]
    assert f"<tr>{''.join(cells)}</tr>" in html and html.count("<tr>") == 3
    assert html.endswith("<p>ambiguous, because sizes are equal: N|d</p>")


# --- how sizes are chosen


CHOICES = [
    "B N d",
    "B C H W",
    "B C T H W",
    "B C N",
    "B N M d",
    "B C=64 H W",
    "B C=64 T H W",
    "B=2 C H W",
    "B C H=10 W",
    "B=7 C H W",
    "B C=77 H W",
]


def test_sizes_are_chosen_from_the_odd_primes_none_left_out():
    prime = [n for n in range(3, PRIMES[-1] + 1) if all(n % k for k in range(2, n))]
    assert list(PRIMES) == prime


@pytest.mark.parametrize("names", CHOICES)
def test_chosen_sizes_keep_products_and_quotients_apart(names):
    sizes = shapes.ledger(lambda x: x + x, names).sizes
    values = [size for name, size in sizes.items() if f"{name}=" not in names]
    for count in range(1, len(values) + 1):
        products = [math.prod(group) for group in itertools.combinations(values, count)]
        assert len(set(products)) == len(products)
    products = {math.prod(pair) for pair in itertools.combinations(sizes.values(), 2)}
    quotients = {Fraction(*pair) for pair in itertools.permutations(sizes.values(), 2)}
    assert len(products) == math.comb(len(sizes), 2)
    assert len(quotients) == math.perm(len(sizes), 2)
    odd_primes = [{p for p in PRIMES if value % p == 0} for value in values]
    assert all(odd_primes)
    assert sum(map(len, odd_primes)) == len(set().union(*odd_primes))


@pytest.mark.parametrize("names", [names for names in CHOICES if "=2" not in names])
def test_no_name_that_the_ledger_knows_meets_another(names):
    sizes = shapes.ledger(lambda x: x + x, names).sizes
    clash = [names for names in name_table(sizes, pooled=True).values() if len(names) > 1]
    assert clash == []


def test_chosen_sizes_avoid_the_modules_own():
    sizes = shapes.ledger(nn.Conv2d(64, 5, (3, 7), padding=(1, 3)), "B C H W").sizes
    assert sizes["C"] == 64
    assert not {5, 3, 7} & {sizes[name] for name in "BHW"}


def test_c_of_a_module_is_that_of_its_first_layer():
    first = nn.Sequential(nn.ReLU(), nn.Conv2d(24, 40, 1), nn.Conv2d(40, 16, 1))
    assert shapes.ledger(first, "B C H W").sizes["C"] == 24
    assert shapes.ledger(nn.Sequential(nn.Linear(24, 40)), "B N C").sizes["C"] == 24
    assert shapes.ledger(nn.BatchNorm2d(24), "B C H W").sizes["C"] == 24
    assert shapes.ledger(nn.ReLU(), "B C H W").sizes["C"] % 8 == 0


def test_names_are_shared_among_inputs_and_a_tensor_can_give_them():
    book = shapes.ledger(lambda x, y: x @ y, torch.zeros(2, 3, 5), "B N C")
    assert book.sizes == {"B": 2, "C": 3, "N": 5}
    assert book[0] == ("matmul", ("B×C×N", "B×N×C"), "B×C×C")


# --- names


def test_a_number_before_the_operator_changes_no_name():
    rows = shapes.ledger(lambda x: 1 / x - (2 - x) + 2**x, "B C")
    assert [row.operation for row in rows] == ["div", "sub", "sub", "pow", "add"]


def test_equal_sizes_give_ambiguous_names_and_the_ledger_says_so():
    square = shapes.ledger(lambda x: x.flatten(2).mT, torch.zeros(2, 3, 7, 7))
    assert square[0] == ("flatten", ("B×C×H|W×H|W",), "B×C×N")
    assert square.ambiguous == ("H|W",)
    assert str(square).splitlines()[-1] == "ambiguous, because sizes are equal: H|W"
    eight = shapes.ledger(Attention(64), torch.zeros(2, 64, 8, 8))
    assert eight.ambiguous == ("C|N", "H|W|C/8")
    assert eight[5] == ("bmm", ("B×C|N×H|W|C/8", "B×H|W|C/8×C|N"), "B×C|N×C|N")
    assert shapes.ledger(lambda x: x + x, torch.zeros(1, 3, 5, 7)).ambiguous == ("B|1",)


def test_only_distinct_sizes_show_a_missing_permute():
    transposed = nn.Sequential(nn.Flatten(2))
    square, named = torch.zeros(2, 9, 3, 3), "B C H W"
    wrong, right = (lambda x: transposed(x)), (lambda x: transposed(x).mT)
    assert rows(wrong, square)[-1][-1] == rows(right, square)[-1][-1] == "B×C|N×C|N"
    assert rows(wrong, named)[-1][-1] == "B×C×N"
    assert rows(right, named)[-1][-1] == "B×N×C"


def test_names_come_from_sizes_even_where_the_code_swaps_them():
    def article(x):
        batch, channels, width, height = x.size()  # x is (B, C, H, W), so width is H
        return x.view(batch, -1, width * height).view(batch, channels, width, height)

    def swapped_once(x):
        batch, channels, width, height = x.size()
        return x.view(batch, -1, width * height).view(batch, channels, height, width)

    assert [output for *_, output in rows(article, "B C H W")] == ["B×C×N", "B×C×H×W"]
    assert [output for *_, output in rows(swapped_once, "B C H W")] == ["B×C×N", "B×C×W×H"]


def test_pooled_keys_are_a_quarter_of_n():
    assert rows(Pooled(64, 2), "B C H W") == [
        ("conv2d", ("B×C×H×W", "C/2×C×1×1"), "B×C/2×H×W"),
        ("flatten", ("B×C/2×H×W",), "B×C/2×N"),
        ("mT", ("B×C/2×N",), "B×N×C/2"),
        ("conv2d", ("B×C×H×W", "C/2×C×1×1"), "B×C/2×H×W"),
        ("max_pool2d", ("B×C/2×H×W",), "B×C/2×H/2×W/2"),
        ("flatten", ("B×C/2×H/2×W/2",), "B×C/2×N/4"),
        ("matmul", ("B×N×C/2", "B×C/2×N/4"), "B×N×N/4"),
        ("softmax", ("B×N×N/4",), "B×N×N/4"),
        ("mT", ("B×C/2×N/4",), "B×N/4×C/2"),
        ("matmul", ("B×N×N/4", "B×N/4×C/2"), "B×N×C/2"),
        ("mT", ("B×N×C/2",), "B×C/2×N"),
        ("unflatten", ("B×C/2×N",), "B×C/2×H×W"),
        ("conv2d", ("B×C/2×H×W", "C×C/2×1×1"), "B×C×H×W"),
        ("batch_norm", ("B×C×H×W",), "B×C×H×W"),
        ("add", ("B×C×H×W", "B×C×H×W"), "B×C×H×W"),
    ]


def test_in_three_dimensions_n_is_thw_and_time_is_not_pooled():
    book = shapes.ledger(Pooled(64, 3), "B C T H W")
    by_name = {row.operation: row for row in book}
    assert by_name["max_pool3d"].output == "B×C/2×T×H/2×W/2"
    assert by_name["softmax"].output == "B×N×N/4"
    assert (
        book.sizes["T"] * book.sizes["H"] * book.sizes["W"]
        == by_name["softmax"].output_shapes[0][1]
    )
    assert str(book).splitlines()[0].endswith(f"N=T·H·W={by_name['softmax'].output_shapes[0][1]}")


def test_space_only_and_pooled_names_of_a_video():
    def space_only(x):
        frames = x.transpose(1, 2).flatten(0, 1)  # (B·T, C, H, W)
        return frames.flatten(2).mT @ F.max_pool2d(frames, 2).flatten(2)

    assert rows(space_only, "B C T H W")[-1] == ("matmul", ("BT×HW×C", "BT×C×HW/4"), "BT×HW×HW/4")


def test_a_sequence_is_pooled_by_two():
    pooled = rows(lambda x: x.mT @ F.max_pool1d(x, 2), "B C N")
    assert pooled[-1] == ("matmul", ("B×N×C", "B×C×N/2"), "B×N×N/2")


def test_an_odd_map_is_pooled_to_a_floor_and_that_is_in_the_name():
    keys = shapes.ledger(lambda x: F.max_pool2d(x, 2).flatten(2), torch.zeros(11, 64, 5, 9))
    assert keys[0].output == "B×C×⌊H/2⌋×⌊W/2⌋"
    assert keys[1].output == "B×C×⌊H/2⌋·⌊W/2⌋"
    clip = shapes.ledger(lambda x: F.max_pool3d(x, (1, 2, 2)).flatten(2), "B C T=5 H=7 W=8")
    assert clip[1].output == "B×C×T·⌊H/2⌋·W/2"
    twins = shapes.ledger(lambda x: F.max_pool2d(x, 2), torch.zeros(2, 64, 5, 9))
    assert twins[0].output == "B|⌊H/2⌋×C×B|⌊H/2⌋×⌊W/2⌋"


def test_other_names_numbers_and_products():
    assert rows(lambda x, y: torch.cat([x, y], -1), "B N C", "B N C")[0][-1] == "B×N×2C"
    assert rows(lambda x: x.flatten(), "B C H W")[0][-1] == "BCN"
    assert rows(lambda x: x.flatten(1), "B heads N")[0][-1] == "B×heads·N"
    assert rows(lambda x: x.new_zeros(6, 1), "B N d")[0][-1] == "6×1"
    assert rows(lambda x: x.sum(), "B N d")[0][-1] == "scalar"
    assert rows(lambda x: x + x, "N BC B C")[0][-1] == "N×BC×B×C"


def test_a_share_of_c_counts_beside_other_names_only_if_a_weight_has_that_width():
    weight = torch.zeros(8, 64, 1, 1)
    for target in (Attention(64), lambda x: F.conv2d(x, weight)):
        assert shapes.ledger(target, torch.zeros(4, 64, 5, 7)).ambiguous == ()  # B is C/16
        assert shapes.ledger(target, torch.zeros(8, 64, 5, 7)).ambiguous == ("B|C/8",)
    halves = "B×C/2×N, B×C/2×N"
    assert rows(lambda x: x.chunk(2, 1), torch.zeros(2, 64, 9))[0][-1] == halves


# --- which operations are seen


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda q, k: q @ k, ("matmul", ("B×N×d", "B×d×N"), "B×N×N")),
        (lambda q, k: torch.matmul(q, k), ("matmul", ("B×N×d", "B×d×N"), "B×N×N")),
        (lambda q, k: q.bmm(k), ("bmm", ("B×N×d", "B×d×N"), "B×N×N")),
        (lambda q, k: torch.einsum("bnd,bdm->bnm", q, k), ("einsum", ("B×N×d", "B×d×N"), "B×N×N")),
        (lambda q, k: q * k.mT, ("mul", ("B×N×d", "B×N×d"), "B×N×d")),
        (lambda q, k: 1 - q, ("sub", ("B×N×d",), "B×N×d")),
        (lambda q, k: q.mul_(2), ("mul_", ("B×N×d",), "B×N×d")),
        (lambda q, k: q[:, 0], ("getitem", ("B×N×d",), "B×d")),
        (lambda q, k: nn.Softmax(-1)(q), ("softmax", ("B×N×d",), "B×N×d")),
        (lambda q, k: q.chunk(2, 1), ("chunk", ("B×N×d",), "B×N/2×d, B×N/2×d")),
        (
            lambda q, k: F.scaled_dot_product_attention(q, q, q),
            ("scaled_dot_product_attention", ("B×N×d", "B×N×d", "B×N×d"), "B×N×d"),
        ),
    ],
)
def test_each_spelling_is_seen_once_under_its_own_name(call, expected):
    if expected[0] == "chunk":  # N/2 has a name only where something is pooled
        half = shapes.ledger(call, "B N d", "B d N").sizes["N"] // 2
        expected = ("chunk", ("B×N×d",), f"B×{half}×d, B×{half}×d")
    found = [row for row in rows(call, "B N d", "B d N") if row[0] != "mT"]
    assert found == [expected]


def test_layers_are_one_row_and_batch_norms_counter_is_none():
    layers = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.MaxPool2d(2))
    assert [row[0] for row in rows(layers, "B C H W")] == ["conv2d", "batch_norm", "max_pool2d"]
    assert rows(nn.Linear(16, 8), "B N C") == [("linear", ("B×N×C", "C/2×C"), "B×N×C/2")]
    attention = nn.MultiheadAttention(16, 2)
    assert len(shapes.ledger(attention, *["N B C=16"] * 3)) == 1


def test_functions_may_capture_modules_and_make_tensors():
    block = Attention(64).double()
    assert rows(lambda x: block(x), torch.zeros(2, 64, 5, 7, dtype=torch.double)) == ARTICLE
    assert rows(lambda x: x * torch.ones(3, 1, 1), "B C=3 H W") == [
        ("ones", (), "C×1×1"),
        ("mul", ("B×C×H×W", "C×1×1"), "B×C×H×W"),
    ]


def test_a_channels_last_tensor_fails_to_view_as_it_would_for_real():
    x = torch.zeros(2, 8, 3, 5).to(memory_format=torch.channels_last)
    with pytest.raises(RuntimeError, match="view"):
        x.view(2, -1)
    assert failure(lambda x: x.view(2, -1), x).startswith("view cannot take B×C×H×W: ")
    assert shapes.ledger(lambda x: x.view(2, -1), x.contiguous())[0].output == "B×CN"


# --- the module is left alone, and nothing is allocated


def test_the_module_is_left_as_it_was():
    torch.manual_seed(0)
    block = nn.Sequential(Attention(16), nn.BatchNorm2d(16), nn.Dropout())
    block[0].value = nn.utils.parametrizations.spectral_norm(block[0].value)
    block[1].eval()
    calls = []
    block[0].register_forward_hook(lambda *_: calls.append(1))
    block(torch.randn(2, 16, 3, 5))
    before = {name: value.clone() for name, value in block.state_dict().items()}
    kept, tensors = block[0].attention, [*block.parameters(), *block.buffers()]
    shapes.ledger(block, "B C H W")
    after = block.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    same = zip(tensors, [*block.parameters(), *block.buffers()], strict=True)
    assert all(old is new and new.device.type == "cpu" for old, new in same)
    assert block[0].attention is kept
    assert len(block[0]._forward_hooks) == 1
    assert [part.training for part in block] == [True, False, True]


def test_training_flags_are_those_of_the_module():
    seen = []

    class Mode(nn.Module):
        def forward(self, x):
            seen.append(self.training)
            return x + x

    block = Mode().eval()
    shapes.ledger(block, "B N d")
    assert seen == [False]
    assert block.training is False


def test_shapes_beyond_any_memory():
    book = shapes.ledger(lambda q, k: q @ k, "B=8 N=4000000 d=64", "B d N")
    assert book[0].output_shapes == ((8, 4_000_000, 4_000_000),)
    big = nn.Linear(10**6, 10**6, device="meta")
    assert shapes.ledger(big, "B=2 N=3 C").multiply_adds == 6 * 10**12


def test_random_numbers_are_not_drawn():
    state = torch.get_rng_state()
    shapes.ledger(lambda x: F.dropout(x + torch.randn(3)), "B N=5 d=3")
    assert torch.equal(state, torch.get_rng_state())


# --- multiply-adds


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (Attention, (2, 64, 5, 7)),
        (lambda: Pooled(32, 2), (3, 32, 6, 10)),
        (lambda: Pooled(16, 3), (2, 16, 3, 4, 6)),
        (lambda: nn.Conv2d(24, 12, 3, stride=2, padding=1, groups=4), (2, 24, 9, 7)),
        (lambda: nn.Sequential(nn.Conv1d(6, 4, 5), nn.Linear(9, 3)), (2, 6, 13)),
    ],
)
def test_multiply_adds_are_half_the_flops_that_torch_counts(make, shape):
    block, x = make().eval(), torch.zeros(shape)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        block(x)
    book = shapes.ledger(block, x)
    assert counter.get_total_flops() > 0
    assert 2 * book.multiply_adds == counter.get_total_flops()


@pytest.mark.parametrize(
    ("call", "given"),
    [
        (lambda q, k: torch.einsum("bnd,bmd->bnm", q, k), ["B=2 N=5 d=3", "B M=7 d"]),
        (lambda q, k: torch.einsum("bhnd,bhmd->bhnm", q, k), ["B=2 h=4 N=5 d=3", "B h M=7 d"]),
        (lambda q, k: torch.einsum("...nd,...md", q, k), ["B=2 N=5 d=3", "B M=7 d"]),
        (lambda q, k: torch.einsum("bn..., b...d -> n d", q, k), ["B=2 N=5", "B d=3"]),
        (lambda q, k: torch.einsum("bchw,bcij->bhwij", q, k), ["B=2 C=3 H=5 W=7"] * 2),
        (lambda q, k: torch.baddbmm(q.new_zeros(1), q, k), ["B=2 N=5 d=3", "B d M=7"]),
        (lambda q, k: torch.addmm(q.new_zeros(1), q, k), ["N=5 d=3", "d M=7"]),
        (lambda q, k: q[0] @ k[0] + q[1] @ k[1], ["B=2 N=5 d=3", "B d M=7"]),
        (lambda q, k: q.mT @ k, ["B=2 h=4 N=5 d=3", "B h N M=7"]),
    ],
)
def test_multiply_adds_of_products(call, given):
    book = shapes.ledger(call, *given)
    first, second = (torch.zeros([book.sizes[n.split("=")[0]] for n in s.split()]) for s in given)
    with FlopCounterMode(display=False) as counter:
        call(first, second)
    assert 2 * book.multiply_adds == counter.get_total_flops() > 0


def test_multiply_adds_of_fused_attention_are_those_of_the_two_products():
    names = "B=2 N=5 d=3", "B M=7 d", "B M C=11"
    fused = shapes.ledger(F.scaled_dot_product_attention, *names)
    written = shapes.ledger(lambda q, k, v: (q @ k.mT).softmax(-1) @ v, *names)
    assert fused.multiply_adds == written.multiply_adds == 2 * 5 * 7 * (3 + 11)
    assert fused[0].output == written[-1].output == "B×N×C"


def test_what_is_no_product_has_no_multiply_adds():
    by_name = {row.operation: row.multiply_adds for row in shapes.ledger(Attention(), "B C H W")}
    none = {operation for operation, cost in by_name.items() if cost is None}
    assert none == {"view", "permute", "softmax", "mul", "add"}
    outer = shapes.ledger(lambda x: torch.einsum("bn,bn->bn", x, x), "B N")
    assert outer[0].multiply_adds is None and outer.multiply_adds == 0


# --- errors


@pytest.mark.parametrize(
    ("target", "inputs", "said"),
    [
        ("B C H W", (Attention(),), r"ledger runs a module or a function, not 'B C H W'"),
        (Attention(), (), "ledger needs the inputs, too"),
        (Attention(), ([2, 64],), r"input 1 is \[2, 64\], of type list; give a tensor or a string"),
        (torch.add, ("B N d", 3), "input 2 is 3, of type int"),
        (Attention(), ("",), "input 1 is ''; write names as in"),
        (Attention(), ("B,C,H,W",), "input 1 is 'B,C,H,W'; write names"),
        (Attention(), ("B C=0 H W",), "input 1 is 'B C=0 H W'; write names"),
        (Attention(), ("B 64 H W",), "input 1 is 'B 64 H W'; write names"),
        (Attention(), ("B C=64=2 H W",), "input 1 is 'B C=64=2 H W'; write names"),
        (torch.add, (torch.zeros(3, 4), "B"), r"input 1 has shape \(3, 4\); only 3 to 5 sides"),
        (torch.add, ("B C=4", "B C=5"), "C is 4 and, in input 2, 5; a name has one size"),
        (torch.bmm, (torch.zeros(2, 5, 3), torch.zeros(2, 3, 5)), "C is 5 and, in input 2, 3"),
        (torch.add, ("B=2 B=3",), "B is 2 and, in input 1, 3"),
    ],
)
def test_input_that_cannot_be_read(target, inputs, said):
    with pytest.raises(ValueError, match=f"^{said}") as caught:
        shapes.ledger(target, *inputs)
    assert caught.value.__cause__ is None


def test_a_missing_permute_is_named_where_the_shapes_meet():
    assert failure(Attention(mistake="no permute"), "B C H=6 W=14") == (
        "bmm cannot multiply B×C/8×N by B×C/8×N: inner sides N and C/8 differ. "
        "The last good row: view B×C/8×H×W → B×C/8×N. "
        "Sizes: B=5  C=64  H=6  W=14  N=H·W=84"
    )


def test_sides_swapped_on_the_way_back_are_named():
    said = failure(Attention(mistake="swapped back"), "B C H W")
    assert said.startswith("add cannot combine B×C×W×H with B×C×H×W: sides H and W differ. ")
    assert "The last good row: mul 1 · B×C×W×H → B×C×W×H. " in said


@pytest.mark.parametrize(
    ("target", "inputs", "said"),
    [
        (
            torch.bmm,
            ["B N d", "M d N"],
            "bmm cannot multiply B×N×d by M×d×N: batches B and M differ. S",
        ),
        (
            torch.matmul,
            ["N d", "N d"],
            "matmul cannot multiply N×d by N×d: inner sides d and N differ",
        ),
        (
            torch.bmm,
            ["B C H=4 W=4"] * 2,
            "bmm cannot take B×C×H|W×H|W · B×C×H|W×H|W: batch1 must be",
        ),
        (
            torch.sub,
            ["B N d", "B N N"],
            "sub cannot combine B×N×d with B×N×N: sides d and N differ",
        ),
        (Attention(64), ["B C=24 H W"], "its weight wants 64 channels and gets 24. Sizes: B="),
        (nn.Linear(64, 8), ["B H W"], "its weight wants 64 channels and gets"),
        (nn.Conv2d(8, 8, 2, groups=2), ["B C=7 H W"], "its weight wants 4 channels and gets 7"),
        (F.conv3d, ["C H", "O k l m n"], "conv3d cannot take C×H · O×k×l×m×n: Expected 4D"),
        (Attention(64), ["B C"], "Attention cannot take B×C: not enough values to unpack"),
        (
            lambda x: x.view(-1, 13),
            ["B=2 N d=3"],
            "view cannot take B×N×d: shape '[-1, 13]' is inv",
        ),
        (
            lambda x, y: x.add_(y),
            ["N d", "B N d"],
            "add_ cannot take N×d · B×N×d: output with shape",
        ),
        (lambda x: x.tolist(), ["B N d"], "tolist cannot take B×N×d: "),
        (lambda x: 1 / 0, ["B N d"], "<lambda> cannot take B×N×d: division by zero. Sizes: B="),
    ],
)
def test_an_operation_that_fails_is_named(target, inputs, said):
    assert said in failure(target, *inputs)


def test_a_failure_that_the_function_catches_is_no_failure():
    def careful(x):
        try:
            return torch.bmm(x, x)
        except RuntimeError:
            return torch.bmm(x, x.mT)

    assert [row[0] for row in rows(careful, "B N d")] == ["mT", "bmm"]

    def careless(x):
        try:
            return torch.bmm(x, x)
        except RuntimeError as error:
            raise KeyError("no square") from error

    assert failure(careless, "B N d").startswith("careless cannot take B×N×d: 'no square'")


def test_more_names_than_sizes_to_pick_is_an_error():
    names = "a b c d e f g h i j k l"
    with pytest.raises(ValueError, match="picks at most 11 sizes, not 12"):
        shapes.ledger(lambda x: x + x, names)
    shapes.ledger(lambda x: x + x, names + "=2")


@pytest.mark.parametrize("operation", [torch.add, torch.sub, torch.mul, torch.div])
def test_sides_that_do_not_combine_are_named(operation):
    said = failure(operation, "B C H W", "B C W H")
    assert said.startswith(f"{operation.__name__} cannot combine B×C×H×W with B×C×W×H: sides")


def test_an_operation_that_takes_no_tensor_is_told_without_a_gap():
    (made, _) = shapes.ledger(lambda x: torch.ones(2, 3).add(x), "B=2 C=3")
    assert str(made) == "ones → B×C"
