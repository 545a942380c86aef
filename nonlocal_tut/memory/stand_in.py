"""Lets a block on the meta device take the way that it would take on a CPU or a GPU."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from nonlocal_tut.pairwise.backends import fused_backend, predicted_gpu


class RunsAs(TorchFunctionMode):
    """While entered, meta tensors say that they are on `device`, and SDPA takes its kernel.

    device: "cpu" or "cuda". On the meta device `scaled_dot_product_attention` would build the map,
    since no kernel is fused there.
    """

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if getattr(func, "__self__", None) is torch.Tensor.is_cuda:
            return self.device == "cuda"
        if func is F.scaled_dot_product_attention:
            return self._attention(*args, **kwargs)
        return func(*args, **kwargs)

    def _attention(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        **more,
    ) -> Tensor:
        """The fused kernel that takes these operands, else the map."""
        qkv = query, key, value
        training = torch.is_grad_enabled() and any(t.requires_grad for t in qkv)
        capability = predicted_gpu().capability if self.device == "cuda" else None
        choice = fused_backend(
            query.shape[-1],
            value.shape[-1],
            query.dtype,
            capability,
            last_strides=tuple(t.stride(-1) for t in qkv),
            training=training,
            keys=key.shape[-2],
        )
        if choice.backend == "math" or attn_mask is not None or dropout_p or more:
            options = attn_mask, dropout_p, is_causal
            return F.scaled_dot_product_attention(*qkv, *options, scale=scale, **more)
        aten, options = torch.ops.aten, {"is_causal": is_causal, "scale": scale}
        if capability is None:
            return aten._scaled_dot_product_flash_attention_for_cpu(*qkv, **options)[0]
        if choice.backend == "flash":
            return aten._scaled_dot_product_flash_attention(*qkv, **options)[0]
        if choice.backend == "cudnn":
            return aten._scaled_dot_product_cudnn_attention(*qkv, None, training, **options)[0]
        return aten._scaled_dot_product_efficient_attention(*qkv, None, training, **options)[0]
