"""A run on the meta device under the tracker: the bytes of a block before it is ever run."""

from collections.abc import Sequence

import torch

from nonlocal_tut.memory.allocator import block_sizes
from nonlocal_tut.memory.report import Report, summed
from nonlocal_tut.memory.run import MakeModule, built, checked, forward, held_by, tensors_in
from nonlocal_tut.memory.stand_in import RunsAs
from nonlocal_tut.memory.tracker import Tracker
from nonlocal_tut.shapes.record import without_numbers


def predict(
    make_module: MakeModule,
    input_shape: Sequence[int],
    dtype: torch.dtype = torch.float32,
    *,
    training: bool = True,
    device: str = "cpu",
) -> Report:
    """How many bytes a run will need, and which line asks for each. Nothing is allocated.

    make_module: a function that returns the module, as `lambda: NonLocalBlock(64)`; input_shape:
    of its one input, as (B, C, H, W). A training run is a forward and a backward pass from the
    first tensor that the module returns, in training mode; any other is one forward pass in eval
    mode, without autograd. It takes milliseconds, whatever the sizes.

    device: whose kernels and whose allocator, "cpu" or "cuda"; neither needs to be there. For the
    CPU it predicts what `measure` finds there, to the byte where the report has no "not modeled".
    For CUDA it is a prediction that this book has not held against a GPU unless a page says so.

    Raises ValueError for an argument that it cannot take, and for a module that does not run on
    the meta device. See chapter 4, "Where do the bytes go?".
    """
    checked(make_module, input_shape, dtype, device)
    module = without_numbers(built(make_module, torch.device("meta"))).to(dtype).train(training)
    x = torch.empty(input_shape, dtype=dtype, device="meta", requires_grad=training)
    resident = [x, *held_by(module)]
    tracker = Tracker(device, resident)
    try:
        with RunsAs(device), tracker:
            out = forward(module, x, training)
        forward_ends = tracker.now
        outputs = {tracker.index_of(y) for y in tensors_in(out)}
        if training:
            resident.append(torch.empty_like(tensors_in(out)[0]))
            tracker.is_resident(resident[-1])
            with RunsAs(device), tracker:
                tensors_in(out)[0].backward(resident[-1])
    except (RuntimeError, TypeError) as error:  # the second from NumPy
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
        outputs=outputs,
        sizes=sizes,
        not_modeled=tracker.not_modeled,
    )
