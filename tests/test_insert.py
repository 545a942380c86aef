"""A block behind any module of a model: what changes, and above all what does not."""

import copy
import io
import pickle
from collections import namedtuple

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from nonlocal_tut import NonLocalBlock, SelfAttention2d
from nonlocal_tut.insert import insert_after, placements, remove

Pair = namedtuple("Pair", "mask, features")


class Residual(nn.Module):
    def __init__(self, channels, out, stride=1):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(channels, out, 3, stride, 1), nn.BatchNorm2d(out)
        self.shortcut = nn.Conv2d(channels, out, 1, stride)

    def forward(self, x):
        return (self.norm(self.conv(x)) + self.shortcut(x)).relu()


class Dense(nn.ModuleDict):
    """Runs its children one by one, as torchvision's dense blocks do, and keeps all they return."""

    def forward(self, x):
        for child in self.values():
            x = torch.cat([x, child(x)], dim=1)
        return x


class Returns(nn.Module):
    """Its output in a tuple, a dict or a named tuple, behind what is no feature map."""

    def __init__(self, kind):
        super().__init__()
        self.kind, self.conv = kind, nn.Conv2d(16, 16, 1)

    def forward(self, x):
        y, mask = self.conv(x), torch.ones_like(x[:, :1], dtype=torch.long)
        if self.kind == "dict":
            return {"mask": mask, "y": y}
        return (mask, y) if self.kind == "tuple" else Pair(mask, y)


class Net(nn.Module):
    """One of each kind of place."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.layer1 = nn.Sequential(Residual(8, 8), Residual(8, 8))
        self.layer2 = nn.Sequential(Residual(8, 16, 2), Residual(16, 16))
        self.tuple, self.dict, self.pair = map(Returns, ("tuple", "dict", "pair"))
        self.dense = Dense({"a": nn.Conv2d(16, 8, 1), "b": nn.Conv2d(24, 8, 1)})
        self.drop, self.head = nn.Dropout(0.2), nn.Linear(32, 4)

    def forward(self, x):
        x = self.layer2(self.layer1(self.stem(x)))
        x = self.pair(self.dict(self.tuple(x)[1])["y"]).features
        return self.head(self.drop(self.dense(x).mean((2, 3))))


PLACES = ["stem", "layer1.0", "layer1.1", "layer2", "layer2.1.conv", "layer2.0.norm"]
PLACES += ["tuple", "dict", "pair", "dense", "dense.a"]
EVERYWHERE = dict.fromkeys(PLACES, NonLocalBlock)
SOME = {name: SelfAttention2d for name in ("stem", "layer2", "dict", "pair", "dense")}


def net(seed=0):
    torch.manual_seed(seed)
    return Net()


def image(seed=1):
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def awake(model, seed=2):
    """Every parameter random, so that no block is the identity."""
    generator = torch.Generator().manual_seed(seed)
    for p in model.parameters():
        p.data.normal_(0, 0.3, generator=generator)
    return model


def new_keys(model, before):
    return [key for key in model.state_dict() if key not in before]


# What changes and what does not


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("place", [*PLACES, None])
def test_outputs_and_keys_stay(place, training):
    model, plain = net().train(training), net().train(training)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    blocks = EVERYWHERE if place is None else {place: SelfAttention2d}
    assert insert_after(model, blocks) is model
    for _ in range(2):  # the second pass reads what the first has left in the statistics
        outs = []
        for each in (model, plain):
            torch.manual_seed(3)
            outs.append(each(image()))
        assert torch.equal(*outs)
    after, expected = model.state_dict(), plain.state_dict()
    assert all(torch.equal(after[key], expected[key]) for key in before)
    assert new_keys(model, before)
    assert all(".inserted" in key for key in new_keys(model, before))


@pytest.mark.parametrize("place", PLACES)
def test_the_block_runs_once_behind_its_module(place):
    """Twice the first feature map, wherever it lies, and the rest as it was."""
    model, plain = net().eval(), net().eval()
    for kind in ("tuple", "dict", "pair", "dense"):  # what they return is compared as well
        plain.get_submodule(kind).register_forward_hook(lambda m, a, out: seen.append(out))
        model.get_submodule(kind).register_forward_hook(lambda m, a, out: seen.append(out))

    class Double(nn.Module):
        def forward(self, x):
            return 2 * x

    def twice(module, args, out):
        if isinstance(out, torch.Tensor):
            return 2 * out
        if isinstance(out, dict):
            return {**out, "y": 2 * out["y"]}
        return out._replace(features=2 * out[1]) if isinstance(out, Pair) else (out[0], 2 * out[1])

    plain.get_submodule(place).register_forward_hook(twice)
    insert_after(model, {place: Double()})
    seen = []
    out = model(image())
    ours, seen = seen, []
    assert torch.equal(out, plain(image()))
    assert [type(o) for o in ours] == [type(o) for o in seen]
    assert not torch.equal(out, net().eval()(image()))


def test_a_zero_with_a_minus_stays_a_zero():
    model = insert_after(nn.Sequential(nn.Conv2d(8, 8, 1)), {"0": NonLocalBlock})
    nn.init.constant_(model[0].weight, -0.0)
    nn.init.constant_(model[0].bias, -0.0)
    out = model(image().mean(1, keepdim=True).expand(-1, 8, -1, -1))
    assert torch.equal(out, torch.zeros_like(out))


def test_containers_keep_their_length_and_their_last_child():
    model = net()
    insert_after(model, {"layer2": NonLocalBlock, "dense": NonLocalBlock})
    assert (len(model.layer2), type(model.layer2[-1]), list(model.dense)) == (
        2,
        Residual,
        ["a", "b"],
    )
    assert "layer2.1.inserted.g.weight" in model.state_dict()


def test_blocks_take_device_dtype_and_mode():
    model = net().double().eval()
    model.layer2.train()
    insert_after(model, {"layer1.0": NonLocalBlock(8), "layer2.0": NonLocalBlock})
    first, second = model.layer1[0].inserted, model.layer2[0].inserted
    assert {t.dtype for t in [*first.parameters(), *second.parameters()]} == {torch.float64}
    assert (first.training, first.norm.training, second.norm.training) == (False, False, True)
    assert not any(m.training for m in model.eval().modules())
    on_meta = insert_after(Net().to("meta"), {"layer1.0": NonLocalBlock(8)})
    assert on_meta.layer1[0].inserted.g.weight.is_meta


def test_the_block_learns():
    model = insert_after(net(), {"layer1.1": NonLocalBlock, "dense": SelfAttention2d})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        model(image()).square().sum().backward()
        optimizer.step()
    assert all(p.grad.abs().sum() > 0 for p in model.layer1[1].inserted.w_z.parameters())
    model.eval()
    trained = model(image())
    remove(remove(model, "layer1.1"), "dense")
    assert not torch.equal(trained, model(image()))


# Copies, files, exports, wrappers


def reloaded(model):
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), reloaded]
)
def test_a_copy_runs_its_own_blocks(copied):
    model = awake(insert_after(net().eval(), EVERYWHERE))
    expected = model(image())
    other = copied(model)
    assert torch.equal(other(image()), expected)
    for name, p in other.named_parameters():
        if ".inserted" in name:
            p.data.zero_()
    plain = copied(model)
    for place in PLACES:
        remove(plain, place)
    assert torch.equal(model(image()), expected)
    torch.testing.assert_close(other(image()), plain(image()))
    assert not torch.allclose(other(image()), expected)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("asleep", [False, True])
def test_export(strict, asleep):
    model = insert_after(net().eval(), SOME)
    model = model if asleep else awake(model)
    program = torch.export.export(model, (image(),), strict=strict)
    assert set(new_keys(model, net().state_dict())) <= set(program.state_dict)
    torch.testing.assert_close(program.module()(image()), model(image()))


@pytest.mark.compiles
@pytest.mark.parametrize("training", [False, True])
def test_compile(training):
    """Without a break in the graph, forward and backward."""
    model = awake(insert_after(net(), SOME)).train(training)
    model.drop.p = 0.0
    compiled = torch.compile(copy.deepcopy(model), backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(image()), model(image()))
    for each in (compiled, model):
        each(image()).square().sum().backward()
    for (name, p), q in zip(model.named_parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(q.grad, p.grad, rtol=1e-3, atol=1e-3, msg=name)


def test_functional_call_reaches_the_block():
    model = awake(insert_after(net().eval(), EVERYWHERE))
    zeros = {n: torch.zeros_like(p) for n, p in model.named_parameters() if ".inserted" in n}
    expected = model(image())
    got = torch.func.functional_call(model, zeros, (image(),))
    assert not torch.allclose(got, expected)
    assert torch.equal(model(image()), expected)


def test_a_replica_runs_the_blocks_that_it_was_given():
    """`nn.DataParallel` gives each replica its own children and the same hooks."""
    model = insert_after(nn.Sequential(nn.Conv2d(3, 8, 1)), {"0": SelfAttention2d})
    replica, block = model[0]._replicate_for_data_parallel(), SelfAttention2d(8)
    replica._modules = {"inserted": awake(block)}
    replica._parameters, x = model[0]._parameters, image()[:, :, :8, :8]
    torch.testing.assert_close(replica(x), block(model(x)))


def test_distributed_data_parallel(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        model = awake(insert_after(net(), EVERYWHERE)).eval()
        wrapped = DistributedDataParallel(copy.deepcopy(model))
        assert torch.equal(wrapped(image()), model(image()))
        wrapped(image()).square().sum().backward()
        assert wrapped.module.layer1[1].inserted.g.weight.grad.abs().sum() > 0
        assert list(wrapped.module.state_dict()) == list(model.state_dict())
    finally:
        dist.destroy_process_group()


# Checkpoints


def test_checkpoints_go_both_ways():
    blocks = {"layer1.0": NonLocalBlock, "tuple": SelfAttention2d}
    plain, model = net(0), insert_after(net(5), blocks)
    new = set(new_keys(model, plain.state_dict()))
    counter = "layer1.0.inserted.norm.num_batches_tracked"  # torch sets it to 0 and says nothing
    told = model.load_state_dict(plain.state_dict(), strict=False)
    assert (set(told.missing_keys), told.unexpected_keys) == (new - {counter}, [])
    assert torch.equal(model.eval()(image()), plain.eval()(image()))
    told = net().load_state_dict(model.state_dict(), strict=False)
    assert (told.missing_keys, set(told.unexpected_keys)) == ([], new)
    with pytest.raises(RuntimeError, match=r"Missing key.*layer1\.0\.inserted\.theta\.weight"):
        model.load_state_dict(plain.state_dict())
    with pytest.raises(RuntimeError, match=r"Unexpected key.*layer1\.0\.inserted\.theta\.weight"):
        net().load_state_dict(model.state_dict())
    other = insert_after(net(), blocks)
    other.load_state_dict(awake(model).state_dict())
    assert torch.equal(other.eval()(image()), model.eval()(image()))


# Removal


@pytest.mark.parametrize("order", [1, -1])
def test_remove_gives_the_model_back(order):
    model = net().eval()
    before, children = model.state_dict(), [n for n, _ in model.named_modules()]
    out = model(image())
    model.layer1[0].register_forward_hook(lambda m, a, y: None)
    insert_after(model, EVERYWHERE)
    for p in model.parameters():
        if p not in set(before.values()):
            p.data.add_(0)
    for place in PLACES[::order]:
        assert remove(model, place) is model
    assert list(model.state_dict()) == list(before)
    assert [n for n, _ in model.named_modules()] == children
    assert sum(len(m._forward_hooks) for m in model.modules()) == 1
    assert torch.equal(model(image()), out)
    insert_after(model, EVERYWHERE)  # and once more
    assert "layer1.0.inserted.g.weight" in model.state_dict()


def test_remove_takes_one_of_two_that_share_a_child():
    model = insert_after(net().eval(), {"layer2": SelfAttention2d, "layer2.1": SelfAttention2d})
    first = model.layer2[1]._modules["inserted_"]
    remove(model, "layer2")
    assert [n for n, m in model.named_modules() if isinstance(m, SelfAttention2d)] == [
        "layer2.1.inserted_"
    ]
    assert model.layer2[1]._modules["inserted_"] is first
    model(image())


def test_remove_says_where_blocks_are():
    model = insert_after(net(), {"layer1.0": NonLocalBlock})
    with pytest.raises(ValueError, match=r"no block was inserted after 'stem', only after \['l"):
        remove(model, "stem")
    with pytest.raises(ValueError, match=r"name: .* no module 'layer1\.9'; .*'layer1\.1'"):
        remove(model, "layer1.9")


# The dry run


class Watched(nn.Module):
    """Counts its calls, and writes down where its inputs lie."""

    devices = ()

    def __init__(self, refuses_meta=False):
        super().__init__()
        self.conv, self.calls, self.refuses_meta = nn.Conv2d(3, 8, 3), 0, refuses_meta
        self.norm, self.drop = nn.BatchNorm2d(8), nn.Dropout(0.5)

    def forward(self, x):
        self.calls += 1
        Watched.devices += (x.device.type,)
        if self.refuses_meta and x.sum().item() > 1e9:
            return None
        return self.drop(self.norm(self.conv(x + torch.rand(1)[0].to(x.device))))


@pytest.mark.parametrize("refuses, devices", [(False, ("meta",)), (True, ("meta", "cpu"))])
def test_the_dry_run_leaves_the_model_alone(refuses, devices):
    model = Watched(refuses)
    model(image()).sum().backward()
    model.norm.eval()
    model.calls, Watched.devices, recorded = 0, (), []
    model.conv.register_forward_hook(lambda m, a, out: recorded.append(out))
    model.drop.register_forward_pre_hook(lambda m, a: None)
    hooks = [(dict(m._forward_hooks), dict(m._forward_pre_hooks)) for m in model.modules()]
    state = {key: t.clone() for key, t in model.state_dict().items()}
    grads, modes = [p.grad for p in model.parameters()], [m.training for m in model.modules()]
    values, random = [g.clone() for g in grads], torch.get_rng_state()
    made = NonLocalBlock(8)
    torch.set_rng_state(random)
    insert_after(model, {"norm": lambda channels: made if channels == 8 else None})
    assert torch.equal(torch.get_rng_state(), random)
    remove(model, "norm")
    assert Watched.devices == devices and model.calls == 0 and not recorded
    assert hooks == [(dict(m._forward_hooks), dict(m._forward_pre_hooks)) for m in model.modules()]
    assert modes == [m.training for m in model.modules()]
    assert all(torch.equal(t, model.state_dict()[key]) for key, t in state.items())
    assert all(p.grad is g for p, g in zip(model.parameters(), grads, strict=True))
    assert all(map(torch.equal, values, grads))


@pytest.mark.parametrize("dims, conv", [(1, nn.Conv1d), (2, nn.Conv2d), (3, nn.Conv3d)])
def test_the_first_convolution_tells_the_input(dims, conv):
    model = nn.Sequential(conv(4, 6, 3), nn.ReLU(), conv(6, 10, 3))
    insert_after(model, {"0": lambda c: NonLocalBlock(c, dims=dims), "2": lambda c: nn.Identity()})
    assert model[0].inserted.channels == 6


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.project = nn.Linear(5, 7)
        self.fold = nn.Unflatten(2, (7, 1))

    def forward(self, x, times):
        return self.fold(self.project(x)) * times


@pytest.mark.parametrize("kind", [tuple, dict])
def test_an_example_says_what_the_model_is_called_with(kind):
    x, times = torch.zeros(2, 4, 5), torch.ones(1)
    example = (x, times) if kind is tuple else {"x": x, "times": times}
    model = insert_after(Two(), {"fold": SelfAttentionOf4}, example=example)
    assert model.fold.inserted.channels == 4
    with pytest.raises(ValueError, match="example must be given: the model has no convolution"):
        insert_after(Two(), {"fold": SelfAttentionOf4})
    with pytest.raises(ValueError, match=r"dry run failed with example=\(2, 4, 5\): TypeError"):
        insert_after(Two(), {"fold": SelfAttentionOf4}, example=x)


def SelfAttentionOf4(channels):
    return SelfAttention2d(channels, reduction=2)


def test_a_ready_block_needs_no_dry_run_but_is_checked_in_the_first_forward_pass():
    model = insert_after(Two(), {"fold": SelfAttention2d(4, 2), "project": SelfAttention2d(8)})
    with pytest.raises(ValueError, match=r"x must be \(B, C, H, W\)"):
        model(torch.zeros(2, 4, 5), 1)
    remove(model, "project")
    assert model(torch.zeros(2, 4, 5), 1).shape == (2, 4, 7, 1)


def test_what_fails_behind_the_last_place_does_not_matter():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(7, 2))
    assert insert_after(model, {"0": NonLocalBlock})[0].inserted.channels == 8


def test_the_dry_run_is_in_eval_mode():
    """One image of one position has no variance that a batch norm could divide by."""
    one = nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(8), nn.Conv2d(8, 6, 1)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), *one).train()
    assert insert_after(model, {"3": NonLocalBlock})[3].inserted.channels == 6


# Bad input


def shared():
    model = net()
    model.again = model.stem
    return model


ONE = NonLocalBlock(8)
BAD = {
    "a name that is not there": (
        net,
        {"layer3.0": NonLocalBlock},
        r"no module 'layer3\.0'.*'layer2\.0'",
    ),
    "an empty name": (net, {"": NonLocalBlock}, "no module ''"),
    "no feature map": (net, {"head": NonLocalBlock}, r"'head' must return .*, not \[\(1, 4\)\]"),
    "other channels": (
        net,
        {"layer2": NonLocalBlock(8)},
        r"blocks\['layer2'\] does not take \(1, 16, 56, 56\).*8 channels, not 16",
    ),
    "other dims": (
        net,
        {"stem": lambda c: NonLocalBlock(c, dims=3)},
        r"blocks\['stem'\] does not take .*\(B, C, T, H, W\) for dims=3",
    ),
    "another shape": (
        net,
        {"stem": nn.Conv2d(8, 9, 1)},
        r"8, 112, 112\), not \(1, 9, 112",
    ),
    "not a tensor": (net, {"tuple": Returns("tuple")}, r"\(1, 16, 56, 56\), not tuple"),
    "neither block nor factory": (net, {"stem": 8}, r"blocks\['stem'\] must be a block or a fac"),
    "no module made": (net, {"stem": lambda c: c}, r"blocks\['stem'\] must make .*, not 8"),
    "a module under two names": (
        shared,
        {"stem": NonLocalBlock, "again": NonLocalBlock},
        "'stem' and 'again' are the same module",
    ),
    "one block twice": (
        net,
        {"stem": ONE, "layer1.0": ONE},
        r"0'\] is already in blocks\['stem",
    ),
    "an empty container": (
        lambda: nn.Sequential(nn.Conv2d(3, 8, 1), nn.Sequential()),
        {"1": NonLocalBlock},
        r"blocks\['1'\] must follow a module, not an empty container",
    ),
    "a module that never runs": (
        lambda: nn.ModuleDict({"a": nn.Conv2d(3, 8, 1)}),
        {"a": NonLocalBlock},
        "dry run failed with example",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_names_the_argument_and_changes_nothing(case):
    make, blocks, message = BAD[case]
    model = make()
    keys = list(model.state_dict())
    with pytest.raises(ValueError, match=message):
        insert_after(model, blocks)
    assert list(model.state_dict()) == keys
    assert not any(m._forward_hooks for m in model.modules())


def test_the_same_place_twice_is_an_error():
    model = insert_after(net(), {"stem": NonLocalBlock})
    with pytest.raises(ValueError, match=r"'stem' has a block behind it; remove\(model, 'stem'\)"):
        insert_after(model, {"stem": NonLocalBlock})
    with pytest.raises(ValueError, match=r"blocks\['layer1\.0'\] is already in the model"):
        insert_after(model, {"layer1.0": model.stem.inserted})


# The paper's places


def resnet(*counts):
    model = nn.Module()
    model.stem = nn.Conv2d(3, 4, 3)
    for i, count in enumerate(counts, 1):
        model.add_module(f"layer{i}", nn.Sequential(*(Residual(4, 4) for _ in range(count))))
    return model


def names(places):
    return [f"layer{stage}.{i}" for stage, indices in places.items() for i in indices]


@pytest.mark.parametrize(
    "counts, blocks, expected",
    [
        ((3, 4, 6, 3), 1, {3: [4]}),  # right before the last of res4
        ((3, 4, 6, 3), 5, {2: [1, 3], 3: [1, 3, 5]}),  # the authors' code
        ((3, 4, 6, 3), 10, {2: range(4), 3: range(6)}),
        ((3, 4, 23, 3), 1, {3: [21]}),
        ((3, 4, 23, 3), 5, {2: [1, 3], 3: [6, 13, 20]}),  # the authors' code
        ((1, 1, 1, 1), 1, {2: [0]}),
    ],
)
def test_the_papers_placements(counts, blocks, expected):
    assert placements(resnet(*counts), blocks) == names(expected)


def test_placements_in_a_net_of_nested_stages():
    """As in transformers and timm: stages.1.blocks.0, with lists inside the residual blocks."""

    class Stage(nn.Module):
        def __init__(self, count):
            super().__init__()
            self.down = nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1))
            two = nn.Sequential(Residual(4, 4), Residual(4, 4))
            self.blocks = nn.ModuleList(nn.Sequential(two) for _ in range(count))

    model = nn.Module()
    model.stages = nn.ModuleList(map(Stage, (3, 3, 9, 3)))
    assert placements(model, 1) == ["stages.2.blocks.7"]


def test_placements_that_a_model_does_not_have():
    with pytest.raises(ValueError, match=r"blocks must be one of 1, 5, 10, not 2"):
        placements(resnet(3, 4, 6, 3), 2)
    with pytest.raises(ValueError, match=r"model must have 3 residual blocks in res4, not 2"):
        placements(resnet(2, 2, 2, 2), 5)
    with pytest.raises(ValueError, match=r"four stages of residual blocks, not \{'layer#': 3\}"):
        placements(resnet(3, 4, 6), 1)
