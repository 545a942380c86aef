"""What the blocks ask of their layers: w_f as a vector, weights drawn anew, no silent NaN."""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class _PairWeights(nn.Module):
    """w_f of Eq. 5: a 1×1 convolution's weight, for pairs that are never stacked.

    Called without an input, as a module, so that hooks on it run and sharded weights are gathered.
    They are let go when the call is over, so what it returns is a copy.
    """

    weight: Tensor

    def forward(self) -> Tensor:
        """The weight as a vector, (2C',)."""
        return self.weight.flatten().clone()


class PairWeights1d(_PairWeights, nn.Conv1d):  # type: ignore[misc]
    """For sequences."""


class PairWeights2d(_PairWeights, nn.Conv2d):  # type: ignore[misc]
    """For images."""


class PairWeights3d(_PairWeights, nn.Conv3d):  # type: ignore[misc]
    """For video."""


def redraw(layer: nn.Module, name: str, to_zero: bool = False) -> None:
    """reset_parameters, then zeros if asked: through a parametrization where there is one.

    A layer draws into `self.weight`, which under a parametrization is a product of the real
    parameters: what is drawn there is lost. So it is drawn on a bare copy and assigned.
    """
    parametrized = parametrize.is_parametrized(layer)
    names = [key for key, _ in layer.named_parameters(recurse=False)]
    if any(key.endswith(("_orig", "_g", "_v")) for key in names):
        raise ValueError(
            f"reset_parameters cannot draw {name}.weight, which a hook computes from "
            f"{', '.join(names)}; take the hook off first, or use torch.nn.utils.parametrizations"
        )
    bare = _bare(layer) if parametrized else layer
    if callable(reset := getattr(bare, "reset_parameters", None)):
        reset()
    if to_zero:
        for value in bare.parameters(recurse=False):
            nn.init.zeros_(value)
    if not parametrized:
        return
    for key, value in bare.named_parameters(recurse=False):
        try:
            with torch.no_grad():
                if parametrize.is_parametrized(layer, key):
                    setattr(layer, key, value.detach())
                else:
                    layer.get_parameter(key).copy_(value)
        except (NotImplementedError, RuntimeError) as error:
            raise ValueError(
                f"reset_parameters cannot set {name}.{key}: no right_inverse in its parametrization"
            ) from error


def _bare(layer: nn.Module) -> nn.Module:
    """A layer of the same sizes without its parametrizations; its numbers are to be drawn."""
    if not isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        raise ValueError(f"reset_parameters cannot draw a parametrized {type(layer).__name__}")
    kind = next(k for k in (nn.Conv1d, nn.Conv2d, nn.Conv3d) if isinstance(layer, k))
    weight, bias = layer.weight, layer.bias is not None
    sizes = layer.in_channels, layer.out_channels, 1
    return kind(*sizes, bias=bias, device=weight.device, dtype=weight.dtype)


def refuse_nan(w_z: nn.Module) -> None:
    """Raise a ValueError where a norm of weights divides 0 by 0: w_z is 0 at the start.

    Nothing is looked at unless somebody computes w_z.weight from other parameters.
    """
    if "weight" in w_z._parameters or torch.compiler.is_compiling():
        return
    matrices = [p for p in w_z.parameters() if p.ndim > 1]
    if not matrices or any(p.is_meta or bool(p.any()) for p in matrices):
        return
    weight = w_z.weight
    if isinstance(weight, Tensor) and not bool(weight.isfinite().all()):
        raise ValueError(
            "w_z is 0 at the start, and its parametrization divides 0 by 0; use norm=True, which "
            "starts with a norm of 0 in its place, leave w_z as it is, or draw w_z.weight first"
        )
