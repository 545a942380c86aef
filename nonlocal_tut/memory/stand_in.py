"""Lets a block on the meta device take the way that it would take on a CPU or a GPU."""

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from nonlocal_tut.backends import ASSUMED, fused_backend


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
        self, q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, **more
    ):
        """A fused kernel where one takes these operands, else the map.

        On a GPU always the memory-efficient one: where torch would choose another, results have
        the same sizes.
        """
        training = torch.is_grad_enabled() and any(t.requires_grad for t in (q, k, v))
        capability = ASSUMED if self.device == "cuda" else None
        strides = tuple(t.stride(-1) for t in (q, k, v))
        sizes = q.shape[-1], v.shape[-1], q.dtype, capability
        choice = fused_backend(*sizes, last_strides=strides, training=training)
        if choice.backend == "math" or attn_mask is not None or dropout_p or more:
            options = attn_mask, dropout_p, is_causal
            return F.scaled_dot_product_attention(q, k, v, *options, scale=scale, **more)
        aten = torch.ops.aten
        if capability is None:
            kernel = aten._scaled_dot_product_flash_attention_for_cpu
            return kernel(q, k, v, is_causal=is_causal, scale=scale)[0]
        kernel = aten._scaled_dot_product_efficient_attention
        return kernel(q, k, v, None, training, is_causal=is_causal, scale=scale)[0]
