"""A copy of somebody's net that can be asked for gradients at random inputs."""

import copy
from collections.abc import Callable
from numbers import Integral

import torch
from torch import Generator, Tensor, nn

from nonlocal_tut.receptive_field.graph import WINDOWS

Net = nn.Module | Callable[[Tensor], Tensor]
Position = tuple[int, ...]  # one int an axis of a map


class Probe:
    """A net in float64 and eval mode, its input's shape (B, C, H, W) and its output map's (H', W').

    The module given stays as it is, for the probe works on a copy. A plain callable, which cannot
    be copied with what it holds, is called as it is, in the default dtype.
    Raises ValueError as `measured` says. See chapter 1, "How far can a convolution see?".
    """

    def __init__(self, module: Net, input_shape: tuple[int, ...]) -> None:
        if isinstance(module, nn.Module):
            self.net = copy.deepcopy(module).to("cpu", torch.float64).eval()
            self.dtype = torch.float64
        elif callable(module):
            self.net, self.dtype = module, torch.get_default_dtype()
        else:
            raise ValueError(f"module must be an nn.Module or a callable, got {module!r}")
        self.shape = self._with_batch(_tuple(input_shape))  # (B, C, H, W)
        self.outputs = tuple(self._call(torch.zeros(self.shape, dtype=self.dtype)).shape[2:])
        self.middle = tuple(n // 2 for n in self.outputs)

    def checked(self, position: Position | int) -> Position:
        """The position as a tuple, if it lies in the output map."""
        at = _tuple(position)
        fits = len(at) == len(self.outputs) and all(isinstance(p, Integral) for p in at)
        if not fits or any(not 0 <= p < n for p, n in zip(at, self.outputs, strict=True)):
            raise ValueError(f"position {position} lies outside the output map {self.outputs}")
        return at

    def gradient(self, position: Position | None, chance: Generator, scale: float = 1.0) -> Tensor:
        """d(a random mix of the output's channels) / d(scale · a random input): (B, C, H, W).

        The output is taken at one position, or with None at all of them, each with its own mix.
        """
        x = scale * torch.randn(self.shape, generator=chance, dtype=self.dtype)
        x.requires_grad_()
        y = self._call(x.clone())  # (B, C', H', W'); a clone, for a net may write on its input
        if position is not None:
            y = y[(..., *position)]  # (B, C')
        mix = torch.randn(y.shape, generator=chance, dtype=self.dtype).to(y.dtype)
        found = torch.autograd.grad(y, x, mix, allow_unused=True) if y.requires_grad else (None,)
        if found[0] is None:
            raise ValueError(f"no gradient leads from the output back to the input {self.shape}")
        return found[0]

    def redraw(self) -> None:
        """Fresh weights: every submodule's reset_parameters, the inner ones first."""
        if isinstance(self.net, nn.Module):
            for layer in reversed(list(self.net.modules())):
                if hasattr(layer, "reset_parameters"):
                    layer.reset_parameters()

    def _with_batch(self, shape: tuple) -> tuple[int, ...]:
        """(C, H, W) or (B, C, H, W) -> (B, C, H, W); the net's layers say which one was meant."""
        if not 2 <= len(shape) <= 5 or not all(isinstance(n, Integral) and n > 0 for n in shape):
            raise ValueError(f"input_shape must be (C, H, W) or (B, C, H, W), got {shape}")
        layers = self.net.modules() if isinstance(self.net, nn.Module) else ()
        axes = max((WINDOWS.get(type(layer), 0) for layer in layers), default=0)
        if len(shape) <= axes:
            raise ValueError(f"input_shape {shape} has too few numbers for {axes}-d layers")
        if axes == 0 or len(shape) - axes not in (1, 2):  # the layers do not say
            axes = {2: 1, 3: 2, 4: 2, 5: 3}[len(shape)]
        return shape if len(shape) == axes + 2 else (1, *shape)

    def _call(self, x: Tensor) -> Tensor:
        try:
            y = self.net(x)
        except RuntimeError as error:
            raise ValueError(
                f"the module cannot take an input of shape {tuple(x.shape)}; too small? ({error})"
            ) from error
        if not isinstance(y, Tensor) or y.dim() < 2:
            what = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
            raise ValueError(f"the module must return one tensor (B, C, ...), it returned {what}")
        return y


def _tuple(value) -> tuple:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)
