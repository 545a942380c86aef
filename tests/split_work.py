"""What the workers of test_parallel.py do: in a file of its own, since they have to import it."""

import copy
import itertools
import os
import signal
import time
from pathlib import Path

import torch
import torch.distributed as dist
from every import some
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from nonlocal_tut import NonLocalBlock, SelfAttention2d, memory
from nonlocal_tut.pairwise import ATTENTION, PAIRWISE
from nonlocal_tut.parallel import SplitPositions

SHAPES = {1: (2, 6, 11), 2: (2, 6, 7, 5), 3: (1, 6, 5, 4, 3)}  # 11, 7 and 5 are uneven
POOLED = {1: (2, 6, 14), 2: (2, 6, 14, 5), 3: (1, 6, 5, 4, 6)}  # cut by `cut_even`
PART = (1, 16, 8, 24)  # of a worker whose bytes are measured
MEASURED = [{"attention": "matmul"}, {"attention": "chunked"}]
MEASURED += [{"attention": "matmul", "pairwise": "dot_product"}]
PARTS = {1: [14], 2: [6, 8], 4: [4, 2, 6, 2]}


def blocks():
    """(name, block, shape of x, sizes of the parts or None for as even as possible)."""
    for pairwise, attention in itertools.product(PAIRWISE, ATTENTION):
        for dims, shape in SHAPES.items():
            how = {"pairwise": pairwise, "attention": attention, "dims": dims}
            yield f"{how}", NonLocalBlock(6, 4, norm=False, **how), shape, None
        for subsample in ("after", "before"):
            how = {"pairwise": pairwise, "attention": attention, "subsample": subsample}
            parts = PARTS[dist.get_world_size()]
            yield f"{how}", NonLocalBlock(6, 4, norm=False, **how), POOLED[2], parts
    for subsample in ("after", "before"):
        how = {"subsample": subsample, "scale": "sqrt"}
        yield f"1-D {how}", NonLocalBlock(6, norm=False, dims=1, **how), POOLED[1], parts
        yield f"3-D {how}", NonLocalBlock(6, norm=False, dims=3, **how), POOLED[3], None
    for attention in ATTENTION:
        block = SelfAttention2d(6, reduction=3, attention=attention)
        yield f"article {attention}", block, SHAPES[2], None
    yield "batch norm, evaluated", NonLocalBlock(6).eval(), SHAPES[2], None


def exact(device):
    """{name: how far outputs, gradients of x and of all parameters are from one process's}."""
    luck, apart = torch.Generator().manual_seed(3), {}
    four = dist.get_world_size() == 4  # more workers than cores
    for name, block, shape, sizes in some(blocks(), 3) if four else blocks():
        block = randomized(block, luck).to(device)
        x = torch.randn(shape, generator=luck, dtype=torch.float64).to(device)
        direction = torch.randn(shape, generator=luck, dtype=torch.float64).to(device)
        whole = step(block, x, direction)
        x, direction = mine(x, sizes), mine(direction, sizes)
        y, of_x, *shares = step(SplitPositions(block), x, direction)
        for share in shares:
            dist.all_reduce(share)
        wanted = [mine(whole[0], sizes), mine(whole[1], sizes), *whole[2:]]
        got = [y, of_x, *shares]
        assert len(got) == len(wanted) == 2 + len(list(block.parameters()))
        apart[name] = max(distance(a, b) for a, b in zip(got, wanted, strict=True))
    return apart


def distance(got, wanted):
    """Relative where numbers are large; softmax leaves phi's bias a gradient of 0 and rounding."""
    assert got.shape == wanted.shape
    return ((got - wanted).abs().max() / wanted.abs().max().clamp(min=1)).item()


def randomized(block, luck):
    block = block.double()
    for t in [*block.parameters(), *block.buffers()]:
        if t.is_floating_point():
            t.data.copy_(0.5 * torch.randn(t.shape, generator=luck, dtype=torch.float64))
            if t.requires_grad is False:
                t.abs_()  # running statistics
    return block


def mine(t, sizes=None, dim=2):
    workers, rank = dist.get_world_size(), dist.get_rank()
    parts = t.split(sizes, dim) if sizes else t.tensor_split(workers, dim)
    return parts[rank].contiguous()


def step(block, x, direction):
    x = x.clone().requires_grad_()
    y = block(x)
    return [y.detach(), *torch.autograd.grad((y * direction).sum(), [x, *block.parameters()])]


def shared_among_pairs(device):
    """Two images, each split over two of four workers: how far from one process."""
    group, _ = dist.new_subgroups(2)
    luck = torch.Generator().manual_seed(4)
    block = randomized(NonLocalBlock(6, norm=False), luck).to(device)
    images, direction = torch.randn(2, 2, 6, 7, 5, generator=luck, dtype=torch.float64).to(device)
    whole = step(block, images, direction)
    pair, place = divmod(dist.get_rank(), 2)

    def part(t):
        return t[pair : pair + 1].tensor_split(2, 2)[place].contiguous()

    y, of_x, *shares = step(SplitPositions(block, group), part(images), part(direction))
    for share in shares:
        dist.all_reduce(share)
    wanted = [part(whole[0]), part(whole[1]), *whole[2:]]
    return max(distance(a, b) for a, b in zip([y, of_x, *shares], wanted, strict=True))


SHARDS = hasattr(torch.cpu.Stream, "record_event")  # in torch 2.6 FSDP2 wants a GPU


def wrapped(device):
    """{name: how far the gradients of a wrapped model are from those of one process}."""
    luck, apart = torch.Generator().manual_seed(5), {}
    images = torch.randn(4, 3, 6, 5, generator=luck, dtype=torch.float64).to(device)
    some = mine(images, dim=0)
    for pairwise in PAIRWISE:
        model = randomized(net(NonLocalBlock(8, norm=False, pairwise=pairwise)), luck).to(device)
        apart[f"DDP, {pairwise}"] = wrapping(DistributedDataParallel, model, images, some)
        if SHARDS:
            apart[f"FSDP2, {pairwise}"] = wrapping(sharded, model, images, some)
            apart[f"FSDP2 of layers, {pairwise}"] = wrapping(sharded_layers, model, images, some)
    model = randomized(net(SelfAttention2d(8)), luck).to(device)
    apart["DDP, the article's"] = wrapping(DistributedDataParallel, model, images, some)
    if SHARDS:
        apart["FSDP2, the article's"] = wrapping(sharded, model, images, some)
    block = randomized(NonLocalBlock(8, norm=False), luck).to(device)
    x = torch.randn(2, 8, 6, 5, generator=luck, dtype=torch.float64).to(device)
    for name, wrap in (("DDP", DistributedDataParallel), ("FSDP2", sharded))[: 1 + SHARDS]:
        split = SplitPositions(copy.deepcopy(block))
        apart[f"{name} of split positions"] = wrapping(wrap, block, x, mine(x), split)
    return apart


def net(block):
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), block, nn.Conv2d(8, 2, 1))


def sharded(model):
    """FSDP2 as its users apply it: the block, then what is left."""
    return _sharded(model, lambda _, layer: isinstance(layer, (NonLocalBlock, SelfAttention2d)))


def sharded_layers(model):
    """FSDP2 of each layer alone, w_f included, which no convolution computes."""
    return _sharded(model, lambda name, layer: isinstance(layer, nn.Conv2d) or name.endswith("w_f"))


def _sharded(model, apart):
    from torch.distributed.fsdp import fully_shard  # a second, which most workers need not

    for name, layer in model.named_modules():
        if apart(name, layer):
            fully_shard(layer)
    return fully_shard(model)


def wrapping(wrap, model, whole, part, inner=None):
    """The mean loss over all, in one process, against the wrapper's mean of means over parts."""
    model(whole).square().mean().backward()
    wanted = [p.grad for p in model.parameters()]
    wrapped = wrap(copy.deepcopy(model) if inner is None else inner)
    wrapped(part).square().mean().backward()
    got = [p.grad for p in wrapped.parameters()]
    got = [grad.full_tensor() if hasattr(grad, "full_tensor") else grad for grad in got]
    model.zero_grad()
    return max(distance(a, b) for a, b in zip(got, wanted, strict=True))


def refusals(device):
    """What each worker is told that gives SplitPositions something that it cannot take."""
    rank, told = dist.get_rank(), {}
    pooled = {"norm": False, "subsample": "after"}
    for name, block, shape in (
        ("batch norm", NonLocalBlock(4), (1, 4, 2, 3)),
        ("pool", NonLocalBlock(4, **pooled), (1, 4, 3 + rank, 4)),
        ("pool of one row", NonLocalBlock(4, **pooled), (1, 4, 2 - rank, 4)),
        ("empty", NonLocalBlock(4, norm=False), (1, 4, rank, 3)),
        ("other width", NonLocalBlock(4, norm=False), (1, 4, 2, 3 + rank)),
        ("other batch", NonLocalBlock(4, norm=False), (1 + rank, 4, 2, 3)),
    ):
        try:
            SplitPositions(block.to(device))(torch.zeros(shape, device=device))
        except ValueError as error:
            told[name] = str(error)
    return told


def synchronized(device):
    """A batch norm that knows of the others: refused by torch itself where there is no GPU."""
    block = nn.SyncBatchNorm.convert_sync_batchnorm(NonLocalBlock(4)).to(device)
    try:
        SplitPositions(block)(torch.zeros(1, 4, 2, 3, device=device))
    except ValueError as error:
        return str(error)


def measured():
    """A worker's peak in training, in bytes, of ways whose kernels take no scratch.

    The least of three: a collective lets its buffer go when its own thread gets to it.
    """
    make = {
        str(switches): lambda s=switches: SplitPositions(NonLocalBlock(16, norm=False, **s))
        for switches in MEASURED
    }

    def peak(switches):
        return memory.measure(make[str(switches)], PART, device="cpu").peak_bytes

    return [(switches, min(peak(switches) for _ in range(3))) for switches in MEASURED]


def two(device):
    return {
        "exact": exact(device),
        "wrapped": wrapped(device),
        "refused": refusals(device),
        "synchronized": synchronized(device),
        "measured": measured() if device.type == "cpu" else [],
    }


def one_or_four(device):
    pairs = shared_among_pairs(device) if dist.get_world_size() == 4 else None
    return {"exact": exact(device), "pairs": pairs}


def returns(device, x):
    print("hello from", dist.get_rank())
    x += dist.get_rank()
    return dist.get_rank(), dist.get_world_size(), x


def now(file):
    Path(file).write_text(str(time.time()), encoding="utf-8")


def raises(device, moment, rank):
    if dist.get_rank() == rank:
        now(moment)
        raise ValueError("not today")
    dist.barrier()


def dies(device, moment, rank, how):
    if dist.get_rank() == rank:
        now(moment)
        os.kill(os.getpid(), signal.SIGKILL) if how == "killed" else os._exit(how)
    dist.barrier()


def hangs(device, folder):
    """One waits in a collective, the other outside."""
    now(Path(folder) / str(dist.get_rank()))
    if dist.get_rank() == 1:
        time.sleep(3600)
    dist.barrier()


def environment(device, names):
    return [os.environ.get(name) for name in names]
