"""Which of torch's operations multiply no two tensors and sum up: these count no multiply-adds.

Views, copies, indexing, arithmetic, norms, pools, softmax, losses, interpolation. What stands
nowhere here, and has no formula in `costs`, is said to be not counted: better once too often than a
total with a hole in it.
"""

import re
from functools import cache

import torch
from torch._ops import OpOverloadPacket

TAGS = {getattr(torch.Tag, name, None) for name in ("pointwise", "reduction", "view_copy")}
FREE = re.compile(  # beside views and what these tags say; bare names, without a twin's marks
    r"""
    (new_)?(empty|full|ones|zeros)(_like|_strided|_permuted)?|zero|fill|arange|eye|(lin|log)space
    rand(n|int|perm)?(_like)?|(log_)?normal|uniform|bernoulli|cauchy|exponential|geometric|multinomial
    (fused_|native_)?dropout|clone|copy|to|lift|detach|set|resize(_as)?|as_strided|repeat(_interleave)?
    unsafe_(view|split\w*)|cat|stack|chunk_cat|block_diag|flip|roll|rot90|tri[lu](_indices)?
    diag_embed|diagonal|complex|polar|where|gather|scatter(_\w+)?|\w+_scatter|take|put|select|slice
    (unsafe_)?(masked_)?index(_\w+)?|masked_(fill|select|scatter|scale)|nonzero(_static)?|isin
    searchsorted|bucketize|embedding(_\w*dense|_renorm)?|im2col|col2im|unfold
    (constant|reflection|replication)_pad\w*|(pixel|channel)_(un)?shuffle|(un)?pack_padded_sequence
    sum|nansum|mean|prod|std|var|(std|var)_mean|a?(max|min)|aminmax|arg(max|min)|all|any|norm|dist
    linalg_(vector_norm|powsum|check_errors)|cum(sum|prod|max|min)(_helper)?|logcumsumexp|logsumexp
    trace|sort|topk|kthvalue|(nan)?median|mode|unique\w*|histc|bincount|count_nonzero|addr
    (log_|safe_|masked_)?softmax|(log_)?sigmoid|hardswish|glu|leaky_relu|prelu_kernel|rrelu_with_noise|renorm
    (native_|cudnn_)?(batch|layer|group)_norm\w*|fused_rms_norm|weight_norm_interface
    (adaptive_|fractional_)?(avg|max)_pool\dd(_with_indices)?|max_unpool\dd|upsample_\w+
    \w+_loss(2d)?|binary_cross_entropy(_with_logits)?|floor_divide
    equal|allclose|is_\w+|local_scalar_dense|assert_\w+|fused_sdp_choice
    """.strip().replace("\n    ", "|")
)


@cache
def is_free(packet: OpOverloadPacket) -> bool:
    """Whether an operation counts no multiply-adds; of those not torch's own, nobody knows."""
    if packet._qualified_op_name.split("::")[0] not in ("aten", "prim"):
        return False
    bare = _bare(packet.__name__)
    packets = packet, getattr(torch.ops.aten, bare, packet)
    operations = (getattr(p, name) for p in packets for name in p.overloads())
    tagged = any(op.is_view or TAGS & {*op.tags} for op in operations)
    return tagged or FREE.fullmatch(bare) is not None


def _bare(name: str) -> str:
    """Without the marks of a twin: add_, _foreach_add and add_backward are free as add is."""
    name = re.sub("^_*(foreach_)?", "", name)
    return re.sub("(_forward|_backward(_data|_elemt|_reduce)?|_functional|_copy)?_*$", "", name)
