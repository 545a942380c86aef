"""Who takes part: our blocks, their plain forms, and peers with ours set to compute the same."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from bench import peers
from nonlocal_tut import NonLocalBlock, SelfAttention2d
from nonlocal_tut.convert import LAYOUTS, from_peer
from nonlocal_tut.memory.variants import VARIANTS
from nonlocal_tut.pairwise import PAIRWISE, attend

CHANNELS, INNER = 64, 32
Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Contestant:
    """One block, and what it is meant to compute.

    - `kind`: "ours", "plain" (our block with its N×N map) or "peer" (somebody else's).
    - `function`: what it computes, as the expression of ours that computes it.
    - `make`: builds it for 64 channels.
    - `like`: the contestant of ours that is meant to compute the same; "" for that one itself.
      `weights`: this block's state dict -> that one's.
    - `dims`: 3 for video blocks, which get one frame.
    - `alone`: whether it also runs where nothing that computes the same does.
    """

    name: str
    kind: str
    function: str
    make: Callable[[], nn.Module]
    like: str = ""
    weights: Callable[[Weights], Weights] = dict
    dims: int = 2
    alone: bool = False


def everyone() -> list[Contestant]:
    """All contestants; one that computes what another does stands after it."""
    return [*articles(), *papers(), *mmcv(), *video(), *timm(), *monai()]


def articles() -> list[Contestant]:
    ours, function = "SelfAttention2d", f"SelfAttention2d({CHANNELS})"
    block, plain = (lambda: SelfAttention2d(CHANNELS)), (lambda: VARIANTS["article"](CHANNELS))
    return [
        Contestant(ours, "ours", function, block, alone=True),
        Contestant("the article's two bmm", "plain", function, plain, ours),
        _peer("fastai", function, lambda: peers.fastai(CHANNELS), ours, fastai_weights),
        _peer("torchgan", function, lambda: peers.torchgan(CHANNELS), ours, torchgan_weights),
    ]


def papers() -> list[Contestant]:
    found = []
    for form in PAIRWISE:
        ours = f"NonLocalBlock {form}"
        found.append(_ours(ours, pairwise=form, alone=True))
        make = _block(pairwise=form, attention="matmul")
        found.append(Contestant(f"{ours} matmul", "plain", found[-1].function, make, ours))
    return found


def mmcv() -> list[Contestant]:
    found = _pair("mmcv", "mmcv", lambda: peers.mmcv(CHANNELS))
    for form in ("dot_product", "concatenation"):
        changes = {"pairwise": form, "scale": None}
        found += _pair("mmcv", f"mmcv {form}", lambda f=form: peers.mmcv(CHANNELS, mode=f), changes)
    return found


def video() -> list[Contestant]:
    """SlowFast with the pool of its configurations, PyTorchVideo without one, as it builds it."""
    return [
        *_pair("slowfast", "slowfast", lambda: peers.slowfast(CHANNELS, INNER, [1, 2, 2])),
        *_pair("pytorchvideo", "pytorchvideo", lambda: peers.pytorchvideo(CHANNELS, INNER)),
    ]


def timm() -> list[Contestant]:
    return _pair("timm", "timm", lambda: peers.timm(CHANNELS))


def monai() -> list[Contestant]:
    ours, function = "attend in monai's block", "attend between MONAI's norm and linear layers"
    plain, flash = (lambda f=f: peers.monai(CHANNELS, use_flash_attention=f) for f in (False, True))
    return [
        Contestant(ours, "ours", function, lambda: AttendLikeMonai(CHANNELS)),
        _peer("monai", function, plain, ours, monai_weights),
        _peer("monai flash", function, flash, ours, monai_weights),
    ]


def _block(**switches) -> Callable[[], nn.Module]:
    return lambda: NonLocalBlock(CHANNELS, **switches)


def _ours(name: str, alone: bool = False, **switches) -> Contestant:
    arguments = ", ".join([str(CHANNELS), *(f"{k}={v!r}" for k, v in switches.items())])
    make = _block(**switches)
    dims = switches.get("dims", 2)
    return Contestant(name, "ours", f"NonLocalBlock({arguments})", make, dims=dims, alone=alone)


def _peer(name, function, make, like, weights, dims=2) -> Contestant:
    return Contestant(name, "peer", function, make, like, weights, dims)


def _pair(layout: str, name: str, make, changes: Mapping | None = None) -> list[Contestant]:
    """A peer, after our block with the switches that make it the same function."""
    switches = LAYOUTS[layout].switches(CHANNELS) | (changes or {})
    ours = _ours(f"NonLocalBlock as {name}", **switches)

    def weights(theirs: Weights) -> Weights:
        return from_peer(theirs, layout)

    return [ours, _peer(name, ours.function, make, ours.name, weights, ours.dims)]


class AttendLikeMonai(nn.Module):
    """`attend` where MONAI's block has two products: (B, C, H, W) -> (B, C, H, W).

    Its GroupNorm stands before the attention, which no switch of `NonLocalBlock` does.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(32, channels, eps=1e-6)
        self.to_q, self.to_k, self.to_v, self.out_proj = (
            nn.Linear(channels, channels) for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        rows = self.norm(x).flatten(2).transpose(1, 2)  # (B, N, C)
        theta = self.to_q(rows) * rows.shape[-1] ** -0.5
        y = self.out_proj(attend(theta, self.to_k(rows), self.to_v(rows)))  # (B, N, C)
        return x + y.transpose(1, 2).unflatten(2, x.shape[2:])


def monai_weights(theirs: Weights) -> Weights:
    return {key.removeprefix("attn."): tensor for key, tensor in theirs.items()}


def torchgan_weights(theirs: Weights) -> Weights:
    return {k if k == "gamma" else k.replace(".", "_conv."): v for k, v in theirs.items()}


def fastai_weights(theirs: Weights) -> Weights:
    """Its names of query and key are the other way round, its layers have no bias."""
    names = {"query_conv": "key.0", "key_conv": "query.0", "value_conv": "value.0"}
    found = {"gamma": theirs["gamma"]}
    for ours, name in names.items():
        weight = theirs[f"{name}.weight"]  # (out, C, 1)
        found[f"{ours}.weight"] = weight.unsqueeze(-1)
        found[f"{ours}.bias"] = weight.new_zeros(len(weight))
    return found
