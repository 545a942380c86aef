"""Operations that people's modules use, on x (2, 8, 9, 7): each is predicted, or named."""

import torch
from torch.nn import functional as F


def other(x):
    return x.flip(0).detach()


def places(x, *shape):
    """Indices, all 0."""
    return torch.zeros(shape, dtype=torch.long, device=x.device)


LOSSES = {
    "mse_loss": lambda x: F.mse_loss(x, other(x)),
    "mse_loss, each": lambda x: F.mse_loss(x, other(x), reduction="none"),
    "l1_loss": lambda x: F.l1_loss(x, other(x)),
    "smooth_l1_loss": lambda x: F.smooth_l1_loss(x, other(x)),
    "huber_loss": lambda x: F.huber_loss(x, other(x)),
    "binary_cross_entropy": lambda x: F.binary_cross_entropy(x.sigmoid(), other(x).sigmoid()),
    "… with_logits": lambda x: F.binary_cross_entropy_with_logits(x, other(x).sigmoid()),
    "cross_entropy": lambda x: F.cross_entropy(x, places(x, 2, 9, 7)),
    "cross_entropy of one": lambda x: F.cross_entropy(x.flatten(1), places(x, 2)),
    "cross_entropy of weights": lambda x: F.cross_entropy(x, other(x).softmax(1)),
    "kl_div": lambda x: F.kl_div(x.log_softmax(1), other(x).softmax(1), reduction="batchmean"),
    "soft_margin_loss": lambda x: F.soft_margin_loss(x, other(x).sign()),
    "hinge_embedding_loss": lambda x: F.hinge_embedding_loss(x, other(x).sign()),
    "poisson_nll_loss": lambda x: F.poisson_nll_loss(x, other(x)),
    "triplet_margin_loss": lambda x: F.triplet_margin_loss(x, other(x), 2 * other(x)),
}
POINTWISE = (
    {
        name: getattr(F, name)
        for name in """celu elu gelu hardshrink hardsigmoid hardswish hardtanh leaky_relu logsigmoid
    relu relu6 selu silu softplus softsign tanhshrink""".split()
    }
    | {"glu": lambda x: F.glu(x, 1)}
    | {
        name: getattr(torch.Tensor, name)
        for name in "exp expm1 erf floor neg round sigmoid sign sin tanh".split()
    }
)
REDUCED = {
    "sum": lambda x: x.sum(),
    "sum over images": lambda x: x.sum(0),
    "sum over two": lambda x: x.sum((0, 2)),
    "sum over channels": lambda x: x.sum(1),
    "sum over positions": lambda x: x.sum((2, 3)),
    "sum of booleans": lambda x: (x > 0).sum(1) * x[:, 0],
    "mean": lambda x: x.mean(1),
    "var": lambda x: x.var((2, 3)),
    "norm": lambda x: x.norm(dim=1),
    "normalize": F.normalize,
    "max": lambda x: x.max(1)[0],
    "amax": lambda x: x.amax(1),
    "argmax": lambda x: x.argmax(1) * x[:, 0],
    "median": lambda x: x.median(1)[0],
    "prod": lambda x: x.prod(1),
    "cumsum": lambda x: x.cumsum(1),
    "cumprod": lambda x: x.cumprod(1),
    "cummax": lambda x: x.cummax(1)[0],
    "logsumexp": lambda x: x.logsumexp(1),
    "softmax": lambda x: x.softmax(1),
    "log_softmax": lambda x: x.log_softmax(1),
    "sort": lambda x: x.sort(1)[0],
    "topk": lambda x: x.topk(2, 1)[0],
    "count_nonzero": lambda x: x.count_nonzero(1) * x[:, 0],
}
MIXED = {
    "with indices": lambda x: x * torch.arange(7, device=x.device),
    "with float64": lambda x: x + x.double(),
    "with booleans": lambda x: (x > 0) * x,
    "where": lambda x: torch.where(x > 0, x, 0.0),
    "masked_fill": lambda x: x.masked_fill(x > 0, 0.0),
    "in place": lambda x: x.mul(2).add_(1).div_(3),
    "lerp": lambda x: torch.lerp(x, other(x), 0.5),
}
BY_INDEX = {
    "gather": lambda x: x.gather(1, places(x, 2, 1, 9, 7)),
    "index_select": lambda x: x.index_select(1, places(x, 3)),
    "index": lambda x: x[:, places(x, 3)],
    "scatter_add": lambda x: torch.zeros_like(x).scatter_add(1, places(x, 2, 8, 9, 7), x),
    "embedding": lambda x: F.embedding(places(x, 9), x[0, 0]),
    "embedding_bag": lambda x: F.embedding_bag(places(x, 3, 3), x[0, 0]),
    "repeat": lambda x: x.repeat(1, 2, 1, 1),
    "repeat_interleave": lambda x: x.repeat_interleave(2, 1),
    "roll": lambda x: x.roll(1, 2),
    "split and cat": lambda x: torch.cat(x.split(3, 1)[::-1], 1),
    "unbind": lambda x: sum(x.unbind(1)),
    "stack": lambda x: torch.stack([x, x]),
}
LAYERS = {
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
    "instance_norm": F.instance_norm,
    "group_norm": lambda x: F.group_norm(x, 2),
    "layer_norm": lambda x: F.layer_norm(x, (7,)),
    "prelu": lambda x: F.prelu(x, x[0, :, 0, 0]),
    "dropout": F.dropout,
    "avg_pool2d": lambda x: F.avg_pool2d(x, 2),
    "adaptive_max_pool2d": lambda x: F.adaptive_max_pool2d(x, 3),
    "lp_pool2d": lambda x: F.lp_pool2d(x, 2, 2),
    "pixel_shuffle": lambda x: F.pixel_shuffle(x, 2),
    "pixel_unshuffle": lambda x: F.pixel_unshuffle(x[..., :6, :6], 2),
    "pad by reflection": lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"),
    "pad around": lambda x: F.pad(x, (1, 1, 1, 1), mode="circular"),
    "interpolate by area": lambda x: F.interpolate(x, size=(3, 3), mode="area"),
    "affine_grid": lambda x: F.affine_grid(x[:, 0, :2, :3], (2, 8, 9, 7), align_corners=False),
    "cosine_similarity": lambda x: F.cosine_similarity(x, other(x)),
    "einsum": lambda x: torch.einsum("bchw,bdhw->bcd", x, x),
    "baddbmm": lambda x: torch.baddbmm(x[0, :, :, :1], x[0], x[0].mT),
}
FLOAT32_ALONE = {
    "rfft2": lambda x: torch.fft.rfft2(x).abs(),
    "inv": lambda x: torch.linalg.inv(x[..., :7, :]),
    "svdvals": torch.linalg.svdvals,
    "cdist": lambda x: torch.cdist(x, x),
    "bilinear": lambda x: F.bilinear(x[0, 0], x[0, 1], torch.ones(5, 7, 7, device=x.device)),
    "antialiased": lambda x: F.interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True),
}
EVERYDAY = LOSSES | POINTWISE | REDUCED | MIXED | BY_INDEX | LAYERS
