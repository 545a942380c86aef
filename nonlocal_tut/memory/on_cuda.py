"""A run on a GPU, as the caching allocator counts it."""

import gc
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from nonlocal_tut.memory.report import Report
from nonlocal_tut.memory.run import forward, held_by, tensors_in


def run_on_cuda(module: nn.Module, x: Tensor, training: bool) -> Report:
    """Warm up with one run, then read the allocator's statistics around each pass."""
    cuda = torch.cuda
    if cuda.get_allocator_backend() != "native":
        raise ValueError(
            "measuring on a GPU needs torch's own allocator, which counts what is requested; "
            f"this process was started with {cuda.get_allocator_backend()}"
        )
    read = {"requested_before": _requested("current")}
    gradient = _rehearsed(module, x, training)
    cuda.synchronize()
    cuda.empty_cache()  # so that no block is larger than it would be in a fresh process
    read |= {"gradient": _size(gradient), "allocated_base": cuda.memory_allocated()}
    read["requested_base"] = _requested("current")

    def peaks(turn: str) -> dict[str, int]:
        cuda.synchronize()
        figures = cuda.max_memory_allocated(), _requested("peak")
        return dict(zip((f"{turn}_allocated", f"{turn}_requested"), figures, strict=True))

    cuda.reset_peak_memory_stats()
    out = forward(module, x, training)
    read |= peaks("forward")
    read["requested_between"] = _requested("current")
    returned = {y.untyped_storage().data_ptr(): y.untyped_storage() for y in tensors_in(out)}
    for t in (x, *held_by(module)):  # what was there before was not added by returning it
        returned.pop(t.untyped_storage().data_ptr(), None)
    read["returned"] = sum(storage.nbytes() for storage in returned.values())
    if training:
        cuda.reset_peak_memory_stats()
        tensors_in(out)[0].backward(gradient)
        read |= peaks("backward")
    return report_of(read)


def report_of(read: Mapping[str, int]) -> Report:
    """The report that the allocator's readings come to; there is no backward one at inference.

    Current bytes, requested: `requested_before` all, `requested_base` with libraries warmed up and
    the `gradient` made, `requested_between` the passes, when `returned` are the module's outputs.
    `allocated_base` likewise in blocks. Peaks: `forward_allocated` in blocks, `forward_requested`,
    and the same of `backward`.
    """
    turns = [turn for turn in ("forward", "backward") if f"{turn}_allocated" in read]
    allocated = {turn: read[f"{turn}_allocated"] - read["allocated_base"] for turn in turns}
    base = read["requested_base"]
    return Report(
        "measured",
        "cuda",
        peak_bytes=max(allocated.values()),
        forward_peak_bytes=allocated["forward"],
        backward_peak_bytes=allocated.get("backward", 0),
        saved_bytes=read["requested_between"] - base - read["returned"],
        requested_bytes=max(read[f"{turn}_requested"] for turn in turns) - base,
        workspace_bytes=base - read["requested_before"] - read["gradient"],
        readings=dict(read),
    )


def _requested(which: str) -> int:
    return torch.cuda.memory_stats()[f"requested_bytes.all.{which}"]


def _size(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.numel() * tensor.element_size()


def _rehearsed(module: nn.Module, x: Tensor, training: bool) -> Tensor | None:
    """Run once, so that libraries have set themselves up; the gradient for the output comes out."""
    y = tensors_in(forward(module, x, training))[0]
    gradient = torch.randn_like(y) if training else None
    if training:
        y.backward(gradient)
    for tensor in (x, *module.parameters()):
        tensor.grad = None
    del y
    gc.collect()
    return gradient
