"""A run on the meta device under the tracker: the bytes of a block before it is ever run."""

import sys
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any

import torch

from nonlocal_tut.copies import without_numbers
from nonlocal_tut.memory.allocator import block_sizes
from nonlocal_tut.memory.report import Report
from nonlocal_tut.memory.run import (
    InputShape,
    MakeModule,
    MakeOptimizer,
    built,
    checked,
    forward,
    held_by,
    inputs_for,
    optimizer_for,
    state_bytes,
    tensors_in,
)
from nonlocal_tut.memory.stand_in import RunsAs
from nonlocal_tut.memory.sums import summed
from nonlocal_tut.memory.tracker import Tracker

META = torch.device("meta")
# torch imports its compiler when something is first checkpointed or optimized. Up to some release
# before 2.11, and not after it, that import computes, with numbers that no meta tensor has.
IMPORT_COMPUTES = torch.__version__ < "2.11"  # compared as releases, not as text


def predict(
    make_module: MakeModule,
    input_shape: InputShape,
    dtype: torch.dtype = torch.float32,
    *,
    training: bool = True,
    device: str = "cpu",
    optimizer: MakeOptimizer | None = None,
) -> Report:
    """How many bytes a run will need, and which line asks for each. Nothing is allocated.

    make_module: a function that returns the module, as `lambda: NonLocalBlock(64)`; input_shape:
    of its one input, as (B, C, H, W), or a function that makes its inputs: a tensor, a tuple of
    arguments, or a dictionary of keyword arguments. A training run is a forward and a backward
    pass from the first tensor that the module returns, in training mode; any other is one forward
    pass in eval mode, without autograd. It takes milliseconds, whatever the sizes.

    device: whose kernels and whose allocator, "cpu" or "cuda"; neither needs to be there. For the
    CPU it predicts what `measure` finds there, within some bytes where the report has no "not
    modeled" (a Python number takes 8 of them). For CUDA it is a prediction that this book has not
    held against a GPU unless a page says so.

    optimizer: as `torch.optim.AdamW`, or a function from the parameters to an optimizer: its first
    step follows the backward pass.

    Raises ValueError for an argument that it cannot take, and for a module that does not run on
    the meta device. See chapter 4, "Where do the bytes go?".
    """
    checked(make_module, input_shape, dtype, device, training)
    if IMPORT_COMPUTES:
        import_module("torch._dynamo")
    runs_as = RunsAs(device)
    try:
        module = without_numbers(built(make_module, META)).to(dtype).train(training)
        inputs = inputs_for(input_shape, dtype, META, training)
        resident = [*inputs.tensors, *held_by(module)]
        tracker = Tracker(device, resident, runs_as)
        with META, runs_as, tracker, _as_written():
            out = forward(module, inputs, training)
        forward_ends = tracker.now
        outputs = {tracker.index_of(y) for y in tensors_in(out)}
        if training:
            resident.append(torch.empty_like(tensors_in(out)[0]))
            tracker.is_resident(resident[-1])
            with META, runs_as, tracker:
                tensors_in(out)[0].backward(resident[-1])
        backward_ends = tracker.now
        if steps := optimizer_for(module, optimizer, training):
            with runs_as, tracker:
                steps.step()
    except (RuntimeError, TypeError, NotImplementedError) as error:  # the second from NumPy
        said = " ".join(str(error).split()).rstrip(".")
        raise ValueError(
            "the module failed on the meta device, where tensors have shapes and no numbers: "
            f"{said}. If it needs numbers (.item(), NumPy, indexing by a mask), memory.measure "
            "runs it with numbers."
        ) from error
    tracker.close()
    sizes = None
    if device == "cuda":
        sizes = block_sizes(tracker.allocations, [t.numel() * t.element_size() for t in resident])
    return summed(
        "predicted",
        device,
        tracker.allocations,
        forward_ends=forward_ends,
        backward_ends=backward_ends,
        outputs={i for i in outputs if i is not None},
        sizes=sizes,
        state=state_bytes(steps),
        not_modeled=[*tracker.not_modeled, *runs_as.not_modeled],
    )


def _as_written() -> AbstractContextManager[Any]:
    """What torch.compile has wrapped runs as it was written, under the tracker that would stop it.

    Without this, torch would skip the code here, and from then on wherever it runs.
    """
    if "torch._dynamo" not in sys.modules:  # nothing is compiled, and importing it takes a second
        return nullcontext()
    stance: AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
    return stance
