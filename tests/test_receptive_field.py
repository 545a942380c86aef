"""Receptive fields against published tables, against brute force, and against each other."""

import copy
import itertools
import math
import random

import pytest
import torch
from every import some
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from nonlocal_tut import receptive_field as rf
from nonlocal_tut.receptive_field.probe import Probe
from nonlocal_tut.receptive_field.redraw import redraw


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


# --- slow references, from the definitions -------------------------------------------------------


def feeds(rows, outputs, lengths=None):
    """The input indices that a set of output indices depends on, along one axis.

    rows: (kernel, stride, padding, dilation) from input to output; lengths: of each row's input
    map, to drop what lies outside; None: endless maps.
    """
    for depth, (kernel, stride, padding, dilation) in reversed(list(enumerate(rows))):
        outputs = {y * stride - padding + dilation * t for y in outputs for t in range(kernel)}
        if lengths:
            outputs = {i for i in outputs if 0 <= i < lengths[depth]}
    return outputs


def brute_force(rows):
    """(size, stride, padding) along one axis of endless maps."""
    zero, one = feeds(rows, {0}), feeds(rows, {1})
    return max(zero) - min(zero) + 1, min(one) - min(zero), -min(zero)


def map_lengths(rows, length):
    """The length of each row's input map, and of the output."""
    lengths = [length]
    for kernel, stride, padding, dilation in rows:
        lengths.append((lengths[-1] + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1)
    return lengths


def product_mask(sets, shape):
    """A bool map that is True where each axis' index is in that axis' set."""
    mask = torch.zeros(shape, dtype=torch.bool)
    for place in itertools.product(*sets):
        mask[place] = True
    return mask


def slow_width(weights):
    """The standard deviation about the centroid, by the book."""
    total = sum(weights.flatten().tolist())
    places = [
        (place, weights[place].item() / total) for place in map(tuple, weights.nonzero().tolist())
    ]
    variances = []
    for axis in range(weights.dim()):
        mean = sum(p[axis] * w for p, w in places)
        variances.append(sum((p[axis] - mean) ** 2 * w for p, w in places))
    return math.sqrt(sum(variances) / len(variances))


# --- published networks, thin: 4 channels --------------------------------------------------------


def conv(kernel, stride=1, inputs=4):
    return nn.Sequential(
        nn.Conv2d(inputs, 4, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(4), nn.ReLU()
    )


class Residual(nn.Module):
    """relu(body(x) + shortcut(x)), as every ResNet has it."""

    def __init__(self, kernels_and_strides, shortcut=None):
        super().__init__()
        layers = [layer for k, s in kernels_and_strides for layer in conv(k, s)]
        self.body = nn.Sequential(*layers[:-1])  # the last ReLU comes after the sum
        self.downsample = shortcut

    def forward(self, x):
        out = self.body(x)
        out += x if self.downsample is None else self.downsample(x)
        return F.relu(out)


def unit_windows(kind, stage, index, units):
    """(kernel, stride) of each convolution of one residual unit, and the shortcut's stride."""
    first, last = index == 0 and stage > 0, index == units - 1 and stage < 3
    if kind == "basic":
        return [(3, 2 if first else 1), (3, 1)], 2 if first else 1
    if kind == "he":  # stride in the first unit's 1x1
        return [(1, 2 if first else 1), (3, 1), (1, 1)], 2 if first else 1
    if kind == "v1.5":  # stride in the first unit's 3x3
        return [(1, 1), (3, 2 if first else 1), (1, 1)], 2 if first else 1
    assert kind == "slim"  # stride in the last unit's 3x3
    return [(1, 1), (3, 2 if last else 1), (1, 1)], 2 if last else 1


def resnet_rows(kind, stages):
    """One list of rows a stage, the stem first: the largest path of a ResNet."""
    pool_padding = 0 if kind == "slim" else 1  # TensorFlow's SAME pads an even map behind only
    parts = [[(7, 2, 3), (3, 2, pool_padding)]]
    for stage, units in enumerate(stages):
        windows = [unit_windows(kind, stage, index, units)[0] for index in range(units)]
        parts.append([(k, s, k // 2) for unit in windows for k, s in unit])
    return parts


def resnet(kind, stages):
    """The same as a Sequential of stem and stages, with real shortcuts."""
    parts = [nn.Sequential(conv(7, 2, inputs=3), nn.MaxPool2d(3, 2, 0 if kind == "slim" else 1))]
    for stage, units in enumerate(stages):
        layers = []
        for index in range(units):
            windows, stride = unit_windows(kind, stage, index, units)
            shortcut = nn.MaxPool2d(1, stride) if kind == "slim" and stride > 1 else None
            if kind != "slim" and index == 0:
                shortcut = nn.Sequential(nn.Conv2d(4, 4, 1, stride), nn.BatchNorm2d(4))
            layers.append(Residual(windows, shortcut))
        parts.append(nn.Sequential(*layers))
    return nn.Sequential(*parts)


RESNETS = {  # sizes after stages 1 to 4; Slim's from google-research/receptive_field
    ("slim", (3, 4, 6, 3)): (35, 99, 291, 483),
    ("slim", (3, 4, 23, 3)): (35, 99, 835, 1027),
    ("slim", (3, 8, 36, 3)): (35, 163, 1315, 1507),
    ("he", (3, 4, 6, 3)): (35, 99, 291, 483),
    ("he", (3, 4, 23, 3)): (35, 99, 835, 1027),
    ("he", (3, 8, 36, 3)): (35, 163, 1315, 1507),
    ("v1.5", (3, 4, 6, 3)): (35, 91, 267, 427),
    ("v1.5", (3, 4, 23, 3)): (35, 91, None, 971),
    ("v1.5", (3, 8, 36, 3)): (35, None, None, 1451),
    ("basic", (2, 2, 2, 2)): (43, 99, 211, 435),
    ("basic", (3, 4, 6, 3)): (59, 179, 547, 899),
}


def joined(parts):
    return list(itertools.chain(*parts))


ALEXNET = [(11, 4, 0), (3, 2, 0), (5, 1, 2), (3, 2, 0), *[(3, 1, 1)] * 3, (3, 2, 0)]
VGG16 = [[(3, 1, 1)] * convs + [(2, 2, 0)] for convs in (2, 2, 3, 3, 3)]


@pytest.mark.parametrize(("kind", "stages"), RESNETS)
def test_resnets_have_their_published_fields_as_lists_and_as_modules(kind, stages):
    rows, net = resnet_rows(kind, stages), resnet(kind, stages)
    for stage, size in enumerate(RESNETS[kind, stages], start=1):
        from_rows = rf.theoretical(joined(rows[: stage + 1]))
        strides = (8, 16, 32, 32) if kind == "slim" else (4, 8, 16, 32)
        assert from_rows.size == (size or from_rows.size)
        assert from_rows.stride == strides[stage - 1]
        assert rf.theoretical(net[: stage + 1]) == from_rows


@pytest.mark.parametrize(
    ("stages", "padding"),
    [((3, 4, 6, 3), 239), ((3, 4, 23, 3), 511), ((3, 8, 36, 3), 751), ((3, 24, 36, 3), 879)],
)
def test_slim_resnets_have_their_published_stride_and_padding(stages, padding):
    field = rf.theoretical(resnet("slim", stages))
    assert (field.stride, field.padding) == (32, padding)
    assert field.size == 2 * padding + 5  # 483, 1027, 1507, 1763


def test_alexnet_and_vgg16_have_their_published_fields():
    assert rf.theoretical(ALEXNET) == rf.ReceptiveField(195, 32, 64)
    layers = [nn.MaxPool2d(*r) if r == (3, 2, 0) else nn.Conv2d(1, 1, *r) for r in ALEXNET]
    assert rf.theoretical(nn.Sequential(*layers)) == rf.ReceptiveField(195, 32, 64)
    sizes = [rf.theoretical(joined(VGG16[: n + 1])).size for n in range(5)]
    assert sizes == [6, 16, 44, 100, 212]
    layers = [nn.MaxPool2d(2) if r == (2, 2, 0) else conv(3) for r in joined(VGG16)]
    assert rf.theoretical(nn.Sequential(*layers)) == rf.ReceptiveField(212, 32, 90)


# --- the formula against brute force --------------------------------------------------------------


def random_rows(luck, depth):
    return [
        (luck.randint(1, 5), luck.randint(1, 3), luck.randint(0, 3), luck.randint(1, 3))
        for _ in range(luck.randint(1, depth))
    ]


def test_lists_equal_brute_force():
    luck = random.Random(0)
    for _ in range(200):
        rows = random_rows(luck, depth=4)
        field = rf.theoretical(rows)
        assert (field.size, field.stride, field.padding) == brute_force(rows)
        for y in (0, 3):
            inputs = feeds(rows, {y})
            assert field.center(y) == (min(inputs) + max(inputs)) / 2


def test_lists_with_one_entry_an_axis_equal_brute_force_on_each():
    luck = random.Random(1)
    for _ in range(50):
        columns = [random_rows(luck, depth=1) for _ in range(3)]
        rows = [tuple(zip(*entry, strict=True)) for entry in zip(*columns, strict=True)]
        field = rf.theoretical([(3, 2, 1), *rows])
        expected = [brute_force([(3, 2, 1, 1), *column]) for column in columns]
        assert field == rf.theoretical([((3,) * 3, 2, 1), *rows])
        for name, column in zip(
            ("size", "stride", "padding"), zip(*expected, strict=True), strict=True
        ):
            assert getattr(field, name) in (column, column[0])
            assert isinstance(getattr(field, name), int) == (len(set(column)) == 1)
        inputs = [feeds([(3, 2, 1, 1), *column], {2}) for column in columns]
        assert field.center((2, 2, 2)) == tuple((min(i) + max(i)) / 2 for i in inputs)


class Branches(nn.Module):
    """Several paths from one map, met in one operation."""

    def __init__(self, paths, join):
        super().__init__()
        self.paths, self.join = nn.ModuleList(paths), join

    def forward(self, x):
        return self.join([path(x) for path in self.paths])


JOINS = {
    "add": lambda maps: maps[0] + maps[1] + maps[2],
    "torch.add": lambda maps: torch.add(torch.add(maps[0], maps[1]), maps[2]),
    "sub": lambda maps: 1 - (maps[0] - maps[1]) / 2 + maps[2],
    "gate": lambda maps: maps[0] * torch.sigmoid(maps[1]) + maps[2].tanh(),
    "cat": lambda maps: torch.cat(maps, dim=1),
    "concat": lambda maps: torch.concat((maps[0], torch.cat(maps[1:], 1)), dim=1),
}


@pytest.mark.parametrize("join", JOINS)
def test_the_largest_of_aligned_branches_counts_on_each_axis(join):
    luck = random.Random(2)
    for _ in some(range(8), 2):
        stride = luck.randint(1, 2)
        kernels = [[luck.choice((1, 3, 5)) for _ in range(2)] for _ in range(3)]
        paths = [
            nn.Sequential(nn.Conv2d(2, 2, k, stride, [n // 2 for n in k]), nn.ReLU())
            for k in kernels
        ]
        net = nn.Sequential(Branches(paths, JOINS[join]), nn.AvgPool2d(2))
        field = rf.theoretical(net)
        for axis in range(2):
            union = [
                set().union(
                    *(
                        feeds([(k[axis], stride, k[axis] // 2, 1), (2, 2, 0, 1)], {y})
                        for k in kernels
                    )
                )
                for y in (0, 1)
            ]
            expected = (
                max(union[0]) - min(union[0]) + 1,
                min(union[1]) - min(union[0]),
                -min(union[0]),
            )
            of_axis = [
                v if isinstance(v, int) else v[axis]
                for v in (field.size, field.stride, field.padding)
            ]
            assert tuple(of_axis) == expected
        assert rf.measured(net, (2, 24, 24)) == field


def test_a_unit_whose_largest_path_comes_first_or_last():
    wide, narrow = nn.Conv2d(1, 1, 5, padding=2), nn.Conv2d(1, 1, 1)
    for paths in ((wide, narrow, narrow), (narrow, narrow, wide)):
        assert rf.theoretical(Branches(paths, JOINS["add"])) == rf.ReceptiveField(5, 1, 2)


# --- what is read from a module -------------------------------------------------------------------


class Functional(nn.Module):
    """Windows and pointwise operations spelled as functions and methods, and optional arguments."""

    def __init__(self):
        super().__init__()
        self.shared = nn.Conv2d(2, 2, 3, padding=1)
        self.gamma = nn.Parameter(torch.ones(1))

    def forward(self, x, return_map=False, extra=None):
        x = F.relu(F.max_pool2d(self.shared(x), 3, stride=2, padding=1))
        x = F.avg_pool2d(x.relu(), kernel_size=2)
        y = torch.exp(self.gamma) * self.shared(self.shared(x)) + x
        y = F.dropout(torch.cat([y, x], 1), 0.5, self.training).contiguous()
        y = F.max_pool2d(y, 2, 1, 0, 2)
        return y if not return_map else (y, extra)


def test_functional_forms_parameters_and_shared_layers_are_followed():
    rows = [(3, 1, 1), (3, 2, 1), (2, 2, 0), (3, 1, 1), (3, 1, 1), (2, 1, 0, 2)]
    assert rf.theoretical(Functional()) == rf.theoretical(rows)
    assert rf.measured(Functional(), (2, 48, 48)) == rf.theoretical(rows)


class Again(nn.Module):
    """One layer in two branches, the shorter one last."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x):
        return self.layer(self.layer(x)) + self.layer(x)


def test_a_layer_used_again_is_another_operation():
    assert (
        rf.theoretical(Again()) == rf.measured(Again(), (2, 12, 12)) == rf.ReceptiveField(5, 1, 2)
    )


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize(
    ("layer", "row"),
    [
        (nn.Conv1d(1, 1, 3, 2, 1), (3, 2, 1)),
        (nn.Conv3d(1, 1, (1, 3, 5), dilation=2), ((1, 3, 5), 1, 0, 2)),
        (nn.Conv2d(1, 1, (4, 3), padding="same", dilation=(1, 2)), ((4, 3), 1, (1, 2), (1, 2))),
        (nn.Conv2d(1, 1, 3, padding="valid"), (3, 1, 0)),
        (nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), (3, 1, 1)),
        (nn.MaxPool1d(3), (3, 3, 0)),
        (nn.MaxPool2d(3, 2, 1, dilation=2, ceil_mode=True), (3, 2, 1, 2)),
        (nn.MaxPool3d((1, 2, 2)), ((1, 2, 2), (1, 2, 2), 0)),
        (nn.AvgPool1d(4, 2, 1), (4, 2, 1)),
        (nn.AvgPool2d(3, ceil_mode=True), (3, 3, 0)),
        (nn.AvgPool3d(2, 1), (2, 1, 0)),
        (nn.Sequential(nn.ReLU(inplace=True), nn.MaxPool2d(2)), (2, 2, 0)),
        (nn.Sequential(nn.Identity(), nn.GELU(), nn.Dropout2d(), nn.PReLU()), (1, 1, 0)),
    ],
)
def test_each_layer_has_its_row_alone_and_in_a_net(layer, row):
    assert rf.theoretical(layer) == rf.theoretical([row])
    assert rf.theoretical(nn.Sequential(layer, nn.ReLU())) == rf.theoretical([row])
    axes = next(
        (int(type(m).__name__[-2]) for m in layer.modules() if hasattr(m, "kernel_size")), 2
    )
    assert rf.measured(layer, (1,) + (13,) * axes) == rf.theoretical([row])


class Inception(nn.Module):
    """Two branches of two paddings: their centers part."""

    def __init__(self):
        super().__init__()
        self.straight, self.shifted = nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 3)

    def forward(self, x):
        return self.straight(x) + F.relu(self.shifted(x))


class Strided(nn.Module):
    def __init__(self):
        super().__init__()
        self.pool = nn.MaxPool2d(1, 2)

    def forward(self, x):
        return torch.cat([x, self.pool(x)], 1)


class Branching(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class Pair(nn.Module):
    def forward(self, x):
        return x, x


class Blind(nn.Module):
    """Its weights have a gradient, its input has none."""

    def __init__(self):
        super().__init__()
        self.inside = nn.Conv2d(1, 1, 3)

    def forward(self, x):
        return self.inside(torch.zeros_like(x))


class TwoInputs(nn.Module):
    def forward(self, x, y):
        return x + y


class Lambda(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (
            Inception(),
            r"'add' \(add\) joins branches .* "
            r"'straight' \(Conv2d\) has ReceptiveField\(size=3, stride=1, padding=1\), "
            r"'relu' \(relu\) has ReceptiveField\(size=3, stride=1, padding=0\)",
        ),
        (Strided(), r"'cat' .* the input 'x' has .*stride=1.* 'pool' \(MaxPool2d\) has .*stride=2"),
        (Branching(), "torch.fx cannot trace Branching .*measured"),
        (Pair(), r"must return one map, it returns \(x, x\)"),
        (Lambda(lambda x: torch.zeros(1)), "must return one map"),
        (TwoInputs(), "must take one map, it also takes 'y'"),
        (nn.Linear(3, 3), r"'module' \(Linear\) has no formula.*measured"),
        (
            nn.Sequential(nn.Conv2d(1, 1, 3), nn.Flatten()),
            r"'1' \(Flatten\) has no formula.*measured",
        ),
        (nn.Sequential(nn.AdaptiveAvgPool2d(1)), r"'0' \(AdaptiveAvgPool2d\)"),
        (nn.ConvTranspose2d(1, 1, 2), r"\(ConvTranspose2d\)"),
        (nn.GroupNorm(1, 4), r"\(GroupNorm\)"),
        (nn.InstanceNorm2d(4), r"\(InstanceNorm2d\)"),
        (nn.BatchNorm2d(4, track_running_stats=False), r"\(BatchNorm2d\)"),
        (nn.Softmax(1), r"\(Softmax\)"),
        (nn.Upsample(scale_factor=2), r"\(Upsample\)"),
        (Lambda(lambda x: x.flatten(2)), r"'flatten' \(flatten\)"),
        (Lambda(lambda x: torch.bmm(x, x)), r"'bmm' \(bmm\)"),
        (Lambda(lambda x: F.softmax(x, 1)), r"'softmax' \(softmax\)"),
        (Lambda(lambda x: torch.cat([x, x], 2)), r"'cat' \(cat\)"),
        (Lambda(lambda x: torch.cat([x, x])), r"'cat' \(cat\)"),
        (
            nn.Sequential(nn.MaxPool2d(2, padding=-1)),
            r"'0' \(MaxPool2d\): padding must be 0 or more",
        ),
        (
            nn.Sequential(nn.Conv2d(1, 1, 3), nn.Conv3d(1, 1, 3)),
            r"'1' \(Conv3d\) mixes numbers of axes",
        ),
    ],
)
def test_a_module_without_a_formula_is_refused_by_name(module, said):
    with pytest.raises(ValueError, match=said):
        rf.theoretical(module)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "empty list"),
        ([(3, 1, 1), (0, 1, 1)], r"row 1: kernel must be 1 or more, got 0"),
        ([(3, 0, 1)], r"row 0: stride must be 1 or more, got 0"),
        ([(3, (1, -2), 1)], r"row 0: stride must be 1 or more, got \(1, -2\)"),
        ([(3, 1, 1, 0)], r"row 0: dilation must be 1 or more, got 0"),
        ([(3, 1, -1)], r"row 0: padding must be 0 or more, got -1"),
        ([(3, 1, "same")], r"row 0: padding must be 0 or more, got same"),
        ([(3.0, 1, 1)], r"row 0: kernel must be 1 or more, got 3.0"),
        ([(3, 1, 1), (3, 1)], r"row 1 is not \(kernel, stride, padding\[, dilation\]\): \(3, 1\)"),
        ([(3, 1, 1, 1, 1)], "row 0 is not"),
        ([3], "row 0 is not"),
        ([((3, 3), (1, 1, 1), 1)], "row 0 mixes numbers of axes"),
        ([((3, 3), 1, 1), ((3, 3, 3), 1, 1)], r"row 1 mixes numbers of axes.*\(3, 3, 3\)"),
        (lambda x: x, "must be a list of rows or an nn.Module, got function"),
    ],
)
def test_a_bad_row_is_named_and_shown(rows, said):
    with pytest.raises(ValueError, match=said):
        rf.theoretical(rows)


def test_a_center_needs_matching_axes_and_a_measured_stride():
    assert rf.ReceptiveField(3, 2, 1).center(5) == 10.0
    assert rf.ReceptiveField(4, 2, 1).center((0, 1)) == (0.5, 2.5)
    assert rf.ReceptiveField((3, 5), 1, 1).center(0) == (0.0, 1.0)
    with pytest.raises(ValueError, match=r"position \(1, 2, 3\) has another number of axes"):
        rf.ReceptiveField((3, 5), 1, 1).center((1, 2, 3))
    with pytest.raises(ValueError, match="needs a stride and a padding"):
        rf.ReceptiveField(7, None, None).center(0)


# --- gradients against the formula ----------------------------------------------------------------


def random_stack(luck, axes):
    """A net of random windows, and its rows on each axis."""
    layers, rows = [], []
    for _ in range(luck.randint(1, 4)):
        kernel = tuple(luck.randint(1, 3) for _ in range(axes))
        stride = tuple(luck.choice((1, 1, 2)) for _ in range(axes))
        padding = tuple(luck.randint(0, k // 2) for k in kernel)
        dilation = tuple(luck.choice((1, 1, 2)) for _ in range(axes))
        kind = luck.choice(["conv", "conv", "max", "avg"])
        if kind == "conv":
            layers.append(getattr(nn, f"Conv{axes}d")(4, 4, kernel, stride, padding, dilation))
            layers.append(luck.choice([nn.ReLU(inplace=True), getattr(nn, f"BatchNorm{axes}d")(4)]))
        elif kind == "max":
            layers.append(getattr(nn, f"MaxPool{axes}d")(kernel, stride, padding, dilation))
        else:
            dilation = (1,) * axes
            layers.append(getattr(nn, f"AvgPool{axes}d")(kernel, stride, padding))
        rows.append((kernel, stride, padding, dilation))
    of_axis = [[tuple(entry[a] for entry in row) for row in rows] for a in range(axes)]
    return nn.Sequential(*layers), of_axis


def roomy(rows):
    """An input length at which the middle output and its neighbors see no border."""
    size, stride, padding = brute_force(rows)
    for length in itertools.count(size + 2 * stride):
        middle = map_lengths(rows, length)[-1] // 2
        if (middle - 1) * stride > padding and (middle + 1) * stride - padding + size < length:
            return length


@pytest.mark.parametrize(("axes", "seed"), [(1, 0), (1, 1), (2, 2), (2, 3), (2, 4), (3, 5)])
def test_measured_equals_theoretical_inside_and_brute_force_everywhere(axes, seed):
    luck = random.Random(seed)
    torch.manual_seed(seed)
    for _ in some(range(3 if axes == 3 else 10), 2):
        net, rows = random_stack(luck, axes)
        shape = tuple(roomy(column) for column in rows)
        lengths = [map_lengths(column, n) for column, n in zip(rows, shape, strict=True)]
        outputs = tuple(column[-1] for column in lengths)
        theoretical = rf.theoretical(net)
        assert rf.measured(net, (4, *shape)) == theoretical
        corner, anywhere = (0,) * axes, tuple(luck.randrange(n) for n in outputs)
        for position in (None, corner, tuple(n - 1 for n in outputs), anywhere):
            field = rf.measured(net, (1, 4, *shape), position)
            at = position or tuple(n // 2 for n in outputs)
            sets = [feeds(r, {y}, n) for r, y, n in zip(rows, at, lengths, strict=True)]
            assert torch.equal(field.mask, product_mask(sets, shape))
            sizes = tuple(max(s) - min(s) + 1 for s in sets)
            assert field.size in (sizes, sizes[0])
            assert (field.stride, field.padding) == (theoretical.stride, theoretical.padding)


@pytest.mark.parametrize("position", [(0, 0), (0, 4), (2, 7), (7, 0), (7, 7), (3, 4)])
def test_at_the_border_the_mask_is_the_clipped_theoretical_box(position):
    net = nn.Sequential(
        conv(3, inputs=3), conv(3), nn.MaxPool2d(2), conv(3), nn.AvgPool2d(2), conv(3)
    )
    field, box = rf.theoretical(net), torch.zeros(32, 32, dtype=torch.bool)
    start = [y * field.stride - field.padding for y in position]
    rows, columns = (slice(max(s, 0), s + field.size) for s in start)
    box[rows, columns] = True
    found = rf.measured(net, (3, 32, 32), position)
    assert torch.equal(found.mask, box)
    sizes = tuple(min(s + field.size, 32) - max(s, 0) for s in start)
    assert found.size in (sizes, sizes[0])
    assert (found.stride, found.padding) == (field.stride, field.padding)


def test_a_residual_network_measures_what_the_formula_says():
    net = nn.Sequential(*resnet("he", (3, 1, 1, 1))[:2])
    assert rf.measured(net, (3, 72, 72)) == rf.theoretical(net) == rf.ReceptiveField(35, 4, 17)


def test_strides_and_paddings_that_no_edge_shows_are_none():
    seven = nn.Conv1d(1, 1, 7, padding=3)
    assert rf.measured(seven, (1, 5)) == rf.ReceptiveField(5, None, None)  # covers the map
    assert rf.measured(seven, (1, 6), 0) == rf.ReceptiveField(4, 1, None)  # its last edge does not
    assert rf.measured(nn.Conv1d(1, 1, 7), (1, 7)) == rf.ReceptiveField(7, None, None)  # one output
    assert rf.measured(nn.Conv2d(1, 1, (1, 7), padding=(0, 3)), (1, 9, 5)).stride == (1, None)
    # Two outputs that both touch the border: k=3, s=2, p=1 and k=2, s=1, p=0 look the same.
    for net in (nn.Conv1d(1, 1, 3, 2, 1), nn.Conv1d(1, 1, 2)):
        assert rf.measured(net, (1, 3)) == rf.ReceptiveField(2, None, None)
    # Input 9 is left over by the first stride, so position 8 is a border, too.
    left_over = nn.Sequential(nn.Conv1d(1, 1, 3, 2), nn.Conv1d(1, 1, 4, 2, 1))
    assert rf.measured(left_over, (1, 10)) == rf.ReceptiveField(7, None, None)


class Attention(nn.Module):
    """gamma · softmax(xᵀx) x + x over all positions."""

    def __init__(self, gamma):
        super().__init__()
        self.gamma = nn.Parameter(torch.tensor([gamma]))

    def forward(self, x):
        flat = x.flatten(2)  # (B, C, N)
        weights = (flat.transpose(1, 2) @ flat).softmax(-1)  # (B, N, N)
        return self.gamma * (flat @ weights.transpose(1, 2)).view_as(x) + x


def test_a_non_local_block_is_one_position_at_initialisation_and_the_map_afterwards():
    shut, opened = (
        rf.measured(Attention(0.0), (4, 7, 6)),
        rf.measured(Attention(0.1), (4, 7, 6), (0, 5)),
    )
    assert shut == rf.ReceptiveField(1, 1, 0)
    assert shut.mask.nonzero().tolist() == [[3, 3]]
    assert opened == rf.ReceptiveField((7, 6), None, None)
    assert opened.mask.all()


def test_an_output_that_no_input_changes_has_size_0():
    net = nn.Conv2d(2, 2, 3)
    nn.init.zeros_(net.weight)
    field = rf.measured(net, (2, 9, 9))
    assert field == rf.ReceptiveField(0, None, None)
    assert field.mask.shape == (9, 9)
    assert not field.mask.any()


def test_an_output_in_the_padding_sees_nothing_and_is_no_neighbor_to_measure_by():
    pad = nn.Conv1d(1, 1, 1, padding=1)
    assert rf.measured(pad, (1, 6)) == rf.theoretical(pad) == rf.ReceptiveField(1, 1, 1)
    assert rf.measured(pad, (1, 6), 0).size == 0
    assert rf.measured(pad, (1, 1)) == rf.ReceptiveField(1, None, None)


def test_a_neighbor_that_sees_nothing_is_no_measure_of_the_stride():
    hole = torch.tensor([1.0, 1, 0, 1, 1, 1, 1])
    assert rf.measured(lambda x: x * hole, (1, 7)) == rf.ReceptiveField(1, None, None)


def test_biases_that_keep_a_relu_shut_are_outweighed():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
    nn.init.constant_(net[0].bias, -1000.0)
    assert rf.measured(net, (1, 9, 9)) == rf.ReceptiveField(3, 1, 0)


class Unnormalized(nn.Module):
    """x + gamma · Σ exp(x_i·x_j) x_j: overflows for large x, and NaN is no sign of being seen."""

    def __init__(self, gamma):
        super().__init__()
        self.gamma = gamma

    def forward(self, x):
        flat = x.flatten(2)  # (B, C, N)
        return x + self.gamma * (flat @ (flat.transpose(1, 2) @ flat).exp()).view_as(x)


def test_an_overflow_is_not_taken_for_a_gradient():
    assert rf.measured(Unnormalized(0.0), (2, 5, 5)) == rf.ReceptiveField(1, 1, 0)
    assert rf.measured(Unnormalized(1.0), (2, 5, 5)).mask.all()


def test_a_net_with_dice_of_its_own_repeats_and_leaves_the_random_state():
    noisy = Lambda(lambda x: F.avg_pool2d(F.dropout(x, 0.5), 3))
    state = torch.get_rng_state()
    first = rf.measured(noisy, (1, 15, 15))
    assert torch.equal(torch.get_rng_state(), state)
    assert first == rf.ReceptiveField(3, 3, 0)


def test_every_call_draws_the_same_inputs():
    shown = []
    for _ in range(2):
        rf.measured(lambda x: shown.append(x.detach()) or x, (1, 5))
        torch.rand(1)
    half = len(shown) // 2
    assert all(map(torch.equal, shown[:half], shown[half:]))
    assert not torch.equal(shown[1], shown[2])


def test_callables_and_outputs_without_positions():
    classifier = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3)
    )
    assert rf.measured(classifier, (1, 6, 7)) == rf.ReceptiveField((6, 7), None, None)
    layer = nn.Conv2d(1, 1, 3)
    assert rf.measured(lambda x: layer(x).sigmoid(), (1, 9, 9)) == rf.ReceptiveField(3, 1, 0)
    with torch.no_grad():
        assert rf.measured(lambda x: F.max_pool2d(x, 2), (1, 1, 12, 12)) == rf.ReceptiveField(
            2, 2, 0
        )


def test_the_shape_may_carry_a_batch_and_means_what_the_layers_say():
    flat, video = nn.Conv1d(2, 2, 3), nn.Conv3d(2, 2, 3)
    assert rf.measured(flat, (2, 9)).mask.shape == rf.measured(flat, (3, 2, 9)).mask.shape == (9,)
    assert rf.measured(video, (2, 9, 9, 9)) == rf.measured(video, (1, 2, 9, 9, 9), (3, 3, 3))
    assert rf.measured(nn.ReLU(), (2, 9, 8)).mask.shape == (9, 8)
    assert rf.measured(nn.ReLU(), (5, 2, 9, 8)).mask.shape == (9, 8)
    assert rf.measured(nn.ReLU(), (2, 9), 3).mask.tolist() == [i == 3 for i in range(9)]


def test_the_module_and_the_random_state_stay_as_they_were():
    net = nn.Sequential(conv(3, inputs=2), nn.Dropout(0.5), nn.Conv2d(4, 1, 3))
    net(torch.randn(2, 2, 8, 8)).sum().backward()
    before, grads = copy.deepcopy(net.state_dict()), [p.grad.clone() for p in net.parameters()]
    state = torch.get_rng_state()
    rf.theoretical(net)
    first = rf.measured(net, (2, 12, 12))
    heat = rf.effective(net, (2, 12, 12), draws=2)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert all(torch.equal(p.grad, g) for p, g in zip(net.parameters(), grads, strict=True))
    assert all(p.requires_grad and p.dtype == torch.float32 for p in net.parameters())
    assert net.training
    torch.rand(1)
    assert torch.equal(rf.measured(net, (2, 12, 12)).mask, first.mask)
    assert torch.equal(rf.effective(net, (2, 12, 12), draws=2), heat)


@pytest.mark.parametrize(
    ("module", "shape", "position", "said"),
    [
        (
            nn.Conv2d(3, 1, 3),
            (3, 2, 2),
            None,
            r"cannot take an input of shape \(1, 3, 2, 2\); too small",
        ),
        (nn.Sequential(*[nn.MaxPool2d(2)] * 3), (1, 4, 4), None, r"\(1, 1, 4, 4\); too small"),
        (nn.Conv2d(3, 1, 3), (4, 9, 9), None, r"\(1, 4, 9, 9\)"),
        (nn.Conv2d(3, 1, 3), (3, 9), None, r"\(3, 9\) has too few numbers for 2-d layers"),
        (nn.ReLU(), (3,), None, r"input_shape must be .* got \(3,\)"),
        (nn.ReLU(), (3, 0, 4), None, r"input_shape must be .* got \(3, 0, 4\)"),
        (nn.ReLU(), (1, 1, 1, 1, 1, 1), None, "input_shape must be"),
        (
            nn.Conv2d(1, 1, 3),
            (1, 9, 9),
            (7, 0),
            r"position \(7, 0\) lies outside the output map \(7, 7\)",
        ),
        (nn.Conv2d(1, 1, 3), (1, 9, 9), (0, -1), r"position \(0, -1\) lies outside"),
        (nn.Conv2d(1, 1, 3), (1, 9, 9), (1,), r"position \(1,\) lies outside .* \(7, 7\)"),
        (nn.Conv2d(1, 1, 3), (1, 9, 9), (0.5, 1), r"position \(0.5, 1\) lies outside"),
        (Pair(), (1, 9, 9), None, r"must return one tensor \(B, C, ...\), it returned tuple"),
        (Lambda(lambda x: x.sum()), (1, 9, 9), None, r"it returned \(\)"),
        (
            Lambda(lambda x: x.round().detach()),
            (1, 9, 9),
            None,
            r"no gradient leads .* \(1, 1, 9, 9\)",
        ),
        (Blind(), (1, 9, 9), None, r"no gradient leads .* \(1, 1, 9, 9\)"),
        (nn.ReLU(), 9, None, r"input_shape must be .* got \(9,\)"),
        (nn.Conv1d(1, 1, 3), (1, 9), 2.5, r"position 2.5 lies outside"),
        (3, (1, 9, 9), None, "module must be an nn.Module or a callable, got 3"),
    ],
)
def test_measured_says_what_it_cannot_take(module, shape, position, said):
    with pytest.raises(ValueError, match=said):
        rf.measured(module, shape, position)


# --- how much each position counts ----------------------------------------------------------------


def linear_stack(n, kernel=3):
    layers = [nn.Conv1d(32, 32, kernel, padding=kernel // 2, bias=False) for _ in range(n)]
    return nn.Sequential(*layers)


def test_one_convolution_counts_by_its_squared_weights():
    layer = nn.Conv2d(2, 1, (3, 5))
    heat = rf.effective(layer, (2, 5, 9), draws=3, redraw=False)
    squares = layer.weight.detach().double().square().sum((0, 1))
    expected = F.pad(squares / squares.sum(), (2, 2, 1, 1))  # output (1, 2) of (3, 5): the middle
    torch.testing.assert_close(heat, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize(("n", "kernel"), [(1, 3), (2, 5), (6, 3), (16, 3)])
def test_a_linear_stack_has_the_width_that_is_known_beforehand(n, kernel):
    side = n * (kernel - 1) + 1
    heat = rf.effective(linear_stack(n, kernel), (32, side + 2), draws=256)
    known = torch.ones(1, 1, 1, dtype=torch.float64)
    for _ in range(n):
        known = F.conv1d(known, torch.ones(1, 1, kernel, dtype=torch.float64), padding=kernel - 1)
    known = F.pad(known.flatten() / known.sum(), (1, 1))  # the n-fold convolution of the box
    assert (heat - known).abs().sum() < 0.05
    assert rf.width(known) == pytest.approx(math.sqrt(n * (kernel**2 - 1) / 12), rel=1e-12)
    assert rf.width(heat) == pytest.approx(rf.width(known), rel=0.02)


def slope(depths, values):
    """Least squares of log value against log depth."""
    x, y = ([math.log(v) for v in column] for column in (depths, values))
    x, y = ([v - sum(column) / len(column) for v in column] for column in (x, y))
    return sum(a * b for a, b in zip(x, y, strict=True)) / sum(a * a for a in x)


def test_the_width_grows_as_the_root_of_the_depth():
    depths = [2, 4, 8, 16, 32]
    widths = [rf.width(rf.effective(linear_stack(n), (32, 2 * n + 1))) for n in depths]
    fields = [rf.theoretical(linear_stack(n)).size - 1 for n in depths]
    assert slope(depths, widths) == pytest.approx(0.5, abs=0.02)
    assert slope(depths, fields) == pytest.approx(1, abs=1e-12)


def test_a_map_sums_to_one_and_skips_narrow_it():
    plain = nn.Sequential(*[conv(3) for _ in range(6)])
    skips = nn.Sequential(*[Residual([(3, 1)]) for _ in range(6)])
    maps = [rf.effective(net, (4, 15, 15), draws=16) for net in (plain, skips)]
    for heat in maps:
        assert heat.shape == (15, 15)
        assert heat.dtype == torch.float64
        assert heat.sum().item() == pytest.approx(1, abs=1e-12)
        assert (heat >= 0).all()
    assert rf.width(maps[1]) < 0.8 * rf.width(maps[0])


def test_seed_and_redraw_do_what_they_say():
    net, shape = conv(3), (4, 7, 7)
    twice = [rf.effective(net, shape, draws=4, seed=1) for _ in range(2)]
    assert torch.equal(*twice)
    assert not torch.equal(twice[0], rf.effective(net, shape, draws=4, seed=2))
    other = conv(3)
    assert torch.equal(twice[0], rf.effective(other, shape, draws=4, seed=1))  # weights of its own
    fixed = [rf.effective(n, shape, draws=4, redraw=False) for n in (net, net, other)]
    assert torch.equal(fixed[0], fixed[1])
    assert not torch.equal(fixed[0], fixed[2])


class Shut(nn.Module):
    """An outer reset_parameters that has the last word on an inner one's."""

    def __init__(self):
        super().__init__()
        self.w_z = nn.Conv2d(1, 1, 3, padding=1)

    def reset_parameters(self):
        nn.init.zeros_(self.w_z.weight)

    def forward(self, x):
        return x + self.w_z(x)


def test_redrawing_keeps_the_outer_modules_word():
    assert rf.effective(Shut(), (1, 5, 5), draws=2)[2, 2] == 1
    assert rf.effective(Shut(), (1, 5, 5), draws=2, redraw=False)[2, 2] < 1


def test_width_equals_the_slow_one():
    chance = torch.Generator().manual_seed(0)
    for shape in ((7,), (5, 9), (3, 4, 5)):
        weights = torch.rand(shape, generator=chance, dtype=torch.float64)
        assert rf.width(weights) == pytest.approx(slow_width(weights), rel=1e-12)
        assert rf.width(9 * weights) == pytest.approx(rf.width(weights), rel=1e-12)
    assert rf.width(torch.eye(3)[1]) == 0


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: rf.width(torch.zeros(3, 3)), r"map must hold weights .* got \(3, 3\) from 0 to 0"),
        (lambda: rf.width(torch.tensor([1.0, -1.0])), "from -1 to 1"),
        (lambda: rf.effective(nn.ReLU(), (1, 3, 3), draws=0), "draws must be at least 1, got 0"),
        (lambda: rf.effective(nn.Conv2d(1, 1, 3), (1, 2, 2)), "too small"),
        (
            lambda: rf.effective(lambda x: 0 * x, (1, 3, 3)),
            r"no gradient .* \(1, 1, 3, 3\) in 32 draws",
        ),
    ],
)
def test_effective_and_width_say_what_they_cannot_take(call, said):
    with pytest.raises(ValueError, match=said):
        call()


# --- a stride holds for all positions, or there is none -----------------------------------------


class InWindows(nn.Module):
    """Attention among the positions of a window, as Swin has it: (B, C, N), windows of 7."""

    def forward(self, x):
        rows = x.unflatten(2, (-1, 7)).permute(0, 2, 3, 1)  # (B, windows, 7, C)
        y = (rows @ rows.mT).softmax(-1) @ rows
        return y.permute(0, 3, 1, 2).flatten(2)


NO_ONE_STRIDE = {
    "upsampled": (
        nn.Sequential(
            nn.Conv1d(1, 4, 3, 2, 1), nn.Upsample(scale_factor=2), nn.Conv1d(4, 1, 3, padding=1)
        ),
        (1, 1, 65),
    ),
    "nearest": (nn.Upsample(scale_factor=2), (2, 7)),
    "transposed": (nn.ConvTranspose1d(2, 2, 4, 2, 1), (2, 15)),
    "shuffled": (nn.PixelShuffle(2), (4, 7, 8)),
    "windows": (InWindows(), (2, 21)),
    "adaptive": (nn.AdaptiveAvgPool1d(5), (2, 13)),
    "circular": (nn.Conv1d(2, 2, 3, padding=1, padding_mode="circular"), (2, 40)),
    "rolled": (Lambda(lambda x: x.roll(2, -1)), (2, 9)),
    "flipped": (Lambda(lambda x: x.flip(-1)), (2, 9)),
    "two halves": (
        Lambda(lambda x: torch.cat([x[:, :, :20], F.avg_pool1d(x[:, :, 20:], 2)], 2)),
        (2, 60),
    ),
    "another stride in other rows": (
        Lambda(
            lambda x: torch.cat([x[:, :, :6, ::2], F.max_pool2d(x[:, :, 6:], (1, 2))[:, :, :]], 2)
        ),
        (2, 12, 40),
    ),
}


@pytest.mark.parametrize("name", NO_ONE_STRIDE)
def test_where_no_one_stride_holds_there_is_none_and_the_field_says_so(name):
    net, shape = NO_ONE_STRIDE[name]
    field = rf.measured(net, shape)
    strides = field.stride if isinstance(field.stride, tuple) else (field.stride,)
    assert strides[-1] is None and field.mask.any()
    assert "no one stride holds on axis" in field.note and field.note in str(field)
    places = field.mask.nonzero()  # (positions, axes)
    middle = (places.amin(0) + places.amax(0)) / 2
    assert field.center(Probe(net, shape).middle) == tuple(middle.tolist())


def test_a_center_is_measured_where_there_is_no_stride():
    """A stride of 2, and each output twice: outputs 2i and 2i + 1 see almost the same."""
    net = nn.Sequential(
        nn.Conv1d(1, 4, 3, 2, 1), nn.Upsample(scale_factor=2), nn.Conv1d(4, 1, 3, padding=1)
    )
    field = rf.measured(net, (1, 1, 65))
    assert (field.center(20), field.center(21)) == (19, 21)
    with pytest.raises(ValueError, match="position"):
        field.center(99)


def test_the_mask_is_right_where_there_is_no_stride():
    net, shape = NO_ONE_STRIDE["upsampled"]
    for position in (19, 20, 21):
        mask = rf.measured(net, shape, position).mask
        taps = {2 * (y // 2) + d for y in range(position - 1, position + 2) for d in (-1, 0, 1)}
        assert mask.nonzero().flatten().tolist() == sorted(taps)


@pytest.mark.parametrize(
    ("net", "shape", "field"),
    [
        (nn.ConvTranspose1d(2, 2, 3, 1, 1), (2, 15), (3, 1, 1)),
        (nn.PixelUnshuffle(2), (2, 8, 8), (2, 2, 0)),
        (nn.AdaptiveAvgPool2d(4), (2, 16, 16), (4, 4, 0)),
        (nn.Conv1d(2, 2, 5, padding=2, padding_mode="reflect"), (2, 40), (5, 1, 2)),
        (nn.Sequential(nn.Upsample(scale_factor=2), nn.AvgPool1d(2)), (2, 9), (1, 1, 0)),
        (nn.Conv2d(2, 2, 3, padding=1), (2, 56, 56), (3, 1, 1)),
    ],
)
def test_a_stride_that_holds_stays_without_a_note(net, shape, field):
    found = rf.measured(net, shape)
    assert found == rf.ReceptiveField(*field)
    assert found.note == "" and str(found) == repr(found)


# --- other people's modules -----------------------------------------------------------------------


class Keeps(nn.Module):
    """Keeps what it computes, as some blocks do for a look at it later."""

    def __init__(self):
        super().__init__()
        self.layer, self.kept = nn.Conv1d(1, 1, 3), []

    def forward(self, x):
        self.last = self.layer(x)
        self.kept = [self.last]
        return self.last


@pytest.mark.filterwarnings("ignore:.*weight_norm")
def test_modules_that_hold_computed_tensors_are_copied():
    kept = Keeps()
    kept(torch.ones(1, 1, 9))
    old = [norm(nn.Conv1d(1, 1, 3)) for norm in (nn.utils.weight_norm, nn.utils.spectral_norm)]
    new = nn.utils.parametrizations.weight_norm(nn.Conv1d(1, 1, 3))
    for net in (kept, *old, new, nn.Sequential(*old)):
        net(torch.ones(1, 1, 9))
        state = {name: value.clone() for name, value in net.state_dict().items()}
        assert rf.measured(net, (1, 1, 9)).stride == 1
        assert rf.effective(net, (1, 1, 9), draws=2, redraw=False).sum() == pytest.approx(1)
        assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())


class Named(nn.Conv1d):
    pass


@pytest.mark.parametrize(
    "net",
    [
        Named(2, 2, 3, padding=1),
        nn.LazyConv1d(2, 3, padding=1),
        nn.Sequential(nn.LazyConv1d(2, 3, padding=1), nn.LazyBatchNorm1d()),
        nn.Sequential(nn.ConvTranspose1d(2, 2, 3, padding=1)),
        nn.Sequential(nn.ReflectionPad1d(1), nn.LPPool1d(2, 3, stride=1)),
        nn.BatchNorm1d(2),
        nn.utils.parametrizations.weight_norm(nn.Conv1d(2, 2, 3, padding=1)),
    ],
)
@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_a_one_dimensional_net_is_known_by_its_kind_of_layers(net):
    assert rf.measured(net, (1, 2, 15)).mask.shape == (15,)
    assert rf.measured(net, (2, 15)).mask.shape == (15,)


def test_a_net_that_casts_its_input_is_measured_in_float32():
    net = nn.Sequential(Lambda(lambda x: x.float()), nn.Conv2d(1, 1, 3))
    assert rf.measured(net, (1, 9, 9)) == rf.ReceptiveField(3, 1, 0)


@pytest.mark.parametrize(
    ("net", "shape", "small"),
    [
        (nn.Conv2d(3, 1, 3), (3, 2, 2), "takes (1, 3, 4, 4)"),
        (nn.Sequential(*[nn.MaxPool2d(2)] * 3), (1, 1, 4), "takes (1, 1, 8, 32)"),
        (nn.Sequential(*[nn.MaxPool2d(2)] * 3), (1, 4, 4), "takes (1, 1, 8, 8)"),
        (nn.Conv2d(3, 1, 3), (4, 9, 9), ""),
        (nn.Sequential(nn.Flatten(), nn.Linear(16, 3)), (1, 9, 9), ""),
        (Lambda(lambda x: x + torch.ones(7)), (1, 9, 9), ""),
        (Lambda(lambda x: F.conv2d(x, torch.ones(1, 1, 3, 3).half())), (1, 9, 9), ""),
    ],
)
def test_too_small_is_said_where_a_larger_input_goes_through(net, shape, small):
    with pytest.raises(ValueError, match="cannot take an input of shape") as caught:
        rf.measured(net, shape)
    assert ("too small" in str(caught.value)) == bool(small)
    assert small in str(caught.value)


# --- fresh weights --------------------------------------------------------------------------------


class Halved(nn.Module):
    """A parametrization with no way back."""

    def forward(self, weight):
        return weight / 2


PARAMETRIZED = {
    "spectral": nn.utils.parametrizations.spectral_norm,
    "weight": nn.utils.parametrizations.weight_norm,
    "orthogonal": nn.utils.parametrizations.orthogonal,
}


@pytest.mark.parametrize("name", PARAMETRIZED)
def test_parametrized_weights_are_drawn_anew(name):
    layers = [PARAMETRIZED[name](nn.Conv2d(2, 2, 3, padding=1)) for _ in range(2)]
    one, same = (rf.effective(net, (2, 5, 5), draws=1, seed=1) for net in layers)
    other = rf.effective(layers[0], (2, 5, 5), draws=1, seed=2)
    assert torch.allclose(one, same, rtol=1e-6)  # nothing is left of the layers' own weights
    assert not torch.allclose(one, other, rtol=1e-2)


def test_a_fresh_weight_is_normalized_as_its_parametrization_says():
    net = nn.utils.parametrizations.spectral_norm(nn.Linear(6, 4)).eval()
    before = net.parametrizations.weight.original.clone()
    redraw(net)
    assert not torch.equal(before, net.parametrizations.weight.original)
    assert torch.linalg.matrix_norm(net.weight, 2).item() == pytest.approx(1, rel=1e-3)
    assert not net.training


@pytest.mark.filterwarnings("ignore:.*weight_norm")
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: nn.utils.weight_norm(nn.Conv2d(2, 2, 3)),
            r"Conv2d anew: use .*zations.weight_norm inst",
        ),
        (
            lambda: nn.Sequential(nn.utils.spectral_norm(nn.Conv2d(2, 2, 3))),
            r"'0' \(Conv2d\) anew: use .*zations.spectral_norm instead, or redraw=False",
        ),
        (
            lambda: Attention(0.5),
            r"Attention anew: nothing resets 'gamma'; write a reset_parameters, or",
        ),
        (
            lambda: parametrize.register_parametrization(nn.Conv2d(2, 2, 3), "weight", Halved()),
            r"Conv2d anew: its parametrization takes no weight",
        ),
    ],
)
def test_weights_that_cannot_be_drawn_anew_are_named(make, said):
    net = make()
    with pytest.raises(ValueError, match=said):
        rf.effective(net, (2, 5, 5), draws=1)
    assert rf.effective(net, (2, 5, 5), draws=1, redraw=False).sum() == pytest.approx(1)


def test_an_outer_reset_covers_what_its_parts_have_no_word_for():
    net = nn.Sequential(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True))
    before = net[0].self_attn.in_proj_weight.clone()
    redraw(net)
    assert not torch.equal(before, net[0].self_attn.in_proj_weight)
