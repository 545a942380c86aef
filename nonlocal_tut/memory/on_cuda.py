"""A run on a GPU, as the caching allocator counts it."""

import gc

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
    before = _requested("current")
    gradient = _rehearsed(module, x, training)
    cuda.synchronize()
    cuda.empty_cache()  # so that no block is larger than it would be in a fresh process
    base, requested = cuda.memory_allocated(), _requested("current")

    def peaks() -> tuple[int, int]:
        cuda.synchronize()
        return cuda.max_memory_allocated() - base, _requested("peak") - requested

    cuda.reset_peak_memory_stats()
    out = forward(module, x, training)
    forward_peak, forward_requested = peaks()
    kept = _requested("current") - requested
    returned = {y.untyped_storage().data_ptr(): y.untyped_storage() for y in tensors_in(out)}
    for t in (x, *held_by(module)):  # what was there before was not added by returning it
        returned.pop(t.untyped_storage().data_ptr(), None)
    backward_peak = backward_requested = 0
    if training:
        cuda.reset_peak_memory_stats()
        tensors_in(out)[0].backward(gradient)
        backward_peak, backward_requested = peaks()
    return Report(
        "measured",
        "cuda",
        peak_bytes=max(forward_peak, backward_peak),
        forward_peak_bytes=forward_peak,
        backward_peak_bytes=backward_peak,
        saved_bytes=kept - sum(storage.nbytes() for storage in returned.values()),
        requested_bytes=max(forward_requested, backward_requested),
        workspace_bytes=requested - before - _size(gradient),
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
