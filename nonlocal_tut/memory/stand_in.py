"""Lets a module on the meta device take the way that it would take on a CPU or a GPU.

On the meta device torch answers some questions otherwise than on a real one: it fuses no attention,
keeps dropout's mask as a CPU does, and never takes the short cuts of other devices. Where we know
the real way, it is taken here; where we do not, `not_modeled` says so.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

from nonlocal_tut.memory.autocast import Casts
from nonlocal_tut.pairwise.backends import fused_backend, predicted_gpu

META = torch.device("meta")
ATTENTION, DROPOUT, LINEAR = F.scaled_dot_product_attention, F.dropout, F.linear
OTHERWISE = {  # torch's name -> what the prediction then leaves out or counts too much
    "lstm": "torch's own way through an LSTM",
    "gru": "torch's own way through a GRU",
    "rnn_tanh": "torch's own way through an RNN",
    "rnn_relu": "torch's own way through an RNN",
    "mish": "one kernel for mish's gradient, which is counted step by step",
}
SHORT_CUTS = {  # taken without autograd alone
    "max_pool1d": "max_pool1d's way without indices",
    "multi_head_attention_forward": "the fast path of nn.MultiheadAttention in eval mode",
}
GRADIENTS = {  # where a gradient goes another way without numbers
    "prod": "prod's gradient",
    "cumprod": "cumprod's gradient",
    "binary_cross_entropy_with_logits": "its gradient, made in place, which is counted twice",
}


class RunsAs(TorchFunctionMode):
    """While entered, meta tensors say that they are on `device`, and attention takes its kernel.

    device: "cpu" or "cuda". `not_modeled` collects what goes another way than it would there.
    torch's own functions call each other past a mode, so three of them are also replaced in
    `torch.nn.functional` meanwhile.
    """

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device
        self.casts = Casts()
        self.adds_in_place = False  # a mask to the scores, where torch writes attention out
        self.not_modeled: list[str] = []

    def __enter__(self) -> Any:
        F.scaled_dot_product_attention, F.dropout = self._attention, self._dropout
        F.linear = self._linear
        return super().__enter__()  # type: ignore[no-untyped-call]

    def __exit__(self, *raised: Any) -> Any:
        F.scaled_dot_product_attention, F.dropout, F.linear = ATTENTION, DROPOUT, LINEAR
        self.casts.kept.clear()
        return super().__exit__(*raised)  # type: ignore[no-untyped-call]

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        args, kwargs = tree_map_only(torch.device, self._meta, (args, kwargs or {}))
        getter = getattr(func, "__self__", None)
        if getter is torch.Tensor.is_cuda:
            return self.device == "cuda"
        if getter is torch.Tensor.device:
            return torch.device(self.device)
        if func in (ATTENTION, DROPOUT):
            return (self._attention if func is ATTENTION else self._dropout)(*args, **kwargs)
        name = getattr(func, "__name__", "")
        self._note(name)
        return self._run(name, func, args, kwargs)

    def _run(
        self, name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if self.device == "cpu":
            return self.casts.run(name, func, args, kwargs)
        return func(*args, **kwargs)

    def _linear(self, *args: Any, **kwargs: Any) -> Any:
        return self._run("linear", LINEAR, args, kwargs)

    def _meta(self, device: torch.device) -> torch.device:
        """The device that tensors say they are on is meant to be the one where they are."""
        return META if device.type == self.device else device

    def _note(self, name: str) -> None:
        told = OTHERWISE.get(name)
        if told is None:
            told = (GRADIENTS if torch.is_grad_enabled() else SHORT_CUTS).get(name)
        if told is None and self.device == "cuda" and torch.is_autocast_enabled("cuda"):
            told = "autocast, which the meta device does not see"
        if told is not None and told not in self.not_modeled:
            self.not_modeled.append(told)

    def _dropout(
        self, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        """CUDA keeps a mask of one byte for each number."""
        if self.device == "cuda" and training and not inplace and 0 < p < 1:
            return torch.native_dropout(input, p, True)[0]
        return DROPOUT(input, p, training, inplace)

    def _attention(self, *args: Any, **kwargs: Any) -> Any:
        return self._run("scaled_dot_product_attention", self._attend, args, kwargs)

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Any:
        """The fused kernel that takes these operands, else the attention matrix."""
        qkv = query, key, value
        choice = self._kernel(qkv, attn_mask, dropout_p, enable_gqa)
        if choice == "math":
            more: Any = (
                {"enable_gqa": True} if enable_gqa else {}
            )  # torch 2.6 does not know the name
            self.adds_in_place = True
            try:
                return ATTENTION(*qkv, attn_mask, dropout_p, is_causal, scale=scale, **more)
            finally:
                self.adds_in_place = False
        if query.dim() == 3:  # a newer torch's kernel takes the batch as the heads of one image
            qkv = query[None], key[None], value[None]
            mask = attn_mask[None] if attn_mask is not None and attn_mask.dim() == 3 else attn_mask
            return self._attend(*qkv, mask, dropout_p, is_causal, scale).squeeze(0)
        training = torch.is_grad_enabled() and any(t.requires_grad for t in qkv)
        aten, options, mask = torch.ops.aten, {"scale": scale}, attn_mask
        if mask is not None and mask.dtype == torch.bool:
            mask = torch.empty_like(mask, dtype=query.dtype)  # 0 and -inf, beside the booleans
        if self.device == "cpu":
            kernel = aten._scaled_dot_product_flash_attention_for_cpu
            return kernel(*qkv, dropout_p, is_causal, attn_mask=mask, **options)[0]
        if choice == "flash":
            kernel = aten._scaled_dot_product_flash_attention
            return kernel(*qkv, dropout_p, is_causal, **options)[0]
        if mask is not None:
            mask = mask.expand(*query.shape[:3], key.shape[2])
        kernel = getattr(aten, f"_scaled_dot_product_{choice}_attention")  # cudnn or efficient
        return kernel(*qkv, mask, training, dropout_p, is_causal, **options)[0]

    def _kernel(
        self, qkv: tuple[Tensor, Tensor, Tensor], mask: Tensor | None, dropout: float, grouped: bool
    ) -> str:
        """Which kernel of the device takes these operands: "math" is the attention matrix."""
        if self.device == "cpu":  # torch itself knows
            probes = [None if t is None else _probe(t) for t in (*qkv, mask)]
            groups = {"enable_gqa": True} if grouped else {}
            asked: Callable[..., int] = torch._fused_sdp_choice
            return "flash" if asked(*probes, dropout, **groups) else "math"
        query, key, value = qkv
        if any(t.dim() != 4 for t in qkv):
            return "math"
        if mask is not None and (mask.requires_grad or mask.dim() not in (2, 4)):
            return "math"
        choice = fused_backend(
            query.shape[-1],
            value.shape[-1],
            query.dtype,
            predicted_gpu().capability,
            last_strides=(query.stride(-1), key.stride(-1), value.stride(-1)),
            training=torch.is_grad_enabled() and any(t.requires_grad for t in qkv),
            keys=key.shape[-2],
        )
        # Flash takes no mask, and the memory-efficient kernel no groups.
        refused = {"flash": mask is not None, "efficient": grouped}
        if not refused.get(choice.backend):
            return choice.backend
        return next((k for k in refused if not refused[k] and k not in choice.reasons), "math")


def _probe(tensor: Tensor) -> Tensor:
    """A tensor of the CPU's with the shape of one on the meta device, in a handful of bytes."""
    last = min(tensor.stride(-1), 2)  # 1, or not: more is not asked
    with torch._C._DisableTorchDispatch():
        numbers = torch.empty(2 * tensor.shape[-1], dtype=tensor.dtype, device="cpu")
        probe = numbers.as_strided(tensor.shape, (*[0] * (tensor.dim() - 1), last))
    return probe.requires_grad_(tensor.requires_grad) if probe.is_floating_point() else probe
