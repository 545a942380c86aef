"""Blocks from packages of the index, each from the one module that holds it.

    pip install --no-deps -r requirements-peers.txt

The packages come without their dependencies, so what surrounds a block often cannot be imported.
Each function raises `Missing` where its package is not installed.
"""

import functools
import importlib
import importlib.util
import itertools
import sys
import types
from importlib.machinery import ModuleSpec
from pathlib import Path

import torch
from torch import nn

PACKAGES = ("mmcv-lite", "pyslowfast", "pytorchvideo", "timm", "fastai", "torchgan", "monai")


class Missing(ImportError):
    """A package that is not installed."""


@functools.cache
def module(name: str) -> types.ModuleType:
    """Import one module of a package, and not all that the packages above it would import."""
    *parents, _ = name.split(".")
    found = _found(parents[0])
    folder = Path(found.submodule_search_locations[0]).parent
    for parent in itertools.accumulate(parents, "{}.{}".format):
        if parent not in sys.modules:
            sys.modules[parent] = types.ModuleType(parent)
            sys.modules[parent].__path__ = [str(folder.joinpath(*parent.split(".")))]
    return importlib.import_module(name)


def _found(package: str) -> ModuleSpec:
    found = importlib.util.find_spec(package)
    if found is None:
        raise Missing(f"{package} is missing: pip install --no-deps -r requirements-peers.txt")
    return found


def mmcv(channels: int, dims: int = 2, **options) -> nn.Module:
    return getattr(module("mmcv.cnn.bricks.non_local"), f"NonLocal{dims}d")(channels, **options)


def slowfast(channels: int, inner: int, pool_size, form: str = "softmax") -> nn.Module:
    return module("slowfast.models.nonlocal_helper").Nonlocal(channels, inner, pool_size, form)


def pytorchvideo(channels: int, inner: int, **options) -> nn.Module:
    create = module("pytorchvideo.layers.nonlocal_net").create_nonlocal
    return create(dim_in=channels, dim_inner=inner, **options)


def timm(channels: int, **options) -> nn.Module:
    stand_ins = {}
    if importlib.util.find_spec("torchvision") is None:  # timm imports one class, unused here
        names = ("torchvision", "torchvision.ops", "torchvision.ops.misc")
        stand_ins = {name: types.ModuleType(name) for name in names}
        stand_ins["torchvision.ops.misc"].FrozenBatchNorm2d = nn.BatchNorm2d
    sys.modules.update(stand_ins)
    try:
        return module("timm.layers.non_local_attn").NonLocalAttn(channels, **options)
    finally:
        for name in stand_ins:
            del sys.modules[name]


def fastai(channels: int) -> nn.Module:
    """Without its spectral norm: with it, each training step also changes a weight's scale."""
    block = module("fastai.layers").SelfAttention(channels)
    for convolution in (block.query, block.key, block.value):
        torch.nn.utils.remove_spectral_norm(convolution[0])
    return block


def torchgan(channels: int) -> nn.Module:
    return module("torchgan.layers.selfattention").SelfAttention2d(channels)


def monai(channels: int, **options) -> nn.Module:
    _found("monai")  # which can be imported whole
    block = importlib.import_module("monai.networks.blocks.spatialattention").SpatialAttentionBlock
    return block(2, channels, **options)
