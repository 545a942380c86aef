"""Follows every byte of a run: a dispatch mode sees each operation, a finalizer sees each death.

A tensor's bytes belong to its storage, which views share. A storage is born in the operation that
first returns it, and dies when nothing refers to it any more, autograd's saved tensors included.
On the meta device all of this happens without a byte being allocated.
"""

import itertools
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nonlocal_tut.memory.formats import as_made
from nonlocal_tut.memory.hidden import ROWS, Hidden, unknown
from nonlocal_tut.memory.lines import Line, Lines
from nonlocal_tut.memory.report import Allocation
from nonlocal_tut.memory.stand_in import RunsAs

INTO_ZEROS = ("scatter", "scatter_add", "index_add", "index_put")


class Tracker(TorchDispatchMode):
    """Collects, while it is entered, an `Allocation` for every storage that is made.

    device: whose hidden copies are added, "cpu" or "cuda"; way: how the run goes. Steps are
    counted from 0: one for each birth and for each death.
    """

    def __init__(self, device: str, resident: Iterable[Tensor], way: RunsAs) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.device, self.lines, self.way = device, Lines(), way
        self.allocations: list[Allocation] = []
        self.not_modeled: list[str] = []
        self.steps = itertools.count()
        self.now = -1  # the last step
        self.of_storage: dict[int, Allocation | None] = {}
        self.is_resident(*resident)

    def is_resident(self, *tensors: Tensor) -> None:
        """Leave these out of the account: they were there before, or come from outside."""
        self.of_storage.update((_key(tensor), None) for tensor in tensors)

    def close(self) -> None:
        """The run is over: what dies from now on dies after it."""
        self.of_storage.clear()

    def index_of(self, tensor: Tensor) -> int | None:
        """The place in `allocations` of a tensor's storage; None if it is resident."""
        a = self.of_storage.get(_key(tensor))
        return None if a is None else next(i for i, b in enumerate(self.allocations) if b is a)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        out = as_made(name, args, out, self.device)
        line, in_engine = self.lines.of_this_operation()
        if in_engine and name == "add" and self._added_in_place(args[0], args[1], out):
            return out
        if in_engine and name in INTO_ZEROS:
            self._written_in_place(args[0], out)
        made = {_key(t): t for t in tree_leaves(out) if isinstance(t, Tensor)}
        for key, tensor in made.items():
            if key not in self.of_storage:
                a = self._born(line, name, tuple(tensor.shape), tensor.dtype)
                a.bytes, a.backward = tensor.untyped_storage().nbytes(), in_engine
                self._watch(tensor, a)
        inside = []
        row = ROWS[self.device].get(name, _nothing)
        if name == "add" and self.way.adds_in_place:  # which a mode prevents, at the same price
            row = _nothing
        for hidden in row(args, out):
            a = self._born(line, hidden.what, hidden.shape, hidden.dtype)
            a.bytes, a.backward, a.hidden = hidden.bytes, in_engine, True
            inside.append(a)
        for a in inside:
            self._died(a)
        self._left_out(unknown(name, args, self.device))
        if not in_engine:
            self._left_out(self.way.casts.missed(name, args))
        return out

    def _left_out(self, told: str | None) -> None:
        if told and told not in self.not_modeled:
            self.not_modeled.append(told)

    def _born(
        self, line: Line, operation: str, shape: tuple[int, ...], dtype: torch.dtype
    ) -> Allocation:
        self.now = next(self.steps)
        a = Allocation(line.text, operation, shape, dtype, 0, self.now, where=line.where)
        self.allocations.append(a)
        return a

    def _died(self, a: Allocation) -> None:
        self.now = a.died = next(self.steps)

    def _watch(self, tensor: Tensor, a: Allocation) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        self.of_storage[key] = a

        def gone() -> None:
            if self.of_storage.get(key) is a:  # else a sum has taken its place, see below
                del self.of_storage[key]
                self._died(a)

        weakref.finalize(storage, gone)

    def _added_in_place(self, old: Tensor, new: Tensor, out: Tensor) -> bool:
        """Count autograd's sum of two gradients as a run without this mode makes it: in place.

        Autograd adds the second gradient of a tensor to the first where nothing else refers to
        that one, but never while a mode watches. Then the sum takes over the first's bytes. A view
        is never added to: the tensor that it is a view of refers to the same bytes.
        """
        a = self.of_storage.get(_key(old))
        if a is None or old._is_view() or _references(old) > _references(new):
            return False
        self._takes_over(out, old, a)
        return True

    def _written_in_place(self, old: Tensor, out: Tensor) -> None:
        """Autograd's own zeros, into which a gradient is written: in place, but under a mode."""
        a = self.of_storage.get(_key(old))
        if a is not None and a.backward and a.operation in ("zeros", "new_zeros"):
            self._takes_over(out, old, a)

    def _takes_over(self, new: Tensor, old: Tensor, a: Allocation) -> None:
        del self.of_storage[_key(old)]
        self._watch(new, a)


def _nothing(args: tuple[Any, ...], out: Any) -> Iterable[Hidden]:
    return ()


def _key(tensor: Tensor) -> int:
    key: int = tensor.untyped_storage()._cdata
    return key


def _references(tensor: Tensor) -> int:
    # No public name: without it, as if nothing else referred to the tensor, the usual case.
    count: Callable[[], int] = getattr(tensor, "_use_count", lambda: 0)
    return count()
