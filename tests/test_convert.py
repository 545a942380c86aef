"""Other people's weights in our blocks, against each code base's formula as a loop over queries.

The state dicts are made by hand, from what each code base calls its tensors.
"""

import itertools
import re

import pytest
import torch

from nonlocal_tut import NonLocalBlock
from nonlocal_tut.convert import LAYOUTS, from_peer, prefixes
from nonlocal_tut.convert.from_peer import _spectral

C, INNER = 16, 8
SIDES = {1: (7,), 2: (4, 5), 3: (2, 4, 3)}
FORMS = ("embedded_gaussian", "gaussian", "dot_product", "concatenation")


def draw(channels, inner, *, narrow=None, spectral=False, seed=0):
    """One block's tensors as matrices and vectors, in float64."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return 0.5 * torch.randn(shape, generator=generator, dtype=torch.float64)

    rows = {"theta": narrow or inner, "phi": narrow or inner, "g": inner, "w_z": channels}
    drawn = {k: (normal(n, inner if k == "w_z" else channels), normal(n)) for k, n in rows.items()}
    drawn["w_f"] = normal(1, 2 * inner), normal(1)
    drawn["value"] = normal(channels, channels), normal(channels)
    drawn["gamma"] = normal()
    drawn["u"] = {k: normal(1, n) for k, n in rows.items()} if spectral else {}
    drawn["norm"] = {
        "weight": normal(channels),
        "bias": normal(channels),
        "running_mean": normal(channels),
        "running_var": normal(channels) ** 2 + 0.5,
        "num_batches_tracked": torch.tensor(7),
    }
    return drawn


def convolution(name, pair, dims, bias=True):
    weight = {f"{name}.weight": pair[0].reshape(*pair[0].shape, *[1] * dims)}
    return weight | ({f"{name}.bias": pair[1]} if bias else {})


def batch_norm(name, drawn):
    return {f"{name}.{leaf}": value for leaf, value in drawn["norm"].items()}


def mmcv(d, *, pairwise, dims, subsample, norm):
    pooled = ".0" if subsample else ""
    state = convolution(f"g{pooled}.conv", d["g"], dims)
    if pairwise != "gaussian":
        state |= convolution("theta.conv", d["theta"], dims)
        state |= convolution(f"phi{pooled}.conv", d["phi"], dims)
    if pairwise == "concatenation":
        state |= convolution("concat_project.conv", d["w_f"], 2, bias=False)
    state |= convolution("conv_out.conv", d["w_z"], dims, bias=not norm)
    return state | (batch_norm("conv_out.bn", d) if norm else {})


def alexhex7(d, *, pairwise, dims, subsample, norm):
    pooled = ".0" if subsample else ""
    state = convolution(f"g{pooled}", d["g"], dims)
    if pairwise != "gaussian":
        state |= convolution("theta", d["theta"], dims)
        state |= convolution(f"phi{pooled}", d["phi"], dims)
    if pairwise == "concatenation":
        state |= convolution("concat_project.0", d["w_f"], 2, bias=False)
    if norm:
        return state | convolution("W.0", d["w_z"], dims) | batch_norm("W.1", d)
    return state | convolution("W", d["w_z"], dims)


def tea1528(d, *, pairwise, dims, subsample, norm):
    state = convolution("g", d["g"], dims)
    if pairwise != "gaussian":
        state |= convolution("theta", d["theta"], dims) | convolution("phi", d["phi"], dims)
    if pairwise == "concatenation":
        state |= convolution("W_f.0", d["w_f"], 2)
    if norm:
        return state | convolution("W_z.0", d["w_z"], dims) | batch_norm("W_z.1", d)
    return state | convolution("W_z", d["w_z"], dims)


def slowfast(d, *, pairwise, dims, subsample, norm):
    names = {"conv_theta": "theta", "conv_phi": "phi", "conv_g": "g", "conv_out": "w_z"}
    state = {}
    for theirs, ours in names.items():
        state |= convolution(theirs, d[ours], dims)
    return state | batch_norm("bn", d)


def pytorchvideo(d, *, pairwise, dims, subsample, norm):
    names = {"conv_theta": "theta", "conv_phi": "phi", "conv_g": "g", "conv_out": "w_z"}
    state = {}
    for theirs, ours in names.items():
        state |= convolution(theirs, d[ours], dims)
    return state | (batch_norm("norm", d) if norm else {})


def timm(d, *, pairwise, dims, subsample, norm):
    state = {}
    for theirs, ours in {"t": "theta", "p": "phi", "g": "g", "z": "w_z"}.items():
        state |= convolution(theirs, d[ours], dims)
    return state | batch_norm("norm", d)


def biggan(d, *, pairwise, dims, subsample, norm):
    state = {"gamma": d["gamma"]}
    for theirs, ours in {"theta": "theta", "phi": "phi", "g": "g", "o": "w_z"}.items():
        state |= convolution(theirs, d[ours], dims, bias=False)
        if d["u"]:
            state |= {f"{theirs}.u0": d["u"][ours], f"{theirs}.sv0": torch.ones(1)}
    return state


def heykeetae(d, *, pairwise, dims, subsample, norm):
    state = convolution("query_conv", d["theta"], dims) | convolution("key_conv", d["phi"], dims)
    return state | convolution("value_conv", d["value"], dims) | {"gamma": d["gamma"].reshape(1)}


MAKE = dict(
    mmcv=mmcv,
    alexhex7=alexhex7,
    tea1528=tea1528,
    slowfast=slowfast,
    pytorchvideo=pytorchvideo,
    timm=timm,
    biggan=biggan,
    heykeetae=heykeetae,
)


def case(layout, pairwise="embedded_gaussian", dims=2, subsample=None, norm=True, **more):
    return layout, dict(pairwise=pairwise, dims=dims, subsample=subsample, norm=norm), more


def all_cases():
    dims = itertools.cycle((2, 3, 1))
    for pairwise, subsample, norm in itertools.product(FORMS, (None, "after"), (True, False)):
        scaled = INNER**-0.5 if pairwise == "embedded_gaussian" else 1
        yield case("mmcv", pairwise, next(dims), subsample, norm, factor=scaled)
        yield case("alexhex7", pairwise, next(dims), subsample, norm)
        yield case("tea1528", pairwise, next(dims), None, norm)
    for pairwise, subsample in itertools.product(FORMS[::2], (None, "before")):
        scaled = INNER**-0.5 if pairwise == "embedded_gaussian" else 1
        yield case("slowfast", pairwise, 3, subsample, factor=scaled)
        yield case("pytorchvideo", pairwise, 3, subsample, True, factor=scaled)
        yield case("pytorchvideo", pairwise, 3, subsample, False, factor=scaled)
    yield case("timm", factor=C**-0.5)
    yield case("timm", factor=1)
    yield case("biggan", subsample="after", norm=False, narrow=C // 8)
    yield case("biggan", subsample="after", norm=False, narrow=C // 8, spectral=True)
    yield case("heykeetae", norm=False, narrow=C // 8)


CASES = [pytest.param(*c, id=f"{c[0]}-{i}") for i, c in enumerate(all_cases())]

# The options with which each code base builds its block when none are given.
DEFAULTS = [
    case("mmcv", norm=False, factor=INNER**-0.5),
    case("alexhex7", subsample="after"),
    case("tea1528", dims=3),
    case("slowfast", dims=3, subsample="before", factor=INNER**-0.5),
    case("pytorchvideo", dims=3, factor=INNER**-0.5),
    case("timm", factor=C**-0.5),
    case("biggan", subsample="after", norm=False, narrow=C // 8),
    case("heykeetae", norm=False, narrow=C // 8),
]


def effective(d, layout, options):
    """The tensors that enter the layout's formula: spectral norm applied, absent biases 0."""
    used = {}
    for name in ("theta", "phi", "g", "w_z", "w_f", "value"):
        weight, bias = d[name]
        if name in d["u"]:
            v = d["u"][name] @ weight
            u = (v / v.norm()) @ weight.T
            weight = weight / ((v / v.norm()) @ weight.T @ (u / u.norm()).T)
        used[name] = weight, bias * (layout != "biggan")
    if layout == "heykeetae":  # the values are C wide, and no convolution follows
        used["g"], used["w_z"] = used["value"], (torch.eye(C).double(), torch.zeros(C).double())
    if layout == "mmcv" and options["norm"]:
        used["w_z"] = used["w_z"][0], torch.zeros(C).double()
    if layout != "tea1528":
        used["w_f"] = used["w_f"][0], torch.zeros(1).double()
    used["gamma"] = d["gamma"] if layout in ("biggan", "heykeetae") else 1
    return used


def pooled(x):
    """The maximum of each 2×2 square (of each pair in 1-d), one output after the other."""
    *_, high, wide = x.shape[1:] if x.ndim > 2 else (1, x.shape[1])
    step = 2 if x.ndim > 2 else 1
    frames = x.reshape(x.shape[0], -1, high, wide)
    columns = [
        frames[:, t, i : i + step, j : j + 2].amax(dim=(1, 2))
        for t in range(frames.shape[1])
        for i in range(0, high - step + 1, step)
        for j in range(0, wide - 1, 2)
    ]
    return torch.stack(columns)  # (M, C)


def peer_output(x, d, layout, options, factor, train):
    """Eq. 1 to 6 with a factor on the product: one query after the other, one sample too."""
    used = effective(d, layout, options)

    def project(name, rows):
        weight, bias = used[name]
        return rows @ weight.T + bias

    out = []
    for sample in x:  # (C, …)
        rows = sample.flatten(1).T  # (N, C)
        keys = pooled(sample) if options["subsample"] == "before" else rows
        gaussian = options["pairwise"] == "gaussian"
        phi, g = (keys if gaussian else project("phi", keys)), project("g", keys)
        theta = rows if gaussian else project("theta", rows)
        if options["subsample"] == "after":
            phi, g = (pooled(t.T.reshape(t.shape[1], *sample.shape[1:])) for t in (phi, g))
        means = []
        for query in theta:
            if options["pairwise"] == "concatenation":
                pairs = torch.stack([torch.cat([query, key]) for key in phi])
                f = project("w_f", pairs)[:, 0].clamp(min=0) / len(phi)
            elif options["pairwise"] == "dot_product":
                f = factor * (phi @ query) / len(phi)
            else:
                f = torch.exp(factor * (phi @ query))
                f = f / f.sum()
            means.append(f @ g)
        z = used["gamma"] * project("w_z", torch.stack(means))  # (N, C)
        out.append(z.T.reshape(sample.shape))
    z = torch.stack(out)
    if options["norm"]:
        norm, others = d["norm"], [0, *range(2, z.ndim)]
        mean = z.mean(others) if train else norm["running_mean"]
        var = z.var(others, unbiased=False) if train else norm["running_var"]
        gain = norm["weight"] / (var + 1e-5).sqrt()
        one = (-1, *[1] * (z.ndim - 2))
        z = (z - mean.reshape(one)) * gain.reshape(one) + norm["bias"].reshape(one)
    return x + z


def state_of(layout, options, more, channels=C, inner=INNER, seed=0):
    narrow = channels // 8 if more.get("narrow") else None
    spectral = more.get("spectral", False)
    drawn = draw(channels, inner, narrow=narrow, spectral=spectral, seed=seed)
    return drawn, MAKE[layout](drawn, **options)


def our_block(layout, options, more):
    if layout == "heykeetae":
        return LAYOUTS[layout].block(C)
    return NonLocalBlock(C, INNER, scale=more.get("factor"), **options)


def assert_same_function(block, layout, options, more):
    drawn, state = state_of(layout, options, more)
    block.double().load_state_dict(from_peer(state, layout), strict=True)
    x = torch.randn(2, C, *SIDES[options["dims"]], generator=torch.Generator().manual_seed(1))
    x = x.double()
    for train in (False, True):
        expected = peer_output(x, drawn, layout, options, more.get("factor", 1), train)
        assert (expected - x).abs().max() > 0.05
        torch.testing.assert_close(block.train(train)(x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("layout, options, more", CASES)
def test_our_block_computes_what_the_peers_block_computes(layout, options, more):
    assert_same_function(our_block(layout, options, more), layout, options, more)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_names_repository_file_and_commit_and_says_a_sentence(name):
    layout = LAYOUTS[name]
    assert re.fullmatch(r"[\w.-]+/[\w.-]+ [\w/*.-]+\.py @[0-9a-f]{7}", layout.source)
    assert re.fullmatch(r"[A-Z][a-z' ].*\.", layout.note)


@pytest.mark.parametrize("layout, options, more", DEFAULTS, ids=[c[0] for c in DEFAULTS])
def test_the_switches_build_the_peers_default(layout, options, more):
    peer = LAYOUTS[layout]
    block = peer.block(C, **peer.switches(C))
    assert_same_function(block, layout, options, more)
    assert options["pairwise"] in peer.pairwise and options["dims"] in peer.dims
    assert {c[0] for c in DEFAULTS} == set(LAYOUTS) == set(MAKE)


@pytest.mark.parametrize(
    "layout, pairwise, norm, count",
    [
        ("alexhex7", "embedded_gaussian", True, 8480),
        ("alexhex7", "dot_product", False, 8352),
        ("alexhex7", "gaussian", True, 4320),
        ("alexhex7", "gaussian", False, 4192),
        ("alexhex7", "concatenation", True, 8544),
        ("tea1528", "concatenation", True, 8545),
        ("mmcv", "concatenation", False, 8416),
        ("heykeetae", "embedded_gaussian", False, 5201),
        ("biggan", "embedded_gaussian", False, 5121),
    ],
)
def test_the_dicts_made_by_hand_have_the_peers_sizes(layout, pairwise, norm, count):
    """The counts of parameters() of the code bases' own modules, at 64 channels."""
    _, options, _ = case(layout, pairwise, norm=norm)
    more = {"narrow": True} if layout in ("heykeetae", "biggan") else {}
    _, state = state_of(layout, options, more, channels=64, inner=32)
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    assert sum(v.numel() for k, v in state.items() if not k.endswith(buffers)) == count


@pytest.mark.parametrize("layout, options, more", CASES)
def test_tensors_are_kept_and_the_peers_dict_is_left_alone(layout, options, more):
    _, state = state_of(layout, options, more)
    state = {key: value.half() if value.ndim else value for key, value in state.items()}
    before = {key: (id(value), value.clone()) for key, value in state.items()}
    ours = from_peer(state, layout)
    assert {k: id(v) for k, v in state.items()} == {k: v[0] for k, v in before.items()}
    assert all(torch.equal(state[key], value) for key, (_, value) in before.items())
    assert all(v.dtype == torch.float16 for k, v in ours.items() if v.ndim)
    if layout not in ("tea1528", "biggan"):
        assert {id(value) for value in state.values()} - {id(value) for value in ours.values()} == (
            {id(v) for k, v in state.items() if k.startswith("concat_project")}
        )
    if options["norm"]:
        assert ours["norm.num_batches_tracked"] == 7


@pytest.mark.parametrize("layout, options, more", CASES)
def test_each_missing_key_is_named(layout, options, more):
    _, state = state_of(layout, options, more)
    for key in state:
        some = {k: v for k, v in state.items() if k != key}
        if key.startswith("concat_project"):  # what is left is another form's state dict
            with pytest.raises(RuntimeError, match=r'Missing key.*"w_f\.weight"'):
                our_block(layout, options, more).load_state_dict(from_peer(some, layout))
            continue
        with pytest.raises(ValueError) as error:
            from_peer(some, layout)
        assert f"missing {key!r}" in str(error.value) and repr(layout) in str(error.value)
        assert "unexpected" not in str(error.value)


@pytest.mark.parametrize("layout, options, more", CASES)
def test_each_unexpected_key_is_named(layout, options, more):
    _, state = state_of(layout, options, more)
    for key in ("extra.weight", "g.1.weight", "norm.0.bias", "gamma.weight"):
        with pytest.raises(ValueError) as error:
            from_peer(state | {key: torch.zeros(3, 5)}, layout)
        expected = f"state_dict does not fit layout {layout!r}: unexpected {key!r} (3, 5)"
        assert str(error.value) == expected


@pytest.mark.parametrize("layout, options, more", CASES)
def test_each_wrong_shape_is_named(layout, options, more):
    _, state = state_of(layout, options, more)
    for key, value in state.items():
        shapes = [(*value.shape, 3)]
        if value.ndim:
            shapes += [(value.shape[0] + 1, *value.shape[1:]), tuple(value.shape[:-1])]
        if value.ndim > 1 and value.shape[0] > 1:
            shapes += [(value.shape[0] // 2, *value.shape[1:]), (1, *value.shape)]
        for shape in shapes:
            with pytest.raises(ValueError) as error:
                from_peer(state | {key: torch.zeros(shape)}, layout)
            assert repr(key) in str(error.value) and repr(layout) in str(error.value)
            assert str(shape) in str(error.value)


def test_a_wrong_shape_is_said_next_to_what_it_is_held_against():
    _, options, more = case("alexhex7")
    _, state = state_of("alexhex7", options, more)
    with pytest.raises(ValueError) as error:
        from_peer(state | {"phi.weight": torch.zeros(4, C, 1, 1)}, "alexhex7")
    assert str(error.value) == (
        "'phi.weight' must be (8, 16, 1, 1) in layout 'alexhex7', next to 'W.0.weight' "
        "(16, 8, 1, 1), not (4, 16, 1, 1)"
    )
    with pytest.raises(ValueError, match=r"'phi.bias' must be \(8,\) .*not a list"):
        from_peer(state | {"phi.bias": [0.0] * 8}, "alexhex7")


@pytest.mark.parametrize("layout, dims", [("slowfast", 2), ("pytorchvideo", 1), ("timm", 3)])
def test_a_layout_of_other_dimensions_is_refused(layout, dims):
    _, options, more = case(layout, dims=dims)
    last = {"timm": "z.weight"}.get(layout, "conv_out.weight")
    with pytest.raises(ValueError, match=rf"'{last}' must be \(C, C'(, 1)+\) in layout"):
        from_peer(state_of(layout, options, more)[1], layout)


def test_values_narrower_than_biggans_are_refused():
    """Else theta and phi, which have 2 rows, would be cut to the one row of g."""
    _, options, _ = case("biggan", norm=False)
    _, state = state_of("biggan", options, {"narrow": True}, inner=1)
    with pytest.raises(ValueError, match=r"'g\.weight' must be \(8, 16, 1, 1\) in layout 'biggan'"):
        from_peer(state, "biggan")


def test_another_code_bases_dict_is_refused():
    for layout, options, more in all_cases():
        _, state = state_of(layout, options, more)
        for other in LAYOUTS.keys() - {layout}:
            with pytest.raises(ValueError, match="does not fit layout"):
                from_peer(state, other)


@pytest.mark.parametrize("layout, norm", [("slowfast", "bn"), ("timm", "norm")])
def test_a_norm_that_the_peer_always_has_is_asked_for(layout, norm):
    _, options, more = case(layout, dims=LAYOUTS[layout].dims[0])
    _, state = state_of(layout, options, more)
    with pytest.raises(ValueError, match=f"missing '{norm}.weight', '{norm}.bias'"):
        from_peer({k: v for k, v in state.items() if not k.startswith(norm)}, layout)


def test_the_inner_width_of_timm():
    widths = {8: 8, 64: 8, 88: 16, 96: 16, 136: 16, 512: 64}  # of NonLocalAttn(channels).t
    given = {c: LAYOUTS["timm"].switches(c)["inner_channels"] for c in widths}
    assert given == widths


def test_a_whole_models_dict_and_torchs_spectral_norm_get_a_hint():
    _, options, more = case("mmcv", norm=True)
    _, state = state_of("mmcv", options, more)
    whole = {f"layer3.nl.{key}": value for key, value in state.items()}
    broken = whole | {"layer3.nl.extra": torch.zeros(1)}
    with pytest.raises(ValueError, match=r"missing .*unexpected 'layer3\.nl\.g\.conv\.weight'"):
        from_peer(broken, "mmcv")
    with pytest.raises(ValueError, match=r"layout 'mmcv': unexpected 'extra' \(1,\)$"):
        from_peer(broken, "mmcv", prefix="layer3.nl")
    _, options, more = case("heykeetae", norm=False, narrow=2)
    _, state = state_of("heykeetae", options, more)
    state["key_conv.weight_orig"] = state.pop("key_conv.weight")
    with pytest.raises(ValueError, match=r"unexpected 'key_conv\.weight_orig'.*fold spectral norm"):
        from_peer(state, "heykeetae")


def plain(layout, seed=0):
    """One block's own state dict."""
    options = dict(pairwise="embedded_gaussian", dims=2, subsample=None, norm=layout == "timm")
    narrow = C // 8 if layout == "heykeetae" else INNER
    return MAKE[layout](draw(C, INNER, narrow=narrow, seed=seed), **options)


def several(layout, *places):
    """A model's state dict, with a block in each of the places, each with other numbers."""
    blocks = {place: plain(layout, seed) for seed, place in enumerate(places)}
    model = {"conv.weight": torch.zeros(4, 3, 3, 3), "g": torch.zeros(1)}
    for place, block in blocks.items():
        model |= {f"{place}{key}": value for key, value in block.items()}
    return model, blocks


@pytest.mark.parametrize("layout", ["mmcv", "timm", "heykeetae"])
def test_of_several_blocks_the_one_that_is_named_is_taken(layout):
    places = "module.b.0.", "a.10.nl.", "a.1.nl."
    model, blocks = several(layout, *places)
    assert prefixes(model, layout) == sorted(places)
    for place, block in blocks.items():
        expected = from_peer(block, layout)
        for prefix in (place, place.removesuffix(".")):
            found = from_peer(model, layout, prefix=prefix)
            assert found.keys() == expected.keys()
            assert all(torch.equal(found[key], expected[key]) for key in found)


def test_of_several_blocks_none_is_guessed():
    model, _ = several("mmcv", *(f"a.{i}." for i in range(2)))
    with pytest.raises(ValueError, match=r"^2 blocks of layout 'mmcv'; say.*='a\.0\.', 'a\.1\.'$"):
        from_peer(model, "mmcv")
    model, _ = several("mmcv", *(f"a.{i}." for i in range(9)))
    with pytest.raises(ValueError, match=r"^9 blocks .*'a\.7\.', …$"):
        from_peer(model, "mmcv")


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("pairwise", FORMS)
def test_the_one_block_of_a_model_is_found_in_every_form(pairwise, norm):
    _, options, more = case("mmcv", pairwise, norm=norm)
    _, block = state_of("mmcv", options, more)
    expected = from_peer(block, "mmcv")
    model = {"stem.weight": torch.zeros(2)} | {f"x.{key}": value for key, value in block.items()}
    assert prefixes(block, "mmcv") == [""] and prefixes(model, "mmcv") == ["x."]
    found = from_peer(model, "mmcv")
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in found)


def test_a_prefix_ends_at_a_dot_and_a_block_has_its_keys_alone():
    model, blocks = several("mmcv", "nl.", "my_nl.")
    assert from_peer(model, "mmcv", prefix="nl")["g.weight"] is blocks["nl."]["g.conv.weight"]
    assert prefixes({f"my_{key}": value for key, value in plain("mmcv").items()}, "mmcv") == []
    assert prefixes(model | {"nl.more": torch.zeros(1)}, "mmcv") == ["my_nl."]
    assert prefixes(plain("mmcv"), "timm") == [] == prefixes({}, "mmcv")


def test_a_prefix_of_nothing_says_which_there_are():
    model, _ = several("mmcv", "a.", "b.")
    with pytest.raises(ValueError, match=r"begins with 'c\.'; there is 'a\.', 'b\.'$"):
        from_peer(model, "mmcv", prefix="c")
    with pytest.raises(ValueError, match=r"there is no block of layout 'timm'$"):
        from_peer(model, "timm", prefix="c")


def test_what_is_no_state_dict_is_named():
    with pytest.raises(ValueError, match=r"not a NonLocalBlock; give its state_dict\(\)$"):
        from_peer(NonLocalBlock(C), "mmcv")
    with pytest.raises(ValueError, match=r"tensors, not a NoneType$"):
        from_peer(None, "mmcv")
    with pytest.raises(ValueError, match=r"^'g\.conv\.weight' must be .* not a NoneType$"):
        from_peer(plain("mmcv") | {"g.conv.weight": None}, "mmcv")


def test_only_biggan_may_have_spectral_norm():
    """Whoever adds a layout says so, or its variants have none."""
    spectral = {
        name
        for name, layout in LAYOUTS.items()
        if any(key.endswith(".u0") for keys in layout.variants() for key in keys)
    }
    assert spectral == {"biggan"}


def test_spectral_norm_of_weights_near_nothing_is_still_1():
    """Its vectors are normalized whatever their length, down to 1e-12."""
    weight = torch.diag(torch.tensor([3.0, 1.0]).double())[:, :, None, None]
    u = torch.tensor([[1.0, 0.0]]).double()
    for size in (1.0, 1e-6, 1e-11):
        normed = _spectral(size * weight, u)
        assert torch.allclose(normed, weight / 3, rtol=1e-9)
    assert _spectral(1e-13 * weight, u)[0, 0] > 2  # shorter ones are not


def test_a_bias_that_nothing_can_take_is_refused():
    _, options, more = case("tea1528", "concatenation")
    drawn, state = state_of("tea1528", options, more)
    state["W_f.0.weight"] = torch.zeros(1, 2 * INNER, 1, 1).double()
    with pytest.raises(ValueError, match=r"w_f has a bias, .*, but is 0"):
        from_peer(state, "tea1528")
    state["W_f.0.bias"] = torch.zeros(1).double()
    assert from_peer(state, "tea1528")["theta.bias"] is drawn["theta"][1]


def test_an_unknown_layout_is_refused():
    with pytest.raises(ValueError, match=r"layout must be one of 'mmcv', .*, not 'keras'"):
        from_peer({}, "keras")
