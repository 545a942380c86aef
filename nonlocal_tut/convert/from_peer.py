"""Weights from other people's non-local blocks, under our names.

`layouts` says what eight code bases call their tensors; `from_peer` carries the weights over.
See the appendix on weights.
"""

from collections.abc import Mapping
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from nonlocal_tut.arguments import instance, one_of
from nonlocal_tut.blocks import SelfAttention2d
from nonlocal_tut.convert.layouts import LAYOUTS, Layout

LayoutName = Literal[
    "mmcv", "alexhex7", "tea1528", "slowfast", "pytorchvideo", "timm", "biggan", "heykeetae"
]


def from_peer(
    state_dict: Mapping[str, Tensor], layout: LayoutName, *, prefix: str | None = None
) -> dict[str, Tensor]:
    """Rename a block's weights, so that our block computes what the peer's block computes.

    A peer's state dict -> one for `LAYOUTS[layout].block`; the layouts are "mmcv", "alexhex7",
    "tea1528", "slowfast", "pytorchvideo", "timm", "biggan" and "heykeetae". In a model's state
    dict the block is found, whatever stands before its names ("module.", "layer3.5.non_local.");
    of several, say which with `prefix`. Build our block with the layout's `switches`, changed as
    the peer's block was: no weight tells the scale, the pool, dot product from embedded Gaussian,
    or the norm's eps (ours is 1e-5).

    What has no place of its own in our block is folded into its neighbors. The outputs stay equal,
    but for rounding; a folded number is no longer trained as one of its own:

    - the bias b of w_f ("tea1528"): b · w_f / |w_f|² is added to the biases of theta and phi;
    - spectral norm ("biggan"): weights are divided by σ, found from `u0` as BigGAN finds it in
      evaluation; `sv0`, which is only a record of σ, ends here;
    - gamma ("biggan"): w_z is gamma · o, so 0 before any training. Zeros widen theta and phi from
      C // 8 to C // 2;
    - a convolution without a bias gets one of zeros.

    Raises ValueError for what is not a state dict, for an unknown layout, for several blocks or
    none, which it lists, for a missing key, an unexpected one or a shape that does not fit, by its
    name, and for a bias of w_f next to a w_f of zeros. See the appendix on weights.
    """
    one_of("layout", layout, tuple(LAYOUTS))
    state_dict = _block(state_dict, layout, prefix)
    keys = _keys(state_dict, layout)
    _check_shapes(state_dict, keys, layout)
    weights = {ours: state_dict[theirs] for theirs, ours in keys.items()}
    return weights if LAYOUTS[layout].block is SelfAttention2d else _folded(weights)


def _block(
    state_dict: Mapping[str, Tensor], layout: str, prefix: str | None
) -> Mapping[str, Tensor]:
    """The block's own part of a state dict, without its prefix."""
    if not isinstance(state_dict, Mapping):
        kind = type(state_dict).__name__
        hint = "; give its state_dict()" if hasattr(state_dict, "state_dict") else ""
        raise ValueError(f"state_dict must be a mapping from names to tensors, not a {kind}{hint}")
    if prefix is not None:
        instance("prefix", prefix, str, "a text")
    found = prefixes(state_dict, layout)
    if prefix is None:
        if not found:  # _keys says what is wrong
            return state_dict
        if len(found) > 1:
            blocks = ", ".join(map(repr, found[:8])) + ", …" * (len(found) > 8)
            raise ValueError(
                f"{len(found)} blocks of layout {layout!r}; say which: prefix={blocks}"
            )
        prefix = found[0]
    elif prefix and not prefix.endswith("."):
        prefix += "."
    part = {k.removeprefix(prefix): v for k, v in state_dict.items() if k.startswith(prefix)}
    if not part:
        blocks = ", ".join(map(repr, found)) or f"no block of layout {layout!r}"
        raise ValueError(f"prefix: nothing in state_dict begins with {prefix!r}; there is {blocks}")
    return part


def prefixes(state_dict: Mapping[str, Tensor], layout: LayoutName | str) -> list[str]:
    """What stands before the names of each block of this layout in a model's state dict.

    A block counts if all keys of one of the layout's variants are there, and no other key has the
    same prefix. "" is a block's own dict. Raises ValueError for an unknown layout.
    """
    one_of("layout", layout, tuple(LAYOUTS))
    instance("state_dict", state_dict, Mapping, "a mapping from names to tensors")
    if not all(isinstance(key, str) for key in state_dict):
        raise ValueError(f"state_dict must have names as keys, not {list(state_dict)[:8]}")
    variants = [frozenset(keys) for keys in LAYOUTS[layout].variants()]
    first = {min(keys) for keys in variants}
    candidates = {
        key.removesuffix(name)
        for key in state_dict
        for name in first
        if key == name or key.endswith(f".{name}")
    }
    own = {
        prefix: frozenset(k.removeprefix(prefix) for k in state_dict if k.startswith(prefix))
        for prefix in candidates
    }
    return sorted(prefix for prefix, keys in own.items() if keys in variants)


def _keys(state_dict: Mapping[str, Tensor], layout: str) -> dict[str, str]:
    """The variant that has exactly these keys; the nearest one tells which keys are wrong."""
    variants = LAYOUTS[layout].variants()
    given = state_dict.keys()
    keys = min(variants, key=lambda keys: (len(keys.keys() ^ given), len(given - keys.keys())))
    found = {
        "missing": [repr(key) for key in keys if key not in state_dict],
        "unexpected": [f"{k!r} {_shape(v)}" for k, v in state_dict.items() if k not in keys],
    }
    if not any(found.values()):
        return keys
    wrong = [f"{k} {', '.join(v[:8])}{', …' * (len(v) > 8)}" for k, v in found.items() if v]
    if any(key.endswith(("weight_orig", "weight.original")) for key in state_dict):
        wrong.append("fold spectral norm into the weights first")
    raise ValueError(f"state_dict does not fit layout {layout!r}: {'; '.join(wrong)}")


def _shape(value: object) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else f"a {type(value).__name__}"


def _check_shapes(state_dict: Mapping[str, Tensor], keys: dict[str, str], layout: str) -> None:
    """Hold each shape against that of the last convolution, (C, C', 1, …)."""
    last = next(k for k, ours in keys.items() if ours in ("w_z.weight", "value_conv.weight"))
    peer, shape = LAYOUTS[layout], _shape(state_dict[last])
    sides = getattr(state_dict[last], "shape", ())[2:]
    if len(sides) not in peer.dims:
        allowed = " or ".join("(C, C'" + ", 1" * dims + ")" for dims in peer.dims)
        raise ValueError(f"{last!r} must be {allowed} in layout {layout!r}, not {shape}")
    channels, inner = state_dict[last].shape[:2]
    inner = channels // 2 if peer.spectral else inner  # BigGAN's only width
    for theirs, ours in keys.items():
        expected = str(_expected(ours, peer, channels, inner, len(sides)))
        if (given := _shape(state_dict[theirs])) != expected:
            raise ValueError(
                f"{theirs!r} must be {expected} in layout {layout!r}, next to {last!r} {shape}, "
                f"not {given}"
            )


def _expected(key: str, peer: Layout, channels: int, inner: int, dims: int) -> tuple[int, ...]:
    """The shape that the peer's tensor has, before anything is folded."""
    layer, _, leaf = key.rpartition(".")
    if key == "gamma":
        return (1,) if peer.block is SelfAttention2d else ()
    if leaf in ("num_batches_tracked", "sv0"):
        return (1,) if leaf == "sv0" else ()
    rows, columns = {
        "g": (inner, channels),
        "w_z": (channels, inner),
        "w_f": (1, 2 * inner),
        "norm": (channels, 0),
        "value_conv": (channels, channels),
    }.get(layer, (channels // 8 if "gamma" in peer.names else inner, channels))
    if leaf == "u0":
        return (1, rows)
    if leaf != "weight" or layer == "norm":
        return (rows,)
    return (rows, columns, *[1] * (2 if layer == "w_f" else dims))  # w_f is a Conv2d everywhere


def _folded(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Fold what has no place of its own in `NonLocalBlock`; see `from_peer`."""
    for layer in [key.removesuffix(".u0") for key in weights if key.endswith(".u0")]:
        u, _ = weights.pop(f"{layer}.u0"), weights.pop(f"{layer}.sv0")
        weights[f"{layer}.weight"] = _spectral(weights[f"{layer}.weight"], u)
    if "gamma" in weights:
        weights["w_z.weight"] = weights.pop("gamma") * weights["w_z.weight"]
        for key in ("theta.weight", "phi.weight"):
            missing = len(weights["g.weight"]) - len(weights[key])
            weights[key] = F.pad(weights[key], (0, 0) * 3 + (0, missing))  # (C', C, 1, 1)
    for layer in ("theta", "phi", "g", "w_z"):
        if (weight := weights.get(f"{layer}.weight")) is not None:
            weights.setdefault(f"{layer}.bias", weight.new_zeros(len(weight)))
    if "w_f.weight" in weights:
        w_f, dims = weights["w_f.weight"].flatten(), weights["g.weight"].ndim - 2  # (2C',)
        weights["w_f.weight"] = w_f.reshape(1, -1, *[1] * dims)
        if "w_f.bias" in weights and (b := weights.pop("w_f.bias")).any():
            if not w_f.any():
                raise ValueError(f"w_f has a bias, {b.item():g}, but is 0: nothing can take it")
            for_theta, for_phi = (b * w_f / w_f.dot(w_f)).chunk(2)
            weights["theta.bias"] = weights["theta.bias"] + for_theta
            weights["phi.bias"] = weights["phi.bias"] + for_phi
    return weights


def _spectral(weight: Tensor, u: Tensor) -> Tensor:
    """weight / σ, weight (out, in, 1, 1); σ by one step of the power method from u (1, out)."""
    matrix = weight.flatten(1)  # (out, in)
    v = F.normalize(u @ matrix)  # (1, in)
    u = F.normalize(v @ matrix.mT)  # (1, out)
    return weight / (v @ matrix.mT @ u.mT).squeeze()
