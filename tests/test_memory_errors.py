"""What cannot be run: arguments that are wrong, modules that need numbers, too little memory."""

import importlib
import re

import pytest
import torch
from memory_cases import SHAPE, Does, article
from torch import nn

from nonlocal_tut import SelfAttention2d, memory
from nonlocal_tut.memory.report import amount

measuring = importlib.import_module("nonlocal_tut.memory.measure")


BOTH = pytest.mark.parametrize("run", [memory.predict, memory.measure])


@BOTH
@pytest.mark.parametrize(
    "shape",
    [
        *[(0, 8, 9, 9), (1, -1, 9, 9), (1, 8, 1.5, 9), (1, 8, True, 9), (1, 8, "64", 9)],
        *[64, "1899", None, (), torch.Size([])],
    ],
)
def test_sizes_are_positive_integers(run, shape):
    told = f"input_shape must be positive integers, not {shape!r}"
    with pytest.raises(ValueError, match=re.escape(told)):
        run(article, shape, device="cpu")


@BOTH
def test_sizes_that_torch_cannot_count_are_refused(run):
    with pytest.raises(ValueError, match="has more bytes than torch can count"):
        run(article, (1, 8, 2**30, 2**30), device="cpu")


@BOTH
@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"dtype": torch.int64}, "dtype must be one of torch.float32, .*, not torch.int64"),
        ({"dtype": "float32"}, "dtype must be one of torch.float32, .*, not 'float32'"),
        ({"device": "tpu"}, "device must be one of 'cpu', 'cuda', not 'tpu'"),
        ({"device": "cuda:0"}, "device must be one of 'cpu', 'cuda', not 'cuda:0'"),
        ({"make_module": nn.ReLU()}, r"make the module, as lambda: ReLU\(…\), not be one"),
        ({"make_module": 3}, "must be a function without arguments, not 3"),
        ({"make_module": lambda: 3}, "must return a torch.nn.Module, not 3"),
        ({"make_module": lambda: Does(lambda conv, x: None)}, "must return a tensor, not None"),
        ({"input_shape": (1, 9, 4, 4)}, "must have 8 channels, not 9"),
    ],
)
def test_an_argument_that_is_wrong_is_named(run, changed, told):
    good = {"make_module": lambda: SelfAttention2d(8), "input_shape": SHAPE, "device": "cpu"}
    with pytest.raises(ValueError, match=told):
        run(**good | changed)


def test_measuring_on_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="needs a GPU that torch can use"):
        memory.measure(article, SHAPE, device="cuda")
    assert memory.measure(article, SHAPE).device == "cpu"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("thesis", 1, 8, 9, 9), "variant must be one of 'article', .*, not 'thesis'"),
        (("article", 1, 8, 9, 9, torch.int8), "dtype must be one of .*, not torch.int8"),
        (("article", 0, 8, 9, 9), "B must be an integer of 1 or more, not 0"),
        (("article", 1, 7, 9, 9), "C must be an integer of 8 or more, not 7"),
        (("paper", 1, 1, 9, 9), "C must be an integer of 2 or more, not 1"),
        (("paper", 1, 8, 1, 9), "H must be an integer of 2 or more, not 1"),
        (("swapped", 1, 8, 9, -9), "W must be an integer of 2 or more, not -9"),
        (("swapped", 1, 8, 9, 9.0), "W must be an integer of 2 or more, not 9.0"),
        (("swapped", True, 8, 9, 9), "B must be an integer of 1 or more, not True"),
        (("swapped", "1", 8, 9, 9), "B must be an integer of 1 or more, not '1'"),
    ],
)
def test_the_closed_form_names_what_is_wrong(arguments, told):
    with pytest.raises(ValueError, match=told):
        memory.closed_form(*arguments)


NEEDS_NUMBERS = {
    "item": lambda conv, x: conv(x) * x.sum().item(),
    "branch": lambda conv, x: conv(x) if x.sum() < 1e9 else x,
    "NumPy": lambda conv, x: conv(x) + float(x.detach().numpy().max()),
    "mask": lambda conv, x: conv(x)[x > 0],
}


@pytest.mark.parametrize("name", NEEDS_NUMBERS)
def test_a_module_that_needs_numbers_is_an_error_that_names_the_way_round(name):
    def make():
        return Does(NEEDS_NUMBERS[name])

    with pytest.raises(ValueError, match="failed on the meta device") as told:
        memory.predict(make, SHAPE)
    assert "memory.measure runs it with numbers" in str(told.value)
    assert str(told.value.__cause__).split()[0] in str(told.value)
    assert memory.measure(make, SHAPE, device="cpu").peak_bytes > 0


# --- too little memory


@pytest.fixture
def nothing_runs(monkeypatch):
    monkeypatch.setattr(measuring, "built", lambda *args: pytest.fail("it went on to run"))


@pytest.mark.parametrize("short", [0, 1])
def test_measuring_refuses_what_does_not_fit_and_shows_the_prediction(monkeypatch, short):
    predicted, given = memory.predict(article, SHAPE), 2 * 8 * 10 * 7 * 4
    enough = predicted.peak_bytes + given
    monkeypatch.setattr(measuring, "free_bytes", lambda device: enough - short)
    if not short:
        assert memory.measure(article, SHAPE, device="cpu").peak_bytes == predicted.peak_bytes
        return
    monkeypatch.setattr(measuring, "built", lambda *args: pytest.fail("it went on to run"))
    with pytest.raises(MemoryError, match="nothing was run") as told:
        memory.measure(article, SHAPE, device="cpu")
    assert f"would need {amount(predicted.peak_bytes)}" in str(told.value)
    assert f"{amount(enough - 1)} are free" in str(told.value)
    assert str(predicted) in str(told.value)


@pytest.mark.parametrize(
    ("make", "shape"), [(article, (1, 8, 4096, 4096)), (nn.Identity, (2**20, 2**20))]
)
@pytest.mark.skipif(measuring.free_bytes("cpu") is None, reason="the system does not say")
def test_measuring_really_refuses_a_petabyte(nothing_runs, make, shape):
    with pytest.raises(MemoryError, match="nothing was run"):
        memory.measure(make, shape, device="cpu")


def test_where_the_system_does_not_say_it_is_tried(monkeypatch):
    def no_meminfo(*args, **more):
        raise FileNotFoundError

    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", no_meminfo)
        assert measuring.free_bytes("cpu") is None
    monkeypatch.setattr(measuring, "free_bytes", lambda device: None)
    assert memory.measure(article, SHAPE, device="cpu").peak_bytes > 0


def test_as_many_bytes_as_torch_cannot_count_are_refused_and_one_tensor_less_is_not():
    with pytest.raises(ValueError, match="more bytes than torch can count"):
        memory.predict(nn.Identity, (2**61,), training=False)
    assert memory.predict(nn.Identity, (2**60,), training=False).peak_bytes == 0
