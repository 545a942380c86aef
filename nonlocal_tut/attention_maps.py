"""The rows of attention of every block in a model: what each position takes from which keys.

The blocks' forward stays as it is, fused or not: a hook hands their input to `rows_of`, which
computes queries and keys once more, and of the attention matrix only the rows that are asked for.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nonlocal_tut.arguments import instance, said, tensor, whole
from nonlocal_tut.blocks import NonLocalBlock, SelfAttention2d, _pool, _rows
from nonlocal_tut.pairwise import SOFTMAX, split_concatenation

Block = NonLocalBlock | SelfAttention2d
Position = tuple[int, ...] | int

SLICE = 2**17  # entries of the input whose keys are computed at a time: 512 KiB in float32


@dataclass(frozen=True)
class AttentionMap:
    """Rows of one block's attention matrix, with the shapes of the feature maps that they join.

    - `weights`: (B, N, M), or (B, P, M) where P positions were asked for. Row i is what query i
      takes from each of the M keys. It sums to one for the two softmax forms alone.
    - `queries`: ([T,] [H,] W) of the feature map whose N positions ask. `keys`: the same of the map
      of the M keys, smaller where the block pools them.
    - `positions`: of the rows, in order; None for all N.
    """

    weights: Tensor
    queries: tuple[int, ...]
    keys: tuple[int, ...]
    positions: tuple[tuple[int, ...], ...] | None = None

    def row(self, b: int, *position: int) -> Tensor:
        """What the position of image b takes from each key, in the keys' shape ([T,] [H,] W).

        Raises ValueError for an image or a position that is not there, and for one whose row was
        not asked for.
        """
        images, b = len(self.weights), whole("b", b)
        if not 0 <= b < images:
            raise ValueError(f"b must be 0 … {images - 1}, not {b}: there are {images} images")
        (position,) = checked([position], self.queries, "position")
        if self.positions is None:
            i = flat_index(position, self.queries)
        elif position in self.positions:
            i = self.positions.index(position)
        else:
            raise ValueError(f"position {position} was not asked for, only {self.positions}")
        return self.weights[b, i].view(self.keys)


def attention_maps(
    model: nn.Module, x: Tensor, positions: Sequence[Position] | None = None
) -> dict[str, AttentionMap]:
    """The attention of every `NonLocalBlock` and `SelfAttention2d` in a model that runs on x.

    x: what the model takes. positions: which rows to compute, each as ([t,] [h,] w) on the feature
    map of every block; None: all N, which is the N×N matrix. -> {name of the block: AttentionMap},
    in the order in which they ran.

    The model runs once, in the mode that it is in, without gradients. Its statistics and the random
    state stay as they are. A block that runs more than once gives its last map.
    Raises ValueError for a model without blocks, or of which none runs, and a position outside a
    block's map. See chapter 6, "Where does it go, and what does it attend to?".
    """
    instance("model", model, nn.Module, "a torch.nn.Module")
    instance("x", x, Tensor, "a tensor, what the model takes")
    blocks = {n: m for n, m in model.named_modules() if isinstance(m, Block)}
    if not blocks:
        raise ValueError(
            "model must contain a NonLocalBlock or a SelfAttention2d; "
            f"{type(model).__name__} has neither. See nonlocal_tut.insert"
        )
    found: dict[str, AttentionMap] = {}

    def reader(name: str) -> Callable[..., None]:
        def read(block: Block, args: tuple[Any, ...], kwargs: dict[str, Any], _: Any) -> None:
            found.pop(name, None)
            found[name] = rows_of(block, args[0] if args else kwargs["x"], positions, name)

        return read

    handles = [m.register_forward_hook(reader(n), with_kwargs=True) for n, m in blocks.items()]
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    try:
        with (
            torch.no_grad(),
            torch.random.fork_rng(devices=[x.device] if x.is_cuda else []),
            torch.compiler.set_stance("force_eager"),  # compiled code would not see the hooks
        ):
            torch.func.functional_call(model, buffers, (x,))
    finally:
        for handle in handles:
            handle.remove()
    if not found:
        raise ValueError(f"model has the blocks {list(blocks)}, but ran none of them")
    return found


def rows_of(
    block: Block, x: Tensor, positions: Sequence[Position] | None, name: str
) -> AttentionMap:
    """The rows at some positions of what a block's input x (B, C, …) attends to."""
    queries = tuple(x.shape[2:])
    subsample = getattr(block, "subsample", None)
    keys = tuple(s // 2 if subsample and i < 2 else s for i, s in enumerate(queries[::-1]))[::-1]
    if positions is None:
        asking = x  # (B, C, …)
    else:
        positions = checked(positions, queries, f"positions, at {name!r}:")
        places = [flat_index(position, queries) for position in positions]
        asking = x.flatten(2)[:, :, places]  # (B, C, P)
        asking = asking.view(*asking.shape, *[1] * (x.ndim - 3))  # (B, C, P, 1 …)
    theta = _theta(block, asking)  # (B, P, C')
    scores = [_scores(block, theta, _phi(block, some)) for some in _slices(x, subsample)]
    weights = _normalized(torch.cat(scores, dim=2), block)  # (B, P, M)
    return AttentionMap(weights, queries, keys, positions)


def distance_between_rows(weights: Tensor) -> Tensor:
    """How far apart two rows are, on average over all pairs of rows: (…, N, M) -> (…).

    The distance is total variation, half the sum over keys of |a_ij - a_kj|, divided by the rows'
    mean sum of |a_ij|, which is one for a softmax. 0: all rows are equal. 1: no two rows share a
    key, as in the identity. Rows drawn uniformly from all that sum to one are about 1/2 apart.
    Raises ValueError for fewer than two rows.
    """
    tensor("weights", weights, "(…, N, M)")
    n = weights.shape[-2] if weights.ndim > 1 else 0
    if not weights.is_floating_point():
        raise ValueError(f"weights must be floating point, not {weights.dtype}")
    if n < 2:
        raise ValueError(f"weights must have two rows or more, not {tuple(weights.shape)}")
    # Over all pairs, Σ |a_i - a_k| is Σ (2r - n + 1) a_r, with the a sorted and r from 0 to n - 1.
    rank = torch.arange(1 - n, n, 2, dtype=weights.dtype, device=weights.device)  # (N,)
    total = (rank @ weights.sort(dim=-2).values).sum(dim=-1)
    pairs = n * (n - 1) / 2
    return total / pairs / 2 / weights.abs().sum(dim=-1).mean(dim=-1)


def checked(
    positions: Sequence[Position], shape: tuple[int, ...], whose: str
) -> tuple[tuple[int, ...], ...]:
    """Positions as tuples. Raises ValueError for one that is not on a feature map of that shape."""
    try:
        found = tuple(tuple(map(index, p if isinstance(p, Sequence) else (p,))) for p in positions)
    except TypeError as error:
        raise TypeError(f"{whose} must be tuples of integers, not {said(positions)}") from error
    for p in found:
        if len(p) != len(shape) or not all(0 <= i < side for i, side in zip(p, shape, strict=True)):
            raise ValueError(f"{whose} {p} is outside a feature map of {shape}")
    return found


def flat_index(position: tuple[int, ...], shape: tuple[int, ...]) -> int:
    """Its place among the N positions, row by row."""
    return sum(i * math.prod(shape[axis + 1 :]) for axis, i in enumerate(position))


def _slices(x: Tensor, subsample: str | None) -> tuple[Tensor, ...]:
    """x along its first side, some at a time; of a side that is pooled, two at a time at least."""
    pooled = bool(subsample) and x.ndim < 5
    size = max(1, SLICE // (x.numel() // x.shape[2]))
    if pooled:
        x, size = x[:, :, : x.shape[2] // 2 * 2], 2 * ((size + 1) // 2)
    return torch.split(x, size, dim=2)


def _theta(block: Block, x: Tensor) -> Tensor:
    """The queries, (B, C, …) -> (B, N, C'), as `NonLocalBlock` and `SelfAttention2d` have them."""
    if isinstance(block, SelfAttention2d):
        return _rows(block.query_conv(x))
    theta = _rows(x if block.pairwise == "gaussian" else block.theta(x))
    return theta if block.scale is None else theta * block.scale


def _phi(block: Block, x: Tensor) -> Tensor:
    """The keys: (B, C, …) -> (B, M, C')."""
    if isinstance(block, SelfAttention2d):
        return _rows(block.key_conv(x))
    source = _pool(x) if block.subsample == "before" else x
    phi = source if block.pairwise == "gaussian" else block.phi(source)
    return _rows(_pool(phi) if block.subsample == "after" else phi)


def _scores(block: Block, theta: Tensor, phi: Tensor) -> Tensor:
    """f before its normalization: (B, P, C'), (B, m, C') -> (B, P, m), in float32 at least."""
    if theta.dtype in (torch.float16, torch.bfloat16):
        theta, phi = theta.float(), phi.float()
    if isinstance(block, NonLocalBlock) and block.pairwise == "concatenation":
        w_f: Tensor = block.w_f()  # (2C',)
        a, b = split_concatenation(theta, phi, w_f.to(theta.dtype))  # (B, P, 1), (B, m, 1)
        return F.relu(a + b.mT)
    return theta @ phi.mT


def _normalized(scores: Tensor, block: Block) -> Tensor:
    if getattr(block, "pairwise", SOFTMAX[0]) in SOFTMAX:
        return scores.softmax(dim=-1)
    return scores / scores.shape[-1]
