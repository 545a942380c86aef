"""Six blocks as formulas: a sum of named tensors for each moment that can be the worst of a run.

"saved" is what autograd keeps between the passes; "inference" has the moments of a forward pass
without autograd, "forward" and "backward" those of a training step. They were read off `predict`;
tests hold the two together as integers. See the appendix on bytes, "Can the peak be written as a
formula?".
"""

from math import isqrt
from typing import Any

from nonlocal_tut.pairwise import small

SYMBOLS = {
    "matrix": "attention matrix (B·N·keys)",
    "input": "tensor like the input (B·C·N)",
    "query": "tensor like the query (B·C/8·N)",
    "inner": "tensor of the inner width (B·C/2·N)",
    "pooled": "pooled tensor of the inner width (B·C/2·keys)",
    "places": "places of the pool's maxima, 8 bytes each (B·C/2·keys)",
    "value_grads": "gradients of the value's weight and bias",
    "key_grads": "gradients of the key's weight and bias",
    "weight_grad": "gradient of a weight (C/2·C)",
    "channels": "one number per channel",
    "inner_channels": "one number per inner channel",
    "number": "single number",
    "float32_copy": "16 bits alone: the input in float32, and its sum",
    "norm": "what batch norm's backward needs beside its results",
    "sums": "logarithm of each row's sum (B·N)",
    "tile": "tile of scores inside the fused attention kernel",
    "blocks": "blocks of the matrix, and what they are made of",
    "wide_query": "gradient like the query, float32 or wider",
    "wide_input": "gradient like the input, float32 or wider",
    "narrowed": "16 bits alone: the gradients in 16 bits, the last block's rest",
}
FORMULAS: dict[str, dict[str, Any]] = {  # a moment, or for each turn several
    "article": {
        "saved": "matrix + 2 input + 2 query",
        "inference": ("2 matrix + 4 input + 2 query",),
        "forward": ("2 matrix + 4 input + 2 query",),
        "backward": (
            "4 matrix + 2 input + 2 query + value_grads + number",
            "2 matrix + 3 input + 2 query + value_grads + number",
            "2 matrix + 3 input + 2 query + channels + float32_copy + number",
            "matrix + 5 input + 2 query + number",
            "3 input + 2 query + value_grads + 2 key_grads + number",
        ),
    },
    "swapped": {
        "saved": "matrix + 2 input + 2 query",
        "inference": ("2 matrix + 4 input + 2 query",),
        "forward": ("2 matrix + 4 input + 2 query",),
        "backward": (
            "3 matrix + 2 input + 2 query + value_grads + number",
            "2 matrix + 4 input + 2 query + value_grads + number",
            "matrix + 5 input + 2 query + number",
            "3 input + 2 query + value_grads + 2 key_grads + number",
        ),
    },
    "dot_product": {
        "saved": "matrix + 2 input + 2 query",
        "inference": ("2 matrix + 4 input + 2 query",),
        "forward": ("2 matrix + 4 input + 2 query",),
        "backward": (
            "2 matrix + 4 input + 2 query + number",
            "matrix + 5 input + 2 query + number",
            "matrix + 3 input + 2 query + value_grads + number",
            "matrix + 3 input + 2 query + channels + float32_copy + number",
            "3 input + 2 query + value_grads + 2 key_grads + number",
        ),
    },
    "paper": {
        "saved": "matrix + input + 4 inner + 2 channels",
        "inference": ("2 matrix + 3 inner", "3 input + inner"),
        "forward": ("2 matrix + 3 inner", "matrix + 3 input + 4 inner + 2 channels"),
        "backward": (
            "3 matrix + input + 3 inner + weight_grad + 3 channels",
            "matrix + 3 input + 4 inner + 4 channels + norm",
            "3 input + 2 inner + 4 weight_grad + 3 channels + 3 inner_channels",
        ),
    },
    "paper_pooled": {
        "saved": "matrix + input + 4 inner + 2 pooled + 2 places + 2 channels",
        "inference": ("2 matrix + inner + 2 pooled", "3 input + inner"),
        "forward": (
            "2 matrix + 3 inner + 2 pooled + 2 places",
            "matrix + 3 input + 4 inner + 2 pooled + 2 places + 2 channels",
        ),
        "backward": (
            "3 matrix + input + 3 inner + 2 pooled + 2 places + weight_grad + 3 channels",
            "matrix + 3 input + 4 inner + 2 pooled + 2 places + 4 channels + norm",
            "3 input + 2 inner + 4 weight_grad + 3 channels + 3 inner_channels",
        ),
    },
    "fused": {
        "saved": "2 input + 2 query + sums",
        "inference": ("4 input + 2 query + sums + tile",),
        "forward": ("4 input + 2 query + sums + tile",),
        "backward": (
            "4 input + 2 query + sums + 2 wide_query + wide_input + blocks + number",
            "4 input + 2 query + sums + 2 wide_query + wide_input + narrowed + number",
            "3 input + 2 query + value_grads + 2 key_grads + number",
        ),
    },
}

WHERE_SMALL = {  # "fused" on small feature maps, where it builds the matrix (`pairwise/small.py`)
    "saved": "matrix + 2 input + 2 query",
    "inference": ("2 matrix + input + 2 query", "matrix + 2 input + 2 query", "3 input"),
    "forward": ("2 matrix + input + 2 query", "matrix + 4 input + 2 query"),
    "backward": (
        "3 matrix + 2 input + 2 query + number",
        "2 matrix + 4 input + 2 query + number",
        "matrix + 5 input + 2 query + number",
        "3 input + 3 query + value_grads + key_grads + number",
        "3 input + query + value_grads + 2 key_grads + number",
    ),
}


def formulas_for(variant: str, B: int, H: int, W: int, itemsize: int) -> dict[str, Any]:
    """The moments of a variant, which for "fused" depend on the size."""
    entries = (H * W) ** 2
    most = small.SMALL
    built = itemsize > 2 and entries <= most and B * entries <= small.IF_PADDED * most
    return WHERE_SMALL if variant == "fused" and built else FORMULAS[variant]


def symbol_bytes(variant: str, B: int, C: int, H: int, W: int, itemsize: int) -> dict[str, int]:
    """What each symbol stands for in bytes, N = H·W."""
    N, keys, d = H * W, H * W, C // 8
    if variant.startswith("paper"):
        d = C // 2
        keys = (H // 2) * (W // 2) if variant == "paper_pooled" else N
    numbers = {
        "matrix": B * N * keys,
        "input": B * C * N,
        "query": B * d * N,
        "inner": B * d * N,
        "pooled": B * d * keys,
        "value_grads": C * C + C,
        "key_grads": C * d + d,
        "weight_grad": C * d,
        "channels": C,
        "inner_channels": d,
        "number": 1,
    }
    sizes = {name: count * itemsize for name, count in numbers.items()}
    cast = 4 if itemsize == 2 and B > 1 else 0  # sums in 16 bits go through float32
    sizes["float32_copy"] = cast * (B * C * N + C)
    sizes["places"] = 8 * B * d * keys
    # A batch of one has no channels-last format of its own, so rows are copied to be read.
    sizes["norm"] = sizes["input"] if B == 1 else sizes["channels"] + sizes["float32_copy"]
    return sizes | _without_the_matrix(B, C, N, itemsize)


def _without_the_matrix(B: int, C: int, N: int, itemsize: int) -> dict[str, int]:
    """The symbols of "fused": the CPU's kernel (`hidden/attention.py`) and `pairwise/by_blocks.py`.

    The kernel works on a tile of queries by 512 keys; one image goes in as two heads. The backward
    pass goes through the attention matrix a block at a time, the last one smaller, and in 16 bits
    copies what it multiplies to float32.
    """
    d, wide = C // 8, max(itemsize, 4)
    count = N // 2 if B == 1 and N % 2 == 0 else N  # queries of a head
    rows = min(256 if count >= 768 else 64 if count >= 192 else 32, count)
    columns = min(512, N)
    tile = rows * (columns + 2 + C) * wide  # scores, maxima, sums, outputs
    side = min(16 * max(13, isqrt(N) // 4), N)
    last = N - (N - 1) // side * side
    copied = C + d if itemsize == 2 else 0  # numbers per row
    product = 2 * C if itemsize == 2 else C + 1  # and a copy of one factor, or its sum
    moments = [2 * side**2 + 2 * side * copied + side, side * (copied + product)]
    if N > side:  # the next rows, while the last block's copies and the first rows' sums are there
        following = min(side, N - side)
        moments.append((following + last) * copied + following * product + side)
    left = (2 * last * copied + last) * wide
    return {
        "sums": B * N * wide,
        "tile": tile + (rows * columns * itemsize if itemsize == 2 else 0),
        "blocks": B * max(moments) * wide,
        "wide_query": B * d * N * wide,
        "wide_input": B * C * N * wide,
        "narrowed": B * (left + (C + 2 * d) * N * itemsize) if itemsize == 2 else 0,
    }
