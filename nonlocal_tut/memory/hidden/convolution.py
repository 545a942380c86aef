"""What the CPU's convolutions allocate inside themselves: columns, and the groups one by one.

Without oneDNN a convolution is a matrix product. Before it, the patches of the input are unfolded
into columns, (C·K, positions) for a kernel of K entries, of all images at once or of one after the
other; a transposed one makes columns first and folds them. Grouped convolutions run group by group
and join the results at the end. Which kernel does what was read off the profiler (torch 2.13) and
is held against it by the tests. See chapter 4, "Which copy does nobody name?".
"""

from collections.abc import Iterator
from math import prod
from typing import Any

import torch
from torch import Tensor

from nonlocal_tut.memory.formats import LOW, wanted_format
from nonlocal_tut.memory.hidden.allocation import Hidden, copy_of, largest, size

NNPACK_FROM = 16  # images: from here on torch takes NNPACK for plain float32 2-D convolutions


class Call:
    """One convolution of the CPU's, read from the arguments of `aten::convolution`."""

    def __init__(self, x: Tensor, weight: Tensor, out: Tensor, options: tuple[Any, ...]) -> None:
        """out: its output, or the gradient that comes back; options: stride, padding, dilation,
        transposed, output_padding and groups."""
        stride, padding, dilation, self.transposed, _, self.groups = options
        self.x, self.weight, self.out = x, weight, out
        self.sides = max(2, x.dim() - 2)  # a 1-D convolution runs as a 2-D one of height 1
        self.images = x.shape[0]
        self.kernel = prod(weight.shape[2:])  # K
        many = self.images >= NNPACK_FROM and torch.backends.nnpack.is_available()
        small = max(weight.shape[2:]) < 17 and x.dtype == torch.float32 and self.sides == 2
        direct = not self.transposed
        self.one_by_one = direct and (max(dilation) > 1 or (many and small))  # of the images
        self.nnpack = self.one_by_one and max(dilation) == 1
        self.plain_3d = direct and self.sides == 3 and not self.one_by_one
        # The 3-D kernel takes groups as they are; all others run one after the other.
        self.loops = self.groups > 1 and not self.plain_3d
        flat = self.kernel == 1 and {*padding} == {0} and {*stride, *dilation} == {1}
        self.flat = flat and (self.groups == 1 or not self.plain_3d)
        self.split = self.groups if self.loops else 1

    def part(self, tensor: Tensor, what: str) -> list[Hidden]:
        """A copy of one group's share of a tensor; of one image it is a view."""
        if self.images == 1 or not self.loops:
            return []
        shape = (tensor.shape[0], tensor.shape[1] // self.groups, *tensor.shape[2:])
        return [Hidden(f"copy of one group of {what} in a convolution", shape, tensor.dtype)]

    def columns(self, *, of_all: bool) -> list[Hidden]:
        """(images, C·K, positions): of all images at once, or of one."""
        wide, narrow = (self.out, self.x) if self.transposed else (self.x, self.out)
        channels, images = wide.shape[1] // self.split, self.images if of_all else 1
        shape = (images, channels * self.kernel, prod(narrow.shape[2:]))
        return [Hidden("unfolded columns in a convolution", shape, self.x.dtype)]

    def forward_scratch(self, bias: bool) -> list[Hidden]:
        """What one call takes beside its output; all of it while the output is there."""
        if self.transposed and self.sides == 3:
            ones = Hidden("ones for the bias in a convolution", self.out.shape[2:], self.x.dtype)
            return [*self.columns(of_all=False), *([ones] if bias else [])]
        if self.nnpack or (self.flat and not self.transposed):
            return []
        return self.columns(of_all=not self.one_by_one)

    def backward_moments(self, grads: tuple[Tensor | None, ...]) -> list[list[Hidden]]:
        """What one call takes beside its gradients, at the moments that can be the largest."""
        x_grad, weight_grad, bias_grad = grads
        copied = _copies(self.out, self.x, "cpu") if not self.loops else []
        summed = [] if bias_grad is None else self._bias_sum()
        later = (size(weight_grad) + size(bias_grad)) // self.split
        if self.one_by_one:
            a_sum = Hidden(
                "an image's sum in a convolution's backward", (self._rows,), self.x.dtype
            )
            return [[*copied, *self.columns(of_all=False), *([a_sum] * (weight_grad is not None))]]
        if self.transposed and self.sides == 3:
            scratch = [] if self.flat else self.columns(of_all=False)
            return [[*copied, *scratch, *summed]]
        if self.transposed:
            scratch = [] if self.flat else self.columns(of_all=False)
        elif self.flat or weight_grad is None:
            scratch = []
        else:
            scratch = self.columns(of_all=True)
        moments = [[*copied, *scratch]]
        if summed:  # the bias's comes before the weight's
            summed[-1].less = size(weight_grad) // self.split
            moments.append(summed)
        if self.plain_3d and x_grad is not None:  # it is unfolded, and comes first of all
            first = self.columns(of_all=True)
            first[0].less = later
            moments.append([*_copies(self.out, None, "cpu"), *first])
        return moments

    @property
    def _rows(self) -> int:
        return self.weight.shape[0] // self.split

    def _bias_sum(self) -> list[Hidden]:
        channels = self.out.shape[1] // self.split
        shape = (self.out.shape[0], channels, *self.out.shape[2:])
        lies = self.loops or self.out.is_contiguous()
        return sum_over_all_but_channels(shape, self.out.dtype, "a convolution's") if lies else []


def copies(args: tuple[Any, ...], out: Any) -> list[Hidden]:
    """On every device: an operand that does not lie as the kernel wants it is copied."""
    x = args[0]
    return [] if _lies(x, x, "cuda") else [copy_of(x, "the input in a convolution")]


def copies_backward(args: tuple[Any, ...], out: Any) -> list[Hidden]:
    grad, x = args[:2]
    return _copies(grad, x, "cuda")


def convolution(args: tuple[Any, ...], out: Tensor) -> Iterator[Hidden]:
    x, weight, bias, options = args[0], args[1], args[2], args[3:9]
    if not _lies(x, x, "cpu"):
        yield copy_of(x, "the input in a convolution")
    yield from _weight_copy(x, weight)
    call = Call(x, weight, out, options)
    scratch = call.forward_scratch(bias is not None)
    begun = []
    if call.transposed and call.sides == 3 and size(out) > size(x):
        begun = [Hidden("the output, as large as the input at first", tuple(x.shape), x.dtype)]
    if not call.loops:
        yield from largest(begun, scratch)
        return
    # The last group runs when the others' outputs are there and the whole is not; joining follows.
    yield from largest([*call.part(x, "the input"), *scratch], [_apart(out, "outputs")])


def convolution_backward(args: tuple[Any, ...], out: tuple[Tensor | None, ...]) -> Iterator[Hidden]:
    grad, x, weight, options = args[0], args[1], args[2], args[4:10]
    yield from _weight_copy(x, weight)
    call = Call(x, weight, grad, options)
    moments = call.backward_moments(out)
    if call.loops:
        yield from _copies(grad, x, "cpu")
        parts = [*call.part(grad, "the gradient"), *call.part(x, "the input")]
        moments = [[*parts, *moment] for moment in moments]
        moments.append([_apart(t, "gradients") for t in out if t is not None])
    yield from largest(*moments)


def _lies(t: Tensor, x: Tensor, device: str) -> bool:
    return t.is_contiguous(memory_format=wanted_format(x, device))


def _copies(grad: Tensor, x: Tensor | None, device: str) -> list[Hidden]:
    """Of the operands of a gradient that do not lie as the kernel wants them."""
    like = grad if x is None else x
    copied = []
    if x is not None and not _lies(x, like, device):
        copied.append(copy_of(x, "the input in a convolution's backward"))
    if not _lies(grad, like, device):
        copied.append(copy_of(grad, "the gradient in a convolution's backward"))
    return copied


def _apart(tensor: Tensor, what: str) -> Hidden:
    """The groups' results, before they are joined in one tensor."""
    return Hidden(f"the groups' {what} in a convolution", tuple(tensor.shape), tensor.dtype)


def sum_over_all_but_channels(
    shape: tuple[int, ...], dtype: torch.dtype, whose: str
) -> list[Hidden]:
    """In 16 bits it sums a float32 copy, unless the sides that it sums over lie side by side."""
    if dtype not in LOW or shape[0] == 1:
        return []
    what = f"float32 copy of the gradient in {whose} backward"
    return [
        Hidden(f"a sum in {whose} backward", (shape[1],), torch.float32),
        Hidden(what, tuple(shape), torch.float32),
    ]


def _weight_copy(x: Tensor, weight: Tensor) -> list[Hidden]:
    """The weight takes the input's memory format."""
    return [] if _lies(weight, x, "cpu") else [copy_of(weight, "the weight in a convolution")]
