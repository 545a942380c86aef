"""Whether two blocks compute the same function: tried on random weights, before any clock runs."""

import torch
from torch import Tensor, nn

from bench.contestants import CHANNELS, Contestant

CLOSE = 1e-10  # in float64


def difference(one: Contestant, reference: Contestant) -> float:
    """The largest difference between two contestants with the same weights, in float64.

    Of their outputs, in evaluation and in training, and of the gradients of their input where
    `one` has a backward pass that runs.
    """
    generator = torch.Generator().manual_seed(0)
    theirs, ours = one.make().double(), reference.make().double()
    draw(theirs, generator)
    ours.load_state_dict(one.weights(theirs.state_dict()), strict=True)
    x = torch.randn((2, CHANNELS, 6, 8), generator=generator, dtype=torch.float64)
    weight = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    found = []
    for training in (False, True):
        expected, theirs_x = _run(theirs.train(training), framed(x, one.dims))
        out, ours_x = _run(ours.train(training), framed(x, reference.dims))
        found.append(_largest(out, expected))
        try:
            expected.backward(weight.view_as(expected))
        except RuntimeError:  # its row of a training run says so
            continue
        out.backward(weight.view_as(out))
        found.append(_largest(ours_x.grad, theirs_x.grad))
    return torch.stack(found).max().item()  # a nan stays a nan


def draw(module: nn.Module, generator: torch.Generator) -> None:
    """Random weights and statistics, so that no zero hides what a block computes."""
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(0.15 * torch.randn(tensor.shape, generator=generator))
            if name.endswith("running_var"):
                tensor.abs_().add_(0.5)


def framed(x: Tensor, dims: int) -> Tensor:
    """A video of one frame where a block wants one: (B, C, H, W) -> (B, C, [1,] H, W)."""
    return x.unsqueeze(2) if dims == 3 else x


def _run(module: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    return module(x), x


def _largest(a: Tensor, b: Tensor) -> Tensor:
    return (a.detach().flatten() - b.detach().flatten()).abs().max()
