"""A feature map whose positions lie on several workers: each keeps its queries and sees all keys.

A row of the attention matrix needs one query and all keys, so keys and values are gathered, and
nothing else is. Gathering is torch's own: a DTensor that is sharded over the workers becomes a full
one, which is an all-gather (gloo on CPUs, NCCL on GPUs). Of a gathered key every worker's queries
want something else; its gradient is their sum, and `Partial` says so. (The functions in
`torch.distributed.nn.functional` do the same, and are deprecated since torch 2.13.)
"""

from functools import partial

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed import ProcessGroup
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard
from torch.nn.modules.batchnorm import _BatchNorm

from nonlocal_tut.arguments import instance, one_of, said
from nonlocal_tut.pairwise import ATTENTION, PAIRWISE, Attention, Pairwise, attend
from nonlocal_tut.pairwise.operation import check_operands


class SplitPositions(nn.Module):
    """A block on one worker's part of a feature map, as if it held the whole.

    x: (B, C, part, …) -> same. The parts of the first axis after the channels (time, height, or the
    width of a sequence) lie on the workers in the order of their ranks. They may differ in size.

    - `block`: a `NonLocalBlock` or a `SelfAttention2d`, with the same weights on all workers. From
      now on it averages over the keys of all, too.
    - `group`: the workers among which the positions are split; None is all.

    Output and gradient of x are the whole's. A parameter's gradient is this worker's share: the
    whole's is the sum over workers (`torch.distributed.all_reduce`). All workers must call it
    together, forward and backward. Raises ValueError, on all of them, where parts do not make one
    feature map, where a 2×2 pool would need rows of two workers, and in training with a batch norm
    that knows its own part alone. See chapter 9, "How does a feature map get onto more than one
    device?".
    """

    def __init__(self, block: nn.Module, group: ProcessGroup | None = None) -> None:
        super().__init__()
        if not isinstance(block, nn.Module) or not hasattr(block, "attend"):
            raise TypeError(f"block must be one of nonlocal_tut's two, not {said(block)}")
        instance("group", group, (ProcessGroup, type(None)), "torch.distributed's, or None")
        self.block, self.group = block, group
        block.attend = partial(attend_split, group=group)  # type: ignore[assignment]

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C, part, …), this worker's, -> same."""
        instance("x", x, Tensor, "a tensor")
        if x.ndim < 3:
            raise ValueError(f"x must be (B, C, part, …), not {said(x)}")
        shapes = _shapes(x, self.group)
        _one_map(shapes)
        if getattr(self.block, "subsample", None) and x.ndim < 5:  # time is never pooled
            _whole_pools([shape[2] for shape in shapes])
        if len(shapes) > 1:
            _no_lonely_batch_norm(self.block)
        y: Tensor = self.block(x)
        return y


def attend_split(
    theta: Tensor,
    phi: Tensor,
    g: Tensor,
    w_f: Tensor | None = None,
    *,
    pairwise: Pairwise = "embedded_gaussian",
    attention: Attention = "fused",
    group: ProcessGroup | None = None,
) -> Tensor:
    """`pairwise.attend` for n of the queries: theta (B, n, d), phi (B, m, d), g (B, m, dv), all of
    this worker's positions -> (B, n, dv), averaged over the keys of all workers.

    Keys and values are gathered. The fused dot-product form adds up one (d, dv) matrix instead:
    theta · Σ phiᵀ · g / M needs no key of another worker. Raises ValueError for an unknown
    `pairwise` or `attention`. See chapter 9, "What has to travel?".
    """
    one_of("pairwise", pairwise, PAIRWISE)
    one_of("attention", attention, ATTENTION)
    instance("group", group, (ProcessGroup, type(None)), "torch.distributed's, or None")
    instance("g", g, Tensor, "a tensor (B, m, dv)")
    check_operands(theta, phi, g, w_f, pairwise)
    counts = [shape[1] for shape in _shapes(phi, group)]
    if pairwise == "dot_product" and attention == "fused":
        return theta @ _summed(phi.mT @ (g / sum(counts)), group)  # (B, n, d) · (B, d, dv)
    phi, g = _gathered(phi, counts, group), _gathered(g, counts, group)  # (B, M, d), (B, M, dv)
    return attend(theta, phi, g, w_f, pairwise=pairwise, attention=attention)


def _gathered(rows: Tensor, counts: list[int], group: ProcessGroup | None) -> Tensor:
    """The rows of all workers in the order of their ranks: (B, m, d) -> (B, M, d).

    A collective wants parts of one size, so the smaller ones travel with rows of zeros.
    """
    most = max(counts)
    rows = rows.transpose(0, 1)  # (m, B, d): the parts then lie one behind the other
    rows = F.pad(rows, (0, 0, 0, 0, 0, most - len(rows)))  # (most, B, d)
    parts = DTensor.from_local(rows.contiguous(), _mesh(rows, group), [Shard(0)])
    rows = parts.full_tensor(grad_placements=[Partial()])  # (workers · most, B, d)
    if min(counts) < most:
        rows = torch.cat([part[:m] for part, m in zip(rows.split(most), counts, strict=True)])
    return rows.transpose(0, 1)


def _summed(t: Tensor, group: ProcessGroup | None) -> Tensor:
    """The sum over workers, an all-reduce; backward, the sum of their gradients."""
    mesh = _mesh(t, group)
    total = DTensor.from_local(t, mesh, [Partial()]).full_tensor()
    return DTensor.from_local(total, mesh, [Replicate()]).to_local(grad_placements=[Partial()])


def _mesh(t: Tensor, group: ProcessGroup | None) -> DeviceMesh:
    group = group or dist.group.WORLD
    return DeviceMesh.from_group(group, t.device.type)  # type: ignore[arg-type]


def _shapes(x: Tensor, group: ProcessGroup | None) -> list[tuple[int, ...]]:
    """The shape of each worker's part."""
    own = torch.tensor(x.shape, device=x.device)
    shapes = [torch.empty_like(own) for _ in range(dist.get_world_size(group))]
    dist.all_gather(shapes, own, group=group)
    return [tuple(shape.tolist()) for shape in shapes]


def _one_map(shapes: list[tuple[int, ...]]) -> None:
    rest = {shape[:2] + shape[3:] for shape in shapes}
    if len(rest) > 1 or min(shape[2] for shape in shapes) < 1:
        raise ValueError(
            "x must be a part of one feature map: parts may differ in axis 2 alone, none may be "
            f"empty, not {', '.join(map(str, shapes))}"
        )


def _whole_pools(sizes: list[int]) -> None:
    if any(size % 2 for size in sizes[:-1]) or sizes[-1] < 2:
        raise ValueError(
            "x must be cut between the 2×2 pools of subsample: all parts but the last need an even "
            f"number of rows, the last at least 2, not {', '.join(map(str, sizes))}"
        )


def _no_lonely_batch_norm(block: nn.Module) -> None:
    for name, layer in block.named_modules():
        alone = isinstance(layer, _BatchNorm) and not isinstance(layer, nn.SyncBatchNorm)
        if alone and layer.training:
            raise ValueError(
                f"{name} would take mean and variance over this worker's part alone: on GPUs use "
                "torch.nn.SyncBatchNorm.convert_sync_batchnorm(block); elsewhere norm=False, or "
                "eval()"
            )
