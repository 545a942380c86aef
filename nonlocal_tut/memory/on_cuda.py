"""A run on a GPU, as the caching allocator counts it."""

import gc
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from nonlocal_tut.memory.report import Report
from nonlocal_tut.memory.run import Inputs, forward, held_by, state_bytes, tensors_in


def run_on_cuda(
    module: nn.Module, inputs: Inputs, training: bool, optimizer: Optimizer | None
) -> Report:
    """Warm up with one run, then read the allocator's statistics around each pass."""
    cuda = torch.cuda
    if cuda.get_allocator_backend() != "native":
        raise ValueError(
            "measuring on a GPU needs torch's own allocator, which counts what is requested; "
            f"this process was started with {cuda.get_allocator_backend()}"
        )
    read = {"requested_before": _requested("current")}
    gradient = _rehearsed(module, inputs, training)
    cuda.synchronize()
    cuda.empty_cache()  # so that no block is larger than it would be in a fresh process
    read |= {"gradient": _size(gradient), "allocated_base": cuda.memory_allocated()}
    read["requested_base"] = _requested("current")

    def peaks(turn: str) -> dict[str, int]:
        cuda.synchronize()
        figures = cuda.max_memory_allocated(), _requested("peak")
        return dict(zip((f"{turn}_allocated", f"{turn}_requested"), figures, strict=True))

    cuda.reset_peak_memory_stats()
    out = forward(module, inputs, training)
    read |= peaks("forward")
    read["requested_between"] = _requested("current")
    returned = {y.untyped_storage().data_ptr(): y.untyped_storage() for y in tensors_in(out)}
    # What was there before was not added by returning it.
    for t in (*inputs.tensors, *held_by(module)):
        returned.pop(t.untyped_storage().data_ptr(), None)
    read["returned"] = sum(storage.nbytes() for storage in returned.values())
    if training:
        cuda.reset_peak_memory_stats()
        tensors_in(out)[0].backward(gradient)
        read |= peaks("backward")
    if optimizer is not None:
        cuda.reset_peak_memory_stats()
        optimizer.step()
        read |= peaks("step") | {"state": state_bytes(optimizer)}
    return report_of(read)


def report_of(read: Mapping[str, int]) -> Report:
    """The report that the allocator's readings come to; not each run has a backward pass or a step.

    Current bytes, requested: `requested_before` all, `requested_base` with libraries warmed up and
    the `gradient` made, `requested_between` the passes, when `returned` are the module's outputs.
    `allocated_base` likewise in blocks. Peaks: `forward_allocated` in blocks, `forward_requested`,
    and the same of `backward` and `step`; `state` is what the optimizer keeps.
    """
    turns = [turn for turn in ("forward", "backward", "step") if f"{turn}_allocated" in read]
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
        step_peak_bytes=allocated.get("step", 0),
        state_bytes=read.get("state", 0),
        workspace_bytes=base - read["requested_before"] - read["gradient"],
        readings=dict(read),
    )


def _requested(which: str) -> int:
    requested: int = torch.cuda.memory_stats()[f"requested_bytes.all.{which}"]
    return requested


def _size(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.numel() * tensor.element_size()


def _rehearsed(module: nn.Module, inputs: Inputs, training: bool) -> Tensor | None:
    """Run once, so that libraries have set themselves up; the gradient for the output comes out."""
    y = tensors_in(forward(module, inputs, training))[0]
    gradient = torch.randn_like(y) if training else None
    if training:
        y.backward(gradient)
    for tensor in (*inputs.tensors, *module.parameters()):
        tensor.grad = None
    del y
    gc.collect()
    return gradient
