"""The paper's non-local block and the article's self-attention block, as modules.

`NonLocalBlock` follows Wang et al., "Non-local Neural Networks" (CVPR 2018, arXiv:1711.07971),
section 3; its switches also reach the authors' code, which differs from the text.
`SelfAttention2d` is the SAGAN block (Zhang et al., arXiv:1805.08318) as the article shows it.
Changed from both: the N×N matrix is built on request, or where it is small and costs least. The
mathematics is in `pairwise`.
"""

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any, Literal, overload

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nonlocal_tut.arguments import for_weights, instance, is_number, one_of, said, whole
from nonlocal_tut.layers import PairWeights1d, PairWeights2d, PairWeights3d, redraw, refuse_nan
from nonlocal_tut.pairwise import (
    ATTENTION,
    PAIRWISE,
    SOFTMAX,
    Attention,
    Pairwise,
    affinity,
    attend,
)
from nonlocal_tut.pairwise.small import by_columns, by_rows, is_small

AXES = {1: "(B, C, W)", 2: "(B, C, H, W)", 3: "(B, C, T, H, W)"}
Layer = Callable[..., nn.Module]
CONV: dict[int, Layer] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
NORM: dict[int, Layer] = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
PAIR_WEIGHTS: dict[int, Layer] = {1: PairWeights1d, 2: PairWeights2d, 3: PairWeights3d}


class NonLocalBlock(nn.Module):
    """Add to each position a weighted sum over all positions: x + norm(w_z(y)), Eq. 1 and 6.

    x: (B, C, [T,] [H,] W) -> same. See chapter 3, "Is the article's code the paper's block?".

    - `channels`: C. `inner_channels`: C', the width of theta, phi and g; half of C if None.
    - `dims`: 1 for sequences, 2 for images, 3 for video.
    - `pairwise`: f, "gaussian" (Eq. 2), "embedded_gaussian" (Eq. 3), "dot_product" (Eq. 4) or
      "concatenation" (Eq. 5). "gaussian" compares x with itself and has no theta and phi.
    - `scale`: a factor on theta (on the queries x for "gaussian"), whatever the form. None leaves
      the equations as printed; "sqrt" is inner_channels ** -0.5, as in the authors' code. It
      multiplies before the product, where float16 has room.
    - `subsample`: a 2×2 max pool of keys and values: "after" phi and g (the text) or "before" them
      (the authors' code). Queries and time are never pooled. An odd last row or column is left out.
    - `norm`: True puts a BatchNorm with weight 0 after w_z; False has none, and w_z itself is 0.
      Either way the block starts as the identity (-0.0 may turn into 0.0, which equals it).
    - `attention`: "fused", "matmul" or "chunked": same numbers, different bytes (chapter 5). All
      have second derivatives, which a gradient penalty needs; "fused" on a GPU has not.
    - `device`, `dtype`: of the parameters, as torch's layers take them.

    A state dict carries the form, `pairwise`, as metadata, where torch keeps versions: a block of
    another form refuses it, and takes `dict(state)`, which has none. Scale and subsample may
    differ, as for a scale that is folded into theta. Raises ValueError for an unknown switch or
    fewer than one inner channel.
    """

    # As declared for a type checker: absent where a switch leaves them out.
    theta: nn.Module
    phi: nn.Module
    w_f: nn.Module
    g: nn.Module
    w_z: nn.Module
    norm: nn.Module | None

    def __init__(
        self,
        channels: int,
        inner_channels: int | None = None,
        *,
        dims: Literal[1, 2, 3] = 2,
        pairwise: Pairwise = "embedded_gaussian",
        scale: float | Literal["sqrt"] | None = None,
        subsample: Literal["after", "before"] | None = None,
        norm: bool = True,
        attention: Attention = "fused",
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        channels = whole("channels", channels, 1)
        one_of("dims", dims, (1, 2, 3))
        one_of("pairwise", pairwise, PAIRWISE)
        one_of("subsample", subsample, (None, "after", "before"))
        one_of("norm", norm, (True, False))
        one_of("attention", attention, ATTENTION)
        for_weights(device, dtype)
        if not is_number(scale) and not (scale is None or (type(scale) is str and scale == "sqrt")):
            raise ValueError(f"scale must be None, 'sqrt' or a number, not {said(scale)}")
        inner_channels = channels // 2 if inner_channels is None else inner_channels
        inner_channels = whole("inner_channels", inner_channels)
        if inner_channels < 1:
            raise ValueError(f"inner_channels must be 1 or more, not {inner_channels}; {channels=}")
        self.channels, self.inner_channels, self.dims = channels, inner_channels, dims
        self.pairwise, self.subsample, self.attention = pairwise, subsample, attention
        self.scale = inner_channels**-0.5 if scale == "sqrt" else scale
        if self.scale is not None:
            self.scale = float(self.scale)

        conv, pair_weights, batch_norm = (
            partial(layers[dims], device=device, dtype=dtype)
            for layers in (CONV, PAIR_WEIGHTS, NORM)
        )
        if pairwise != "gaussian":
            self.theta = conv(channels, inner_channels, 1)
            self.phi = conv(channels, inner_channels, 1)
        if pairwise == "concatenation":  # Eq. 5 has no bias; rows 0 … C'-1 belong to theta
            self.w_f = pair_weights(2 * inner_channels, 1, 1, bias=False)
        self.g = conv(channels, inner_channels, 1)
        self.w_z = conv(inner_channels, channels, 1)
        if norm:
            self.norm = batch_norm(channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew, as torch draws them, and make the block the identity.

        Exactly one of norm and w_z is 0. With both at 0 neither would ever receive a gradient.
        Parametrized weights (spectral norm, weight norm) are drawn through their parametrization.
        Raises ValueError for one that cannot be set.
        """
        norm = getattr(self, "norm", None)
        zero = self.w_z if getattr(norm, "weight", None) is None else norm
        for name, layer in self.named_children():
            redraw(layer, name, to_zero=layer is zero)

    def extra_repr(self) -> str:
        """The switches, as they were given, in the line that printing the block begins with."""
        switches = ("dims", "pairwise", "scale", "subsample", "attention")
        shown = [f"{name}={getattr(self, name)!r}" for name in switches]
        return ", ".join([f"{self.channels}, {self.inner_channels}", *shown])

    @overload
    def forward(self, x: Tensor, return_attention: Literal[False] = False) -> Tensor: ...
    @overload
    def forward(self, x: Tensor, return_attention: Literal[True]) -> tuple[Tensor, Tensor]: ...
    @overload
    def forward(self, x: Tensor, return_attention: bool) -> Tensor | tuple[Tensor, Tensor]: ...

    def forward(self, x: Tensor, return_attention: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """x: (B, C, [T,] [H,] W) -> (B, C, [T,] [H,] W), and the matrix (B, N, N_keys) if asked.

        N = T·H·W; row i of the matrix is what position i takes from each key. Only
        `return_attention=True` builds it, small maps aside. Raises ValueError for another number of
        dimensions or channels, numbers that are not floating point, or for a side of 1 that
        `subsample` would pool.
        """
        _check(x, self.channels, self.dims, self.subsample)
        if return_attention is not False:
            one_of("return_attention", return_attention, (True, False))
        y, attention = self._mean(x, return_attention)  # (B, C', …)
        z = self.w_z(y)  # (B, C, …)
        refuse_nan(self.w_z)
        norm = getattr(self, "norm", None)
        out = x + (z if norm is None else norm(z))
        return out if attention is None else (out, attention)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        metadata = getattr(destination, "_metadata", {}).get(prefix[:-1], {})
        metadata["pairwise"] = self.pairwise

    def _load_from_state_dict(
        self, state: Any, prefix: str, metadata: Any, strict: bool, *found: list[str]
    ) -> None:
        super()._load_from_state_dict(state, prefix, metadata, strict, *found)
        if (saved := metadata.get("pairwise", self.pairwise)) != self.pairwise:
            found[-1].append(
                f"{prefix}pairwise is {self.pairwise!r}, but the state dict was saved with "
                f"pairwise={saved!r}, and computes something else here; dict(state) has the "
                "weights without their form"
            )

    def _mean(self, x: Tensor, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        """Eq. 1. Apart from Eq. 6, so that theta, phi and g are let go before w_z runs."""
        source = _pool(x) if self.subsample == "before" else x
        pool = _pool if self.subsample == "after" else _same
        fused = self.attention == "fused" and self.pairwise in SOFTMAX
        padded = self.pairwise == "gaussian"  # C wide, and its values C'
        small = fused and not return_attention and _is_small(self, x, padded, self.subsample)
        flat = _columns if small else _rows
        copied = _copied_rows if fused and not small else flat
        if self.pairwise == "gaussian":
            theta, phi = flat(x), flat(pool(source))  # (B, N, C), (B, M, C)
        else:
            theta = copied(self.theta(x))  # (B, N, C')
            phi = copied(pool(self.phi(source)))  # (B, M, C')
        g = copied(pool(self.g(source)))  # (B, M, C')
        if self.scale is not None:
            theta = theta * self.scale
        if small:  # (B, C', N) and (B, C', M) so far
            return _maps(by_rows(theta, phi, g), x), None
        w_f = self.w_f() if self.pairwise == "concatenation" else None  # (2C',)
        if return_attention:
            attention = affinity(theta, phi, w_f, pairwise=self.pairwise)  # (B, N, M)
            return _maps((attention @ g).mT, x), attention
        y = self.attend(theta, phi, g, w_f, pairwise=self.pairwise, attention=self.attention)
        return _maps(y.mT, x), None

    attend = staticmethod(attend)  # where keys lie on other devices, `parallel` puts another here


class SelfAttention2d(nn.Module):
    """Add to each position a mean over all positions: x + gamma · mean, with gamma 0 at first.

    x: (B, C, H, W) -> (B, C, H, W). The article's block (SAGAN's), under the article's names, with
    the article's numbers. See chapter 2, "What does each bmm multiply?".

    - `channels`: C. `reduction`: queries and keys are C // reduction wide; values are C wide.
    - `attention`: "fused", "matmul" (the article's two products) or "chunked": see
      `NonLocalBlock`.

    - `device`, `dtype`: of the parameters, as torch's layers take them.

    Raises ValueError for an unknown `attention` or fewer than `reduction` channels.
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 8,
        *,
        attention: Attention = "fused",
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        channels, reduction = whole("channels", channels), whole("reduction", reduction)
        one_of("attention", attention, ATTENTION)
        for_weights(device, dtype)
        if not 1 <= reduction <= channels:
            raise ValueError(f"reduction must be 1 … channels, not {reduction=} with {channels=}")
        self.channels, self.reduction, self.attention = channels, reduction, attention
        conv: Layer = partial(nn.Conv2d, device=device, dtype=dtype)
        self.query_conv = conv(channels, channels // reduction, 1)
        self.key_conv = conv(channels, channels // reduction, 1)
        self.value_conv = conv(channels, channels, 1)
        self.gamma = nn.Parameter(torch.empty(1, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the convolutions anew, as torch draws them, and set gamma to 0: the identity.

        See `NonLocalBlock.reset_parameters` for parametrized weights.
        """
        for name, layer in self.named_children():
            redraw(layer, name)
        nn.init.zeros_(self.gamma)

    def extra_repr(self) -> str:
        """The switches, and the parameter that no layer shows."""
        return f"{self.channels}, reduction={self.reduction}, attention={self.attention!r}; gamma"

    @overload
    def forward(self, x: Tensor, return_attention: Literal[False] = False) -> Tensor: ...
    @overload
    def forward(self, x: Tensor, return_attention: Literal[True]) -> tuple[Tensor, Tensor]: ...
    @overload
    def forward(self, x: Tensor, return_attention: bool) -> Tensor | tuple[Tensor, Tensor]: ...

    def forward(self, x: Tensor, return_attention: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """x: (B, C, H, W) -> (B, C, H, W), and the matrix (B, N, N) if asked, with N = H·W.

        Row i of the matrix is what position i takes from each; it sums to one. Only this builds it,
        small maps aside.
        Raises ValueError for another number of dimensions or channels.
        """
        _check(x, self.channels, dims=2)
        if return_attention is not False:
            one_of("return_attention", return_attention, (True, False))
        out, attention = self._mean(x, return_attention)  # (B, C, H, W)
        y = x + self.gamma * out
        return y if attention is None else (y, attention)

    def _mean(self, x: Tensor, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        fused = self.attention == "fused"
        small = fused and not return_attention and _is_small(self, x, self.reduction > 1)
        flat = _columns if small else _copied_rows if fused else _rows
        query = flat(self.query_conv(x))  # (B, N, C // reduction)
        key = flat(self.key_conv(x))  # (B, N, C // reduction)
        value = flat(self.value_conv(x))  # (B, N, C)
        if small:  # (B, C // reduction, N) and (B, C, N) so far
            return by_columns(query, key, value).view_as(x), None
        if return_attention:
            attention = affinity(query, key)  # (B, N, N)
            return _maps((attention @ value).mT, x), attention
        return _maps(self.attend(query, key, value, attention=self.attention).mT, x), None

    attend = staticmethod(attend)  # as in NonLocalBlock


def _is_small(
    block: NonLocalBlock | SelfAttention2d, x: Tensor, padded: bool, subsample: str | None = None
) -> bool:
    """Whether x (B, C, …) is a small map for this block, see `pairwise.small`; none is split."""
    sides = x.shape[2:]
    queries = keys = prod(sides)  # not .numel(), which an export could not keep open
    if subsample:
        keys = prod((*sides[:-2], *(side // 2 for side in sides[-2:])))
    return block.attend is attend and is_small(x, queries, keys, padded=padded)


def _columns(x: Tensor) -> Tensor:
    """One column a position: (B, C, …) -> (B, C, N)."""
    return x.flatten(2)


def _rows(x: Tensor) -> Tensor:
    """One row a position: (B, C, …) -> (B, N, C)."""
    return x.flatten(2).mT


def _copied_rows(x: Tensor) -> Tensor:
    """Row after row, as a fused softmax reads them: (B, C, …) -> (B, N, C).

    Made here and not there, so that a convolution's output goes before the next one is computed.
    """
    return _rows(x).contiguous()


def _maps(columns: Tensor, like: Tensor) -> Tensor:
    """Columns back to the positions of `like`: (B, C, N) -> (B, C, …)."""
    maps: Tensor = columns.unflatten(2, like.shape[2:])
    return maps


def _pool(x: Tensor) -> Tensor:
    """2×2 max pool, of space alone: (B, C, [T,] [H,] W) -> (B, C, [T,] [H // 2,] W // 2)."""
    pool = {3: F.max_pool1d, 4: F.max_pool2d, 5: F.max_pool3d}[x.ndim]
    return pool(x, (1, 2, 2) if x.ndim == 5 else 2)


def _same(x: Tensor) -> Tensor:
    return x


def _check(x: Tensor, channels: int, dims: int, subsample: str | None = None) -> None:
    instance("x", x, Tensor, "a tensor")
    shape, least = tuple(x.shape), 2 if subsample else 1
    if x.ndim != dims + 2:
        raise ValueError(f"x must be {AXES[dims]} for dims={dims}, not {shape}")
    if x.shape[1] != channels:
        raise ValueError(f"x must have {channels} channels, not {x.shape[1]}: {shape}")
    if not x.is_floating_point():
        raise ValueError(f"x must be floating point, not {x.dtype}")
    if min(x.shape[2:][-2:]) < least:  # time, before the last two, is not pooled
        raise ValueError(f"x must have sides of {least} or more, {subsample=}, not {shape}")
