"""A block goes into models of other packages, as they are installed.

    pip install --no-deps -r requirements-foreign.txt

A missing package skips its tests; with REQUIRE_FOREIGN=1 in the environment it fails them. Weights
are random, for none are downloaded. timm is not here: it does not import without torchvision.
"""

import copy
import importlib
import os

import pytest
import torch
from every import in_turn, some
from torch.utils._pytree import tree_leaves

from nonlocal_tut import NonLocalBlock, SelfAttention2d
from nonlocal_tut.attention_maps import attention_maps
from nonlocal_tut.insert import insert_after, placements, remove

WIDTHS = [8, 16, 24, 32]


def hugging(name, config, **options):
    """transformers' class of that name, made from a configuration."""

    def make():
        package = package_of("transformers")
        return getattr(package, name)(getattr(package, config)(hidden_sizes=WIDTHS, **options))

    return make


def monai(name, *args, **options):
    return lambda: getattr(package_of("monai.networks.nets"), name)(*args, **options)


def package_of(name):
    """A package, or what becomes of a test without it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        say = pytest.fail if os.environ.get("REQUIRE_FOREIGN") else pytest.skip
        say(f"{error}: pip install --no-deps -r requirements-foreign.txt")


IMAGE, VOLUME = (2, 3, 64, 64), (2, 1, 32, 32, 32)
DEEP, SHALLOW, BASIC = [3, 4, 6, 3], [2, 2, 2, 2], {"depths": [2, 2, 2, 2], "layer_type": "basic"}
UNET = {"channels": (4, 8, 16), "strides": (2, 2)}

# What makes it, its input, and where a block goes: an int is the paper's placement
MODELS = {
    "transformers ResNet": (hugging("ResNetModel", "ResNetConfig", depths=DEEP), IMAGE, 10),
    "transformers ResNet, basic, classifier": (
        hugging("ResNetForImageClassification", "ResNetConfig", **BASIC),
        IMAGE,
        ["resnet.encoder.stages.1.layers.0", "resnet.encoder.stages.2", "resnet.encoder"],
    ),
    "transformers RegNet": (
        hugging("RegNetModel", "RegNetConfig", depths=SHALLOW, groups_width=8),
        IMAGE,
        ["encoder.stages.1", "embedder"],
    ),
    "transformers ConvNeXt": (
        hugging("ConvNextModel", "ConvNextConfig", depths=[3, 3, 9, 3]),
        IMAGE,
        5,
    ),
    "transformers SegFormer": (
        hugging(
            "SegformerForSemanticSegmentation",
            "SegformerConfig",
            decoder_hidden_size=16,
            num_attention_heads=[1, 1, 1, 1],
        ),
        IMAGE,
        ["segformer", "decode_head.linear_fuse", "segformer.stages.0.blocks.0.mlp.dwconv.dwconv"],
    ),
    "MONAI ResNet 2-D": (
        monai("ResNet", "bottleneck", DEEP, WIDTHS, spatial_dims=2, n_input_channels=3),
        IMAGE,
        5,
    ),
    "MONAI ResNet 3-D": (
        monai("ResNet", "basic", SHALLOW, WIDTHS, spatial_dims=3, n_input_channels=1),
        VOLUME,
        1,
    ),
    "MONAI UNet 2-D": (
        monai("UNet", 2, 3, 2, **UNET),
        IMAGE,
        ["model.0", "model.1", "model.1.submodule.1.submodule"],
    ),
    "MONAI UNet 3-D": (
        monai("UNet", 3, 1, 2, **UNET, num_res_units=2),
        VOLUME,
        ["model.1.submodule.0", "model.1.submodule.1"],
    ),
    "MONAI DenseNet": (
        monai("DenseNet", 2, 3, 4, init_features=8, growth_rate=4, block_config=(2, 2, 2)),
        IMAGE,
        ["features.denseblock2", "features.transition1", "features.denseblock3.denselayer1"],
    ),
}


def made(name):
    torch.manual_seed(0)
    make, shape, where = MODELS[name]
    model, dims = make().eval(), len(shape) - 2
    places = placements(model, where) if isinstance(where, int) else where
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    return model, dict.fromkeys(places, lambda c: NonLocalBlock(c, dims=dims, subsample="after")), x


def run(model, x):
    """All tensors that a model returns, drawing its random numbers anew."""
    torch.manual_seed(2)
    with torch.no_grad():
        return [t for t in tree_leaves(model(x)) if isinstance(t, torch.Tensor)]


def same(ours, theirs):
    return len(ours) == len(theirs) > 0 and all(map(torch.equal, ours, theirs))


def hooks(model):
    return {name: len(m._forward_hooks) for name, m in model.named_modules()}


def awake(model):
    """Every parameter of the blocks random."""
    generator = torch.Generator().manual_seed(3)
    for name, p in model.named_parameters():
        if ".inserted" in name:
            p.data.normal_(0, 0.5, generator=generator)
    return model


@pytest.mark.parametrize(("name", "training"), in_turn(MODELS, [False, True]))
def test_a_block_goes_in_and_out(name, training):
    """Outputs bit for bit, keys, checkpoints both ways, a copy of its own; and back again."""
    model, blocks, x = made(name)
    plain, keys = copy.deepcopy(model).train(training), list(model.state_dict())
    insert_after(model.train(training), blocks)
    assert same(run(model, x), run(plain, x))
    assert same(run(model, x), run(plain, x))  # with the statistics of the first run
    assert [key for key in model.state_dict() if ".inserted" not in key] == keys
    told = model.load_state_dict(plain.state_dict(), strict=False)
    assert told.missing_keys and not told.unexpected_keys
    assert all(".inserted" in key for key in told.missing_keys)
    told = plain.load_state_dict(awake(model).state_dict(), strict=False)
    assert told.unexpected_keys and not told.missing_keys

    expected = run(model.eval(), x)
    assert not same(expected, run(plain.eval(), x))
    twin = copy.deepcopy(model)
    for key, p in model.named_parameters():
        if ".inserted" in key:
            p.data.zero_()
    assert same(run(twin, x), expected)
    for place in blocks:
        remove(model, place)
    assert same(run(model, x), run(plain, x))
    assert list(model.state_dict()) == keys
    assert hooks(model) == hooks(plain)  # transformers adds some of its own in a first run


@pytest.mark.parametrize("name", some(MODELS, 4))
def test_a_model_with_blocks_is_exported(name):
    model, blocks, x = made(name)
    awake(insert_after(model, blocks))
    model, x = model.double(), x.double()  # exported, small feature maps go another way
    program = torch.export.export(model, (x,), strict=False)
    for ours, exported in zip(run(model, x), run(program.module(), x), strict=True):
        torch.testing.assert_close(exported, ours, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_rows_of_attention_come_out(name):
    model, blocks, x = made(name)
    out = run(insert_after(model, blocks), x)
    found = attention_maps(model, x)
    assert len(found) == len(blocks)
    for block in found.values():
        torch.testing.assert_close(block.weights.sum(-1), torch.ones(block.weights.shape[:2]))
        assert block.row(1, *(side - 1 for side in block.queries)).shape == block.keys
    assert same(run(model, x), out)


def test_tokens_are_no_image():
    """SegFormer's inner blocks return (B, N, C), which an image's block does not take."""
    model, _, _ = made("transformers SegFormer")
    with pytest.raises(ValueError, match=r"does not take \(1, 3136, 8\), .* \(B, C, H, W\)"):
        insert_after(model, {"segformer.stages.0.blocks.0": SelfAttention2d})
