"""What every task shares: a batch of examples, how a net's answers are read, the training loop."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nonlocal_tut.arguments import above_zero, function, instance, whole

COLORS = 4


class Examples(NamedTuple):
    """A batch of the task: what is shown, where it is asked, what is right."""

    maps: Tensor  # (B, planes, [T,] side, side): a plane a color, one for the marker, the task's
    marker: Tensor  # (B,) index of the marker among all positions; or (B, P), P of them
    color: Tensor  # like marker: the dot's color, 0 … COLORS - 1


def answers(model: nn.Module, examples: Examples) -> Tensor:
    """The net's logits where it is asked: (B, COLORS, [T,] H, W) at the marker -> (B, COLORS).

    With several markers, marker being (B, P): -> (B, COLORS, P).
    Raises ValueError if the net's logits have another shape. See chapter 1.
    """
    function("model", model, "a module")
    instance("examples", examples, Examples, "Examples, as a task draws them")
    logits: Tensor = model(examples.maps)
    wanted = (len(examples.maps), COLORS, *examples.maps.shape[2:])
    if logits.shape != wanted:
        raise ValueError(f"the net's logits must be {wanted}, they are {tuple(logits.shape)}")
    place = examples.marker.view(len(logits), 1, -1).expand(-1, COLORS, -1)  # (B, COLORS, P)
    return logits.flatten(2).gather(2, place).view(-1, COLORS, *examples.marker.shape[1:])


def fit(
    build: Callable[[], nn.Module],
    draw: Callable[[torch.Generator], Examples],
    *,
    steps: int,
    rate: float,
    seed: int,
    label: str,
) -> tuple[nn.Module, list[float]]:
    """The loop of the copy and stereo tasks: a fresh batch from `draw` a step. -> net, losses.

    On a CPU it takes one thread, and gives back as many as there were. The net is in eval mode
    afterwards. Raises ValueError if its logits have another shape.
    """
    function("build", build, "a function that builds a module")
    steps, seed = whole("steps", steps, 0), whole("seed", seed)
    above_zero("learning_rate", rate)
    instance("label", label, str, "a text")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    data = torch.Generator().manual_seed(seed)
    losses = []
    print(label, end=" ", flush=True)
    with torch.random.fork_rng(), one_thread() if device == "cpu" else nullcontext():
        torch.manual_seed(seed)  # for the first weights, and for dropout
        model = build().to(device).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
        for step in range(steps):
            examples = to(draw(data), device)
            loss = F.cross_entropy(answers(model, examples), examples.color)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            print("·" * (10 * (step + 1) // steps - 10 * step // steps), end="", flush=True)
    print(" trained", flush=True)
    return model.eval(), losses


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for kernels of microseconds, and the threads that there were afterwards.

    The nets of chapters 1 and 7 on two cores: two threads take two thirds of the time of one while
    nothing else runs, and 3 to 40 times that time beside other programs, waiting for each other.
    """
    threads = torch.get_num_threads()
    if threads == 1:  # setting it stops MKL from choosing its own threads later
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def to(examples: Examples, device: str | torch.device) -> Examples:
    """The same examples on a device."""
    return Examples(*(t.to(device) for t in examples))
