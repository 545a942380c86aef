"""python -m bench.networks: whole networks, predicted and then really run, into book/data/.

Twenty-four architectures of torch, transformers, MONAI and diffusers, built small from their
configurations and without weights, in training and in inference: how far the predicted peak is
from the measured one, and what the prediction said that it leaves out. It takes two minutes.
"""

import importlib
import json
import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bench.machine import processor, today
from bench.provenance import version
from nonlocal_tut import memory

PATH = Path(__file__).resolve().parent.parent / "book" / "data" / "networks.json"
PACKAGES = ("torch", "transformers", "monai", "diffusers")
Network = tuple[Callable[[], nn.Module], Any]  # what makes it, and the shape of its input
IMAGE, TOKENS = (2, 3, 64, 64), (2, 40)


def transformers(name: str, **options: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        package = importlib.import_module("transformers")
        return getattr(package, f"{name}Model")(getattr(package, f"{name}Config")(**options))

    return make


def made(package: str, name: str, **options: Any) -> Callable[[], nn.Module]:
    return lambda: getattr(importlib.import_module(package), name)(**options)


monai = partial(made, "monai.networks.nets")
diffusers = partial(made, "diffusers")


def text() -> dict[str, torch.Tensor]:
    return {"input_ids": torch.zeros(TOKENS, dtype=torch.long)}


def noisy(channels: int, *context: tuple[int, ...]) -> Callable[[], tuple[torch.Tensor, ...]]:
    """An image, the number of a step, and what else is looked at."""
    step = (torch.zeros((), dtype=torch.long),)
    return lambda: (torch.randn(2, channels, 16, 16), *step, *(torch.randn(c) for c in context))


def small(**options: Any) -> dict[str, Any]:
    """A transformer of two layers, 48 wide, with four heads."""
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 4}
    return {"hidden_size": 48, "intermediate_size": 96} | sizes | options


def unet(dims: int) -> dict[str, Any]:
    return {
        "spatial_dims": dims,
        "in_channels": 1,
        "out_channels": 2,
        "channels": (8, 16, 32),
        "strides": (2, 2),
    }


NETWORKS: dict[str, dict[str, Network]] = {
    "torch": {
        "Transformer": (
            lambda: nn.Transformer(32, 4, 2, 2, 64, batch_first=True),
            lambda: (torch.randn(2, 30, 32), torch.randn(2, 20, 32)),
        ),
        "LSTM": (lambda: nn.LSTM(32, 48, 2, batch_first=True), (4, 30, 32)),
    },
    "transformers": {
        "ResNet": (
            transformers("ResNet", depths=[1] * 4, hidden_sizes=[32, 64, 96, 128]),
            IMAGE,
        ),
        "ConvNeXt": (
            transformers("ConvNext", depths=[1, 1, 2, 1], hidden_sizes=[16, 32, 48, 64]),
            IMAGE,
        ),
        "RegNet": (
            transformers("RegNet", hidden_sizes=[32, 64], depths=[1, 2], groups_width=8),
            IMAGE,
        ),
        "MobileNetV2": (transformers("MobileNetV2", depth_multiplier=0.5), IMAGE),
        "Swin": (
            transformers(
                "Swin",
                image_size=64,
                depths=[1, 1],
                num_heads=[2, 4],
                embed_dim=24,
                window_size=4,
            ),
            IMAGE,
        ),
        "ViT": (transformers("ViT", **small(image_size=64, patch_size=8)), IMAGE),
        "DINOv2": (
            transformers("Dinov2", **small(image_size=64, patch_size=8, mlp_ratio=2)),
            IMAGE,
        ),
        "YOLOS": (
            transformers("Yolos", **small(image_size=[64, 64], patch_size=8)),
            IMAGE,
        ),
        "SegFormer": (
            transformers("Segformer", depths=[1] * 4, hidden_sizes=[16, 32, 48, 64]),
            IMAGE,
        ),
        "BERT": (transformers("Bert", **small(vocab_size=200)), text),
        "ELECTRA": (transformers("Electra", **small(vocab_size=200, embedding_size=24)), text),
    },
    "monai": {
        "UNet": (monai("UNet", **unet(2), num_res_units=1), (2, 1, 32, 32)),
        "UNet 3-D": (monai("UNet", **unet(3), num_res_units=1), (2, 1, 16, 16, 16)),
        "AttentionUnet": (monai("AttentionUnet", **unet(2)), (2, 1, 32, 32)),
        "DenseNet": (
            monai(
                "DenseNet",
                spatial_dims=2,
                in_channels=1,
                out_channels=2,
                init_features=16,
                growth_rate=8,
                block_config=(2, 2),
            ),
            (2, 1, 64, 64),
        ),
        "ResNet": (
            monai("resnet10", spatial_dims=2, n_input_channels=1, num_classes=2),
            (2, 1, 64, 64),
        ),
        "ResNet 3-D": (
            monai("resnet10", spatial_dims=3, n_input_channels=1, num_classes=2),
            (2, 1, 32, 32, 32),
        ),
        "SegResNet": (
            monai("SegResNet", spatial_dims=2, init_filters=8, in_channels=1, out_channels=2),
            (2, 1, 32, 32),
        ),
        "UNETR": (
            monai(
                "UNETR",
                in_channels=1,
                out_channels=2,
                img_size=(32, 32),
                spatial_dims=2,
                feature_size=8,
                hidden_size=48,
                mlp_dim=96,
                num_heads=4,
            ),
            (1, 1, 32, 32),
        ),
    },
    "diffusers": {
        "UNet2D": (
            diffusers(
                "UNet2DModel",
                sample_size=16,
                block_out_channels=(32, 64),
                layers_per_block=1,
                down_block_types=("DownBlock2D", "AttnDownBlock2D"),
                up_block_types=("AttnUpBlock2D", "UpBlock2D"),
                norm_num_groups=8,
            ),
            noisy(3),
        ),
        "UNet2DCondition": (
            diffusers(
                "UNet2DConditionModel",
                sample_size=16,
                block_out_channels=(32, 64),
                layers_per_block=1,
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
                cross_attention_dim=24,
                norm_num_groups=8,
            ),
            noisy(4, (2, 7, 24)),
        ),
        "AutoencoderKL": (
            diffusers(
                "AutoencoderKL",
                block_out_channels=(32, 64),
                down_block_types=("DownEncoderBlock2D",) * 2,
                up_block_types=("UpDecoderBlock2D",) * 2,
                norm_num_groups=8,
            ),
            (1, 3, 32, 32),
        ),
    },
}


def row(package: str, name: str, training: bool) -> dict[str, Any]:
    """One network in one mode: peaks in bytes, and how far apart they are in percent."""
    make, shape = NETWORKS[package][name]
    predicted = memory.predict(make, shape, training=training)
    measured = memory.measure(make, shape, training=training, device="cpu")
    return {
        "package": package,
        "network": name,
        "training": training,
        "predicted_bytes": predicted.peak_bytes,
        "measured_bytes": measured.peak_bytes,
        "percent": round(100 * (predicted.peak_bytes / measured.peak_bytes - 1), 4),
        "not_modeled": list(predicted.not_modeled),
    }


def quiet(package: str) -> None:
    """Nothing is fetched, and what the packages have to say of their models is not said."""
    silent = ("TRANSFORMERS_VERBOSITY", "DIFFUSERS_VERBOSITY")
    os.environ |= {"HF_HUB_OFFLINE": "1"} | dict.fromkeys(silent, "error")
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")
    logging.getLogger(package).setLevel(logging.ERROR)


def main() -> int:
    rows = []
    for package, networks in NETWORKS.items():
        quiet(package)
        for name in networks:
            for training in (True, False):
                rows.append(row(package, name, training))
                mode = "training" if training else "inference"
                said = "; ".join(rows[-1]["not_modeled"])
                print(f"{package:12s} {name:18s} {mode:9s} {rows[-1]['percent']:+9.4f} %  {said}")
    origin = {
        "command": "python -m bench.networks",
        "date": today(),
        "processor": processor(),
        "packages": {package: version(package) for package in PACKAGES},
        "bytes": "Peak above parameters, input and incoming gradient, of one forward pass, or of "
        "one forward and backward pass: predicted on the meta device, and counted by "
        "torch.profiler on one thread and without oneDNN.",
    }
    lines = ",\n".join(json.dumps(found) for found in rows)
    about = json.dumps(origin, indent=1)
    PATH.write_text(f'{{\n"provenance": {about},\n"rows": [\n{lines}\n]\n}}\n', encoding="utf-8")
    print(f"written: {os.path.relpath(PATH)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
