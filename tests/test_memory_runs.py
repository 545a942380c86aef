"""Runs that are not one plain block, and the reader's own block, which is left alone."""

import copy
import subprocess
import sys

import pytest
import torch
from memory_cases import QUANTITIES, SHAPE, Does, article
from torch import nn

from nonlocal_tut import NonLocalBlock, SelfAttention2d, memory


def thrice(conv, x):
    y = conv(x)
    return y.sigmoid() * y + y.tanh()


def thrice_as_views(conv, x):
    y = conv(x).flatten(2)
    return (y.mT @ y).softmax(-1) @ y.mT


def views_of_views(conv, x):
    y = conv(x)
    return y.mT.exp() + y.mT.sin() + y.mT.tanh()


def gradient_in_use(conv, x):
    rows = conv(x).flatten(2).mT.sin()
    mean = torch.bmm(torch.bmm(rows, rows.mT), rows)
    return (rows + (mean + rows.tanh())).sigmoid()  # tanh's is added before mean reads it


class Residual(nn.Module):
    """Several blocks in a row, one of them twice, each beside a skip."""

    def __init__(self):
        super().__init__()
        self.first, self.second = article(), NonLocalBlock(8, attention="matmul")
        self.conv = nn.Conv2d(8, 8, 1)

    def forward(self, x):
        x = x + self.first(x).relu()
        x = x + self.conv(self.second(x))
        return x + self.first(x)


class WithMap(nn.Module):
    """Returns (y, map)."""

    def __init__(self):
        super().__init__()
        self.block = SelfAttention2d(8, attention="matmul")

    def forward(self, x):
        return self.block(x, return_attention=True)


def frozen():
    block = article()
    for parameter in (*block.query_conv.parameters(), *block.key_conv.parameters()):
        parameter.requires_grad_(False)
    return block


def frozen_backbone():
    return nn.Sequential(nn.Conv2d(8, 8, 1).requires_grad_(False), nn.ReLU(), article())


RUNS = {
    "a tensor used three times": lambda: Does(thrice),
    "views used three times": lambda: Does(thrice_as_views),
    "transposed three times": lambda: Does(views_of_views),
    "a gradient that another branch still needs": lambda: Does(gradient_in_use),
    "several blocks": Residual,
    "a map beside the output": WithMap,
    "frozen queries and keys": frozen,
    "a frozen convolution first": frozen_backbone,
    "all of it frozen": lambda: article().requires_grad_(False),
    "its input, returned": nn.Identity,
    "a view of its input": lambda: nn.Flatten(2),
    "a mean": lambda: Does(lambda conv, x: conv(x).mean()),
    "halves": lambda: Does(lambda conv, x: torch.mul(*conv(x).chunk(2, 1))),
    "in place": lambda: Does(lambda conv, x: conv(x).relu_()),
}


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("name", RUNS)
def test_other_modules_are_predicted_to_the_byte(name, training):
    predicted = memory.predict(RUNS[name], SHAPE, training=training)
    measured = memory.measure(RUNS[name], SHAPE, training=training, device="cpu")
    assert predicted.not_modeled == ()
    for quantity in QUANTITIES:
        expected = getattr(measured, quantity)
        assert getattr(predicted, quantity) == pytest.approx(expected, rel=0, abs=64), quantity


def test_frozen_parameters_get_no_gradient_and_freezing_saves_bytes():
    free, some, none = (
        memory.predict(make, SHAPE)
        for make in (article, frozen, lambda: article().requires_grad_(False))
    )
    assert len([a for a in free.timeline if a.shape == (1, 8, 1, 1)]) == 2
    assert len([a for a in some.timeline if a.shape == (1, 8, 1, 1)]) == 0
    assert none.saved_bytes < free.saved_bytes and none.backward_peak_bytes > 0


def test_a_map_that_is_returned_is_output_and_not_saved():
    apart, beside = (
        memory.predict(make, SHAPE)
        for make in (lambda: SelfAttention2d(8, attention="matmul"), WithMap)
    )
    assert apart.saved_bytes - beside.saved_bytes == 2 * 70**2 * 4


# --- the reader's own block


def state(block):
    return (
        {name: tensor.clone() for name, tensor in block.state_dict().items()},
        {name: p.grad.clone() for name, p in block.named_parameters()},
        [(part.training, len(part._forward_hooks)) for part in block.modules()],
        [(p.device, p.dtype, p.requires_grad) for p in block.parameters()],
    )


@pytest.mark.parametrize("run", [memory.predict, memory.measure])
@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
def test_the_reader_s_block_is_left_as_it_is(run, training):
    block = NonLocalBlock(8, attention="matmul").train(not training)
    block.norm.train(True)
    block(torch.randn(SHAPE)).sum().backward()
    before, objects = copy.deepcopy(state(block)), [id(p) for p in block.parameters()]
    random = torch.get_rng_state() if run is memory.predict else None
    report = run(lambda: block, SHAPE, torch.bfloat16, training=training, device="cpu")
    (old, old_grads, *old_flags), (new, grads, *flags) = before, state(block)
    assert all(torch.equal(old[name], new[name]) for name in old) and old.keys() == new.keys()
    assert all(torch.equal(old_grads[name], grads[name]) for name in old_grads)
    assert flags == old_flags and objects == [id(p) for p in block.parameters()]
    assert random is None or torch.equal(random, torch.get_rng_state())
    anew = run(
        lambda: NonLocalBlock(8, attention="matmul"),
        SHAPE,
        torch.bfloat16,
        training=training,
        device="cpu",
    )
    assert report.peak_bytes == anew.peak_bytes and report.saved_bytes == anew.saved_bytes


def test_a_block_on_the_meta_device_is_left_alone_too():
    with torch.device("meta"):
        block = article()
    assert memory.predict(lambda: block, SHAPE, torch.float16).peak_bytes > 0
    assert {(p.dtype, p.grad) for p in block.parameters()} == {(torch.float32, None)}


@pytest.mark.parametrize("run", [memory.predict, memory.measure])
@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
def test_a_module_runs_in_the_mode_that_is_asked_for_whatever_mode_it_is_made_in(run, training):
    modes = []

    class Seen(nn.Module):
        def forward(self, x):
            modes.append(self.training)
            return x * 2

    run(lambda: Seen().train(not training), SHAPE, training=training, device="cpu")
    assert set(modes) == {training}


def test_measuring_leaves_threads_and_onednn_as_they_were():
    threads, enabled = torch.get_num_threads(), torch.backends.mkldnn.enabled
    memory.measure(article, SHAPE, device="cpu")
    assert torch.get_num_threads() == threads and torch.backends.mkldnn.enabled == enabled


def test_a_module_that_keeps_a_computed_weight_is_run_as_a_copy():
    """The old weight_norm keeps the weight that it computes, which deepcopy alone refuses."""
    with pytest.warns(FutureWarning):
        conv = torch.nn.utils.weight_norm(nn.Conv1d(4, 4, 3))
    before = conv.weight_g.clone()
    predicted = memory.predict(lambda: conv, (2, 4, 19))
    measured = memory.measure(lambda: conv, (2, 4, 19), device="cpu")
    assert abs(predicted.peak_bytes - measured.peak_bytes) <= 64
    assert torch.equal(conv.weight_g, before) and conv.weight_g.grad is None


@pytest.mark.parametrize("training", [True, False])
def test_compiled_code_is_measured_as_it_was_compiled(training):
    """Predicted before it is measured, it must not be skipped from then on."""

    class Doubled(nn.Module):
        def __init__(self):
            super().__init__()
            self.compiled = torch.compile(self.double, backend=backend)

        def double(self, x):
            return (x + 1).sin().cos() * 2

        def forward(self, x):
            return self.compiled(x)

    graphs, calls = [], []

    def backend(graph, inputs):
        graphs.append(graph)

        def run(*given):
            calls.append(len(given))
            return graph.forward(*given)

        return run

    torch.compiler.reset()
    report = memory.measure(Doubled, SHAPE, training=training, device="cpu")
    assert graphs and len(calls) >= 2  # the rehearsal, and the run that is measured
    assert report.peak_bytes > 0


@pytest.mark.compiles
@pytest.mark.parametrize("training", [True, False])
def test_compiling_does_not_remove_the_attention_matrix(training):
    """Chapter 5 says so, in a cell that needs a C++ compiler."""

    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.attend = torch.compile(self.with_the_matrix)

        def with_the_matrix(self, rows):
            return (rows @ rows.mT).softmax(dim=-1) @ rows

        def forward(self, rows):  # (B, N, C)
            return self.attend(rows)

    torch.compiler.reset()
    try:
        report = memory.measure(Plain, (1, 1024, 8), training=training, device="cpu")
    except Exception as error:
        if "compile" not in type(error).__name__.lower() + str(error).lower():
            raise
        pytest.skip(f"no C++ compiler that torch can use: {type(error).__name__}")
    one = 4 * 1024**2
    assert 2 * one <= report.peak_bytes < 3 * one  # of three in training one goes, else none


FIRST = """\
import torch
from torch.utils.checkpoint import checkpoint
from nonlocal_tut import NonLocalBlock, memory
class Again(NonLocalBlock):
    def forward(self, x):
        return checkpoint(super().forward, x, use_reentrant=False)
more = {"optimizer": torch.optim.AdamW} if "OPTIMIZES" else {}
memory.predict(lambda: Again(8), (1, 8, 4, 4), **more)"""


@pytest.mark.parametrize("optimizes", ["", "OPTIMIZES"])
def test_a_process_may_begin_with_a_checkpoint_or_an_optimizer(optimizes):
    """Either makes torch import its compiler, under whatever mode there is."""
    code = FIRST.replace("OPTIMIZES", optimizes)
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
