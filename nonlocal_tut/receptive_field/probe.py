"""A copy of somebody's net that can be asked for gradients at random inputs."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from nonlocal_tut.arguments import is_whole, said
from nonlocal_tut.copies import copied
from nonlocal_tut.receptive_field.redraw import redraw

Net = nn.Module | Callable[[Tensor], Tensor]
Position = tuple[int, ...]  # one int an axis of a map


class Probe:
    """A net in float64 and eval mode, its input's shape (B, C, H, W) and its output map's (H', W').

    The module given stays as it is, for the probe works on a copy. A plain callable, which cannot
    be copied with what it holds, is called as it is, in the default dtype.
    Raises ValueError as `measured` says. See chapter 1, "How far can a convolution see?".
    """

    def __init__(self, module: Net, input_shape: tuple[int, ...]) -> None:
        if not callable(module):
            raise ValueError(f"module must be an nn.Module or a callable, got {module!r}")
        self.net, self.dtype = module, torch.get_default_dtype()
        self.shape = self._with_batch(_tuple(input_shape))  # (B, C, H, W)
        if isinstance(module, nn.Module):
            self.dtype = torch.float64
            self.net = copied(module).to("cpu", self.dtype).eval()
            try:
                self._outputs(self.shape)
            except ValueError:  # a net that turns its input into float32 itself
                single = copied(module).to("cpu", torch.get_default_dtype()).eval()
                if _runs(single, self.shape, torch.get_default_dtype()):
                    self.net, self.dtype = single, torch.get_default_dtype()
        self.outputs = self._outputs(self.shape)
        self.middle = tuple(n // 2 for n in self.outputs)

    def checked(self, position: Position | int) -> Position:
        """The position as a tuple, if it lies in the output map."""
        at = _tuple(position)
        fits = len(at) == len(self.outputs) and all(map(is_whole, at))
        if not fits or any(not 0 <= p < n for p, n in zip(at, self.outputs, strict=True)):
            raise ValueError(
                f"position {said(position)} lies outside the output map {self.outputs}"
            )
        return at

    def gradients(
        self, positions: Sequence[Position | None], chance: Generator, scale: float = 1.0
    ) -> Tensor:
        """d(a random mix of the output's channels) / d(scale · a random input), one a position.

        -> (positions, B, C, H, W). Each position has a mix of its own; None stands for all
        positions together, each with its own mix.
        """
        x = scale * torch.randn(self.shape, generator=chance, dtype=self.dtype)
        x.requires_grad_()
        y = self._call(x.clone())  # (B, C', H', W'); a clone, for a net may write on its input
        found: list[Tensor | None] = []
        for left, position in zip(range(len(positions), 0, -1), positions, strict=True):
            at: Any = (..., *(position or ()))
            part = y[at]  # (B, C'), or all of y
            mix = torch.randn(part.shape, generator=chance, dtype=self.dtype).to(y.dtype)
            found += (
                torch.autograd.grad(part, x, mix, allow_unused=True, retain_graph=left > 1)
                if y.requires_grad
                else [None]
            )
        reached = [gradient for gradient in found if gradient is not None]
        if len(reached) < len(found):
            raise ValueError(f"no gradient leads from the output back to the input {self.shape}")
        return torch.stack(reached)

    def redraw(self) -> None:
        """Fresh weights: every submodule's reset_parameters, the inner ones first."""
        if isinstance(self.net, nn.Module):
            redraw(self.net)

    def _with_batch(self, shape: tuple[Any, ...]) -> tuple[int, ...]:
        """(C, H, W) or (B, C, H, W) -> (B, C, H, W); the net's layers say which one was meant."""
        if not 2 <= len(shape) <= 5 or not all(is_whole(n) and n > 0 for n in shape):
            raise ValueError(f"input_shape must be (C, H, W) or (B, C, H, W), got {said(shape)}")
        layers = self.net.modules() if isinstance(self.net, nn.Module) else ()
        axes = max((_axes_of(layer) for layer in layers), default=0)
        if len(shape) <= axes:
            raise ValueError(f"input_shape {shape} has too few numbers for {axes}-d layers")
        if axes == 0 or len(shape) - axes not in (1, 2):  # the layers do not say
            axes = {2: 1, 3: 2, 4: 2, 5: 3}[len(shape)]
        return shape if len(shape) == axes + 2 else (1, *shape)

    def _outputs(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(self._call(torch.zeros(shape, dtype=self.dtype)).shape[2:])

    def _call(self, x: Tensor) -> Tensor:
        try:
            y = self.net(x)
        except RuntimeError as error:
            shape = tuple(x.shape)
            larger = [(*shape[:2], *(times * n for n in shape[2:])) for times in (2, 4, 8, 16)]
            fits = next((s for s in larger if _runs(self.net, s, self.dtype)), None)
            why = f"; too small: it takes {fits}" if fits else ""
            raise ValueError(
                f"the module cannot take an input of shape {shape}{why} ({error})"
            ) from error
        if not isinstance(y, Tensor) or y.dim() < 2:
            what = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
            raise ValueError(f"the module must return one tensor (B, C, ...), it returned {what}")
        return y


def _runs(net: Net, shape: tuple[int, ...], dtype: torch.dtype) -> bool:
    try:
        with torch.no_grad():
            net(torch.zeros(shape, dtype=dtype))
    except RuntimeError:
        return False
    return True


def _axes_of(layer: nn.Module) -> int:
    """1, 2 or 3 for a layer of torch.nn's that is named so, its lazy twins and subclasses."""
    kinds = (kind for kind in type(layer).__mro__ if kind.__module__.startswith("torch.nn."))
    found = (re.fullmatch(r"\w+([123])d", kind.__name__) for kind in kinds)
    return next((int(match[1]) for match in found if match), 0)


def _tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)
