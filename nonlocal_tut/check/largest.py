"""How large a tensor the reader's function makes, for exercises that allow only so much."""

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class Largest(TorchDispatchMode):
    """How many entries the largest tensor has that is made meanwhile, views aside."""

    entries = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor) and not func.is_view:
            self.entries = max(self.entries, out.numel())
        return out
