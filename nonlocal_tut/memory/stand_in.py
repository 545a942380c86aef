"""Lets a block on the meta device take the way that it would take on a CPU or a GPU."""

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from nonlocal_tut.memory.layouts import LOW


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

        On a GPU the memory-efficient kernel, which takes every dtype but float64 and values wider
        than keys; for 16 bits torch may choose another, with results of the same sizes.
        """
        aten, dtypes = torch.ops.aten, (torch.float32, *LOW)
        rows = all(t.stride(-1) == 1 for t in (q, k, v))
        plain = rows and attn_mask is None and not dropout_p and not more
        if plain and self.device == "cpu" and q.shape[-1] == v.shape[-1]:
            kernel = aten._scaled_dot_product_flash_attention_for_cpu
            return kernel(q, k, v, is_causal=is_causal, scale=scale)[0]
        aligned = all(t.shape[-1] % 8 == 0 for t in (q, v))
        if plain and self.device == "cuda" and aligned and q.dtype in dtypes:
            keep = torch.is_grad_enabled() and any(t.requires_grad for t in (q, k, v))
            kernel = aten._scaled_dot_product_efficient_attention
            return kernel(q, k, v, None, keep, is_causal=is_causal, scale=scale)[0]
        return F.scaled_dot_product_attention(
            q, k, v, attn_mask, dropout_p, is_causal, scale=scale, **more
        )
