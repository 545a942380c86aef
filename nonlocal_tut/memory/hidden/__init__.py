"""What operations allocate inside themselves and do not return: the copies that nobody names.

A dispatch mode sees what goes into an operation and what comes out of it. These rows say what is
made and dropped in between; they were read off the profiler and PyTorch's source, and tests hold
them against the profiler. Operations that are known to need some memory of a size that we cannot
tell are in `UNKNOWN`. See chapter 4, "Which copy does nobody name?".
"""

from typing import Any

from nonlocal_tut.memory.hidden import attention, blocks, convolution, everyday
from nonlocal_tut.memory.hidden.allocation import Hidden, Row

EVERYWHERE: dict[str, Row] = {
    "_softmax": blocks.softmax,
    "_softmax_backward_data": blocks.softmax_backward,
    "convolution": convolution.copies,
    "convolution_backward": convolution.copies_backward,
    "max_pool2d_with_indices_backward": blocks.pool_backward,
    "max_pool3d_with_indices_backward": blocks.pool_backward,
}
ROWS: dict[str, dict[str, Row]] = {
    "cuda": EVERYWHERE,
    "cpu": EVERYWHERE
    | everyday.ROWS
    | {
        "convolution": convolution.convolution,
        "convolution_backward": convolution.convolution_backward,
        "native_batch_norm_backward": blocks.batch_norm_backward_cpu,
        "_scaled_dot_product_flash_attention_for_cpu": attention.forward,
        "_scaled_dot_product_flash_attention_for_cpu_backward": attention.backward,
    },
}

FUSED = "scratch inside the fused attention kernel"
UNKNOWN = {
    "col2im": "what fold, and unfold's gradient, allocate",
    "_scaled_dot_product_flash_attention": FUSED,
    "_scaled_dot_product_efficient_attention": FUSED,
    "_scaled_dot_product_cudnn_attention": FUSED,
}
UNKNOWN_ON_CPU = {
    "_cdist_forward": "the matrix product inside cdist",
    "_embedding_bag": "tables inside embedding_bag",
    "_embedding_bag_forward_only": "tables inside embedding_bag",
    "_trilinear": "products inside bilinear",
    "affine_grid_generator": "scratch inside affine_grid",
    "_euclidean_dist": "the matrix product inside cdist",
    "count_nonzero": "scratch inside count_nonzero",
    "soft_margin_loss": "scratch inside soft_margin_loss",
} | {f"_upsample_{mode}2d_aa": "tables of antialiased resizing" for mode in ("bilinear", "bicubic")}
LIBRARIES = {  # by how the names of operations begin
    "linalg_": "LAPACK's scratch",
    "_linalg_": "LAPACK's scratch",
    "_fft_": "complex numbers",
}
UNKNOWN_ON_CUDA = {
    "convolution": "cuDNN's workspace for convolutions",
    "native_batch_norm": "what cuDNN's batch norm keeps for its backward",
}

__all__ = ["ROWS", "Hidden", "unknown"]


def unknown(name: str, args: tuple[Any, ...], device: str) -> str | None:
    """What is left out of an operation's bytes, in words; None where nothing is known to be."""
    told = (UNKNOWN_ON_CUDA if device == "cuda" else UNKNOWN_ON_CPU).get(name)
    library = next((LIBRARIES[start] for start in LIBRARIES if name.startswith(start)), None)
    return told or UNKNOWN.get(name) or library
