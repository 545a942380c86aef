"""Lets a block on the meta device take the way that it would take on a CPU or a GPU."""

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode


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

    def _attention(self, query, key, value, attn_mask=None, *others, **kwargs):
        """`scaled_dot_product_attention`, whose arguments may come by place or by name."""
        aten, qkv = torch.ops.aten, (query, key, value)
        if all(t.stride(-1) == 1 for t in qkv) and query.shape[-1] == value.shape[-1]:
            kernel = aten._scaled_dot_product_flash_attention_for_cpu
            return kernel(*qkv, *others, attn_mask=attn_mask, **kwargs)[0]
        return F.scaled_dot_product_attention(*qkv, attn_mask, *others, **kwargs)
