"""Eight code bases' non-local blocks: what each computes, and what it calls its layers.

They hold the same few tensors and differ in names, in a scale, in where a max pool stands and in
what follows w_z. See the appendix on weights.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from nonlocal_tut.blocks import NonLocalBlock, SelfAttention2d
from nonlocal_tut.pairwise import PAIRWISE

NORM = (".weight", ".bias", ".running_mean", ".running_var", ".num_batches_tracked")
ABSENT = {"gaussian": ("theta", "phi", "w_f"), "concatenation": ()}  # other forms lack w_f alone


@dataclass(frozen=True)
class Layout:
    """One code base: what its block computes, in our switches, and what it calls its layers.

    - `source`: repository, file and commit.
    - `names`: our layers and the peer's. What stands in brackets is there only if the block pools
      (phi, g) or a norm follows (w_z).
    - `switches`: channels -> the arguments with which `block(channels, **arguments)` computes what
      the peer's block computes by default.
    - `note`: its other options in our switches, and what is lost on the way to our block.
    - `pairwise`, `dims`: the forms of f, and the numbers of dimensions, that it offers.
    - `norm`: whether it can be had with and without one. `no_bias`: layers without a bias; for
      w_z, where a norm follows if one can. `spectral`: whether it can be had with spectral norm.
    """

    source: str
    names: dict[str, str]
    switches: Callable[[int], dict[str, Any]]
    note: str
    pairwise: tuple[str, ...] = ("embedded_gaussian",)
    dims: tuple[int, ...] = (2,)
    norm: tuple[bool, ...] = (True, False)
    no_bias: tuple[str, ...] = ("w_f",)
    spectral: bool = False
    block: type[nn.Module] = NonLocalBlock

    def variants(self) -> Iterator[dict[str, str]]:
        """The peer's keys and ours, for each set of options that changes them."""
        for form, pooled, normed, spectral in itertools.product(
            self.pairwise, (False, True), self.norm, {False, self.spectral}
        ):
            keys: dict[str, str] = {}
            for layer, name in self.names.items():
                if layer in ABSENT.get(form, ("w_f",)) or (layer == "norm" and not normed):
                    continue
                name = re.sub(r"\[(.*)]", r"\1" * (normed if layer == "w_z" else pooled), name)
                no_bias = layer in self.no_bias and (layer != "w_z" or normed == max(self.norm))
                own = [".weight"] + [".bias"] * (not no_bias) + [".u0", ".sv0"] * spectral
                ends = {"norm": NORM, "gamma": ("",)}.get(layer, tuple(own))
                keys |= {name + end: layer + end for end in ends}
            yield keys


def _eighth(channels: int) -> int:
    """C / 8 to the nearest multiple of 8; to the next one where that takes off over a tenth."""
    width = max(8, (channels + 32) // 64 * 8)
    return width + 8 * (10 * 8 * width < 9 * channels)


LAYOUTS = {
    "mmcv": Layout(
        "open-mmlab/mmcv mmcv/cnn/bricks/non_local.py @a8073c7",
        {
            "theta": "theta.conv",
            "phi": "phi[.0].conv",
            "g": "g[.0].conv",
            "w_z": "conv_out.conv",
            "norm": "conv_out.bn",
            "w_f": "concat_project.conv",
        },
        lambda channels: {"scale": "sqrt", "norm": False},
        "Scales the embedded form alone. sub_sample=True is subsample='after', norm_cfg norm=True. "
        "GCNet's NonLocal2D has these keys, but multiplies by √C': scale=inner_channels ** 0.5.",
        pairwise=PAIRWISE,
        dims=(1, 2, 3),
        no_bias=("w_f", "w_z"),
    ),
    "alexhex7": Layout(
        "AlexHex7/Non-local_pytorch lib/non_local_*.py @ec15789",
        {
            "theta": "theta",
            "phi": "phi[.0]",
            "g": "g[.0]",
            "w_z": "W[.0]",
            "norm": "W.1",
            "w_f": "concat_project.0",
        },
        lambda channels: {"subsample": "after"},
        "Never scales. sub_sample=False is subsample=None, bn_layer=False norm=False.",
        pairwise=PAIRWISE,
        dims=(1, 2, 3),
    ),
    "tea1528": Layout(
        "tea1528/Non-Local-NN-Pytorch models/non_local.py @64c6047",
        {
            "theta": "theta",
            "phi": "phi",
            "g": "g",
            "w_z": "W_z[.0]",
            "norm": "W_z.1",
            "w_f": "W_f.0",
        },
        lambda channels: {"dims": 3},
        "Never scales, never pools. bn_layer=False is norm=False. The bias of w_f is folded.",
        pairwise=PAIRWISE,
        dims=(1, 2, 3),
        no_bias=(),
    ),
    "slowfast": Layout(
        "facebookresearch/SlowFast slowfast/models/nonlocal_helper.py @287ec00",
        {
            "theta": "conv_theta",
            "phi": "conv_phi",
            "g": "conv_g",
            "w_z": "conv_out",
            "norm": "bn",
        },
        lambda channels: {"dims": 3, "scale": "sqrt", "subsample": "before"},
        "With the 1×2×2 pool of its configurations; pool_size=None is subsample=None. Scales the "
        "embedded form alone.",
        pairwise=("embedded_gaussian", "dot_product"),
        dims=(3,),
        norm=(True,),
    ),
    "pytorchvideo": Layout(
        "facebookresearch/pytorchvideo pytorchvideo/layers/nonlocal_net.py @f3142bb",
        {
            "theta": "conv_theta",
            "phi": "conv_phi",
            "g": "conv_g",
            "w_z": "conv_out",
            "norm": "norm",
        },
        lambda channels: {"dims": 3, "scale": "sqrt"},
        "As create_nonlocal builds it; pool_size=(1, 2, 2) is subsample='before', norm=None "
        "norm=False. Scales the embedded form alone.",
        pairwise=("embedded_gaussian", "dot_product"),
        dims=(3,),
    ),
    "timm": Layout(
        "huggingface/pytorch-image-models timm/layers/non_local_attn.py @aa4b585",
        {"theta": "t", "phi": "p", "g": "g", "w_z": "z", "norm": "norm"},
        lambda channels: {"inner_channels": _eighth(channels), "scale": channels**-0.5},
        "Scales by 1/√C, not 1/√C'; use_scale=False is scale=None.",
        norm=(True,),
    ),
    "biggan": Layout(
        "ajbrock/BigGAN-PyTorch layers.py @9845943",
        {"theta": "theta", "phi": "phi", "g": "g", "w_z": "o", "gamma": "gamma"},
        lambda channels: {"subsample": "after", "norm": False},
        "Never scales. Its theta and phi are C // 8 wide, ours then hold zeros; gamma and spectral "
        "norm are folded. Equal outputs, another course of training.",
        norm=(False,),
        no_bias=("theta", "phi", "g", "w_z"),
        spectral=True,
    ),
    "heykeetae": Layout(
        "heykeetae/Self-Attention-GAN sagan_models.py @8714a54",
        {name: name for name in ("query_conv", "key_conv", "value_conv", "gamma")},
        lambda channels: {},
        "The article's block, which SelfAttention2d is under the same names. Always returns the "
        "attention matrix, too.",
        norm=(False,),
        block=SelfAttention2d,
    ),
}
