"""Every public function and class, called with what it may be given by mistake.

One table: how a name is called, arguments that are right, and the kind of each argument (see
`bad_values`). A call with a wrong value must end in a ValueError or a TypeError whose text names
the argument and what was given; one with a right value in another form gives the same result. A
number that cannot be right (NaN and Inf inside, or an overflow) may make the result NaN or
infinite, and never another finite number.
"""

import copy
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, nan
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import random_numbers
import torch
import torch.distributed as dist
from bad_values import (
    DEVICE,
    FLAG,
    FLOATING,
    NOT_A_TENSOR,
    RANK,
    TEXT,
    Kind,
    anything_but,
    choice,
    count,
    kind,
    number,
    numbers,
    repeated,
    several,
    spread,
)
from public_names import public
from torch import nn
from torch.utils._pytree import tree_leaves

import nonlocal_tut
from nonlocal_tut import (
    NonLocalBlock,
    SelfAttention2d,
    check,
    draw,
    memory,
    records,
    shapes,
    tasks,
    words,
)
from nonlocal_tut import receptive_field as rf
from nonlocal_tut.attention_maps import attention_maps, distance_between_rows
from nonlocal_tut.convert import from_peer, prefixes
from nonlocal_tut.cousins import COUSINS
from nonlocal_tut.insert import insert_after, placements, remove
from nonlocal_tut.pairwise import affinity, attend, split_concatenation
from nonlocal_tut.pairwise.backends import fused_backend
from nonlocal_tut.parallel import SplitPositions, attend_split, run
from nonlocal_tut.tables import table

RECORDS = "a record that the module fills and returns"
CONSTANT = "a constant, which takes no argument"
INSIDE = "a part of attention_maps, which is tried with all that reaches it"


@dataclass(frozen=True)
class Public:
    """A name: how it is called, arguments that are right, and what each of them may be."""

    call: Callable[..., Any]
    right: Callable[[], dict[str, Any]]
    kinds: dict[str, Kind]


normal = functools.partial(random_numbers.normal, dtype=torch.float32)


def awake(block, dtype=torch.float32):
    """Every parameter random, so that the result depends on all of them."""
    return random_numbers.awake(block.to(dtype), std=0.5)


def of(block):
    """Call a block in the dtype of x, if that is one of a block's."""

    def call(x, **more):
        double = isinstance(x, torch.Tensor) and x.dtype == torch.float64
        return awake(block, torch.float64 if double else torch.float32).eval()(x, **more)

    return call


class Drawn:
    """The result of a function that draws."""


def drawing(function):
    def call(*args, **kwargs):
        function(*args, **kwargs)
        return Drawn()

    return call


@pytest.fixture
def closed(monkeypatch):
    """A figure that is shown is closed: how it looks, other tests say."""
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    yield
    plt.close("all")


def operands(**more):
    return lambda: {
        "theta": normal(2, 5, 4),
        "phi": normal(2, 6, 4, seed=1),
        "g": normal(2, 6, 3, seed=2),
        **more,
    }


class Stages(nn.Module):
    def __init__(self):
        super().__init__()
        for stage in range(1, 5):
            self.add_module(
                f"layer{stage}",
                nn.Sequential(*[nn.Sequential(nn.Conv2d(3, 3, 1)) for _ in range(6)]),
            )


def inserted():
    return insert_after(nn.Sequential(nn.Conv2d(3, 4, 3)), {"0": NonLocalBlock})


def of_map():
    return awake(NonLocalBlock(4)).eval()


def answer_net():
    return nn.Conv2d(tasks.COLORS + 1, tasks.COLORS, 1)


def examples():
    return tasks.remote_copy(2, 5, generator=torch.Generator().manual_seed(0))


@functools.cache
def predicted():
    return memory.predict(lambda: SelfAttention2d(8), (1, 8, 4, 4))


def NAMES(allocations):
    report = predicted()
    return [
        str(i) for i, a in enumerate(a for a in allocations if a.bytes >= report.peak_bytes / 10)
    ]


# What a figure shows may be of any dtype; nothing is drawn of what has no numbers.
FIGURE = Kind(
    NOT_A_TENSOR | RANK | {"meta": lambda x: x.to("meta")},
    {
        "requires_grad": lambda x: x.clone().requires_grad_(),
        "float64": lambda x: x.double(),
        "spread": spread,
        "expanded": repeated,
    },
)
OWN = {
    "CompactGeneralized": ("groups",),
    "CrissCross": ("passes",),
    "DoubleAttention": ("descriptors",),
    "ExpectationMaximization": ("bases",),
}
MODULE = anything_but(nn.ReLU())
OPERAND = numbers(
    "float64", more={"float64": lambda x: x.double(), "another batch": lambda x: torch.cat([x, x])}
)
VECTOR = numbers("float64", more={"float64": lambda x: x.double()})
FORM = {
    "pairwise": choice(),
    "attention": choice(),
}
PEER = {
    f"{n}.{p}": v
    for n in ("theta", "phi", "g")
    for p, v in (("weight", normal(2, 4, 1, 1)), ("bias", normal(2)))
}
PEER = {**PEER, "W.weight": normal(4, 2, 1, 1), "W.bias": normal(4)}
RUN = {
    "make_module": anything_but(),
    "input_shape": kind(
        0,
        -1,
        1.5,
        None,
        nan,
        "three",
        (),
        (1, 0, 4, 4),
        (1, 8, 1.5, 4),
        (1, 8, True, 4),
        torch.ones(2),
    ),
    "dtype": FLOATING,
    "training": FLAG,
    "device": choice(),
    "optimizer": anything_but(None),
}


def run_of(function, *devices):
    right = {
        "make_module": lambda: SelfAttention2d(8),
        "input_shape": (1, 8, 4, 4),
        "device": "cpu",
    }
    return Public(function, lambda: dict(right), RUN | {"device": choice(*devices)})


TABLE: dict[str, Public | str] = {
    "blocks.NonLocalBlock": Public(
        lambda **k: str(NonLocalBlock(**k)),
        lambda: {"channels": 4, "inner_channels": 2},
        {
            "channels": count(),
            "inner_channels": count(optional=True),
            "dims": choice(),
            "pairwise": choice(),
            "scale": kind(True, nan, inf, ["sqrt"], "three", [1], {}, torch.ones(2)),
            "subsample": choice(None),
            "norm": FLAG,
            "attention": choice(),
            "device": DEVICE,
            "dtype": FLOATING,
        },
    ),
    "blocks.SelfAttention2d": Public(
        lambda **k: str(SelfAttention2d(**k)),
        lambda: {"channels": 8, "reduction": 4},
        {
            "channels": count(),
            "reduction": count(),
            "attention": choice(),
            "device": DEVICE,
            "dtype": FLOATING,
        },
    ),
    **{
        f"blocks.{type(block).__name__}.forward {name}": Public(
            of(block),
            lambda: {"x": normal(2, 4, 3, 5)},
            {"x": numbers("meta", more={"channels": lambda x: x[:, :3]}), "return_attention": FLAG},
        )
        for block, name in (
            *((NonLocalBlock(4, pairwise=p), p) for p in nonlocal_tut.pairwise.PAIRWISE),
            (NonLocalBlock(4, subsample="after"), "pooled"),
            (SelfAttention2d(4, 2), ""),
        )
    },
    "pairwise.affinity": Public(
        affinity,
        lambda: {"theta": normal(2, 5, 4), "phi": normal(2, 6, 4, seed=1)},
        {"theta": OPERAND, "phi": OPERAND, "w_f": VECTOR, "pairwise": choice()}
        | {"w_f": kind(3, "three", [1.0])},
    ),
    **{
        f"pairwise.attend {pairwise} {attention}": Public(
            attend,
            operands(pairwise=pairwise, attention=attention)
            if pairwise != "concatenation"
            else operands(pairwise=pairwise, attention=attention, w_f=normal(8)),
            {"theta": OPERAND, "phi": OPERAND, "g": OPERAND, **FORM}
            | ({"w_f": VECTOR} if pairwise == "concatenation" else {}),
        )
        for pairwise in nonlocal_tut.pairwise.PAIRWISE
        for attention in nonlocal_tut.pairwise.ATTENTION
    },
    "pairwise.split_concatenation": Public(
        split_concatenation,
        lambda: {"theta": normal(2, 5, 4), "phi": normal(2, 6, 4, seed=1), "w_f": normal(8)},
        {"theta": OPERAND, "phi": OPERAND, "w_f": VECTOR},
    ),
    "pairwise.backends.fused_backend": Public(
        fused_backend,
        lambda: dict(
            d=8, dv=8, dtype=torch.float32, capability=(8, 0), keys=9, cudnn_version=91900
        ),
        {
            "d": count(),
            "dv": count(),
            "dtype": kind(0, True, nan, None, "float32", float, torch.ones(2)),
            "capability": kind(8, 8.0, "8.0", (8,), (8, 0, 0), ("8", "0"), nan, torch.ones(2)),
            "last_strides": kind(1, None, "three", (1, 1), (1.5, 1, 1), nan, torch.ones(2)),
            "training": FLAG,
            "keys": count(optional=True),
            "torch_version": kind(2, 2.11, "two", "2", nan, [2, 11], torch.ones(2)),
            "cudnn_version": count(optional=True),
        },
    ),
    "receptive_field.theoretical": Public(
        rf.theoretical,
        lambda: {"layers_or_module": [(3, 1, 1)]},
        {"layers_or_module": anything_but(nn.ReLU())},
    ),
    "receptive_field.ReceptiveField": RECORDS,
    "receptive_field.ReceptiveField.center": Public(
        rf.theoretical([(3, 1, 1)]).center,
        lambda: {"position": 2},
        {"position": kind(1.5, None, nan, True, "three", [1.5], {}, torch.ones(2))},
    ),
    "receptive_field.measured": Public(
        rf.measured,
        lambda: {"module": nn.Conv2d(2, 2, 3), "input_shape": (2, 6, 6)},
        {
            "module": MODULE,
            "input_shape": kind(
                0,
                1.5,
                None,
                nan,
                True,
                "three",
                (2,),
                (2, 6, 1.5),
                (2, 0, 6),
                (2, True, 6),
                torch.ones(2),
            ),
            "position": kind(-1, 99, 1.5, nan, "three", (1.5, 1), (True, 1), {}, torch.ones(2)),
        },
    ),
    "receptive_field.effective": Public(
        rf.effective,
        lambda: {"module": nn.Conv2d(2, 2, 3), "input_shape": (2, 6, 6), "draws": 2, "seed": 0},
        {
            "module": MODULE,
            "input_shape": kind(
                0, 1.5, None, nan, "three", (2,), (2, 6, 1.5), (2, 0, 6), torch.ones(2)
            ),
            "draws": count(),
            "seed": count(-(2**63)),
            "redraw": FLAG,
        },
    ),
    "receptive_field.width": Public(
        rf.width,
        lambda: {"map": normal(4, 5).abs()},
        {
            "map": numbers(
                "int64",
                "bool",
                "nan",
                "inf",
                "more axes",
                more={
                    "NaN": lambda x: x * nan,
                    "Inf": lambda x: x * inf,
                    "negative": lambda x: -x,
                    "empty": lambda x: x[:0],
                },
            )
        },
    ),
    "shapes.Ledger": RECORDS,
    "shapes.Row": RECORDS,
    "shapes.ledger": Public(
        lambda target, inputs: shapes.ledger(target, inputs),
        lambda: {"target": SelfAttention2d(8), "inputs": "B C H W"},
        {
            "target": anything_but(nn.ReLU()),
            "inputs": kind(0, -1, 1.5, True, None, nan, "3", [3.5], torch.ones(2), nn.ReLU()),
        },
    ),
    "memory.VARIANTS": CONSTANT,
    "memory.Allocation": RECORDS,
    "memory.Report": RECORDS,
    "memory.predict": run_of(memory.predict),
    "memory.measure": run_of(memory.measure, None),
    "memory.closed_form": Public(
        memory.closed_form,
        lambda: {"variant": "article", "B": 1, "C": 8, "H": 4, "W": 4},
        {
            "variant": choice(),
            **{name: count() for name in "BCHW"},
            "dtype": FLOATING,
            "training": FLAG,
        },
    ),
    "memory.compare": Public(
        memory.compare,
        lambda: {"device": "cpu", "sizes": [(1, 8, 4, 4)]},
        {
            "device": choice(None),
            "sizes": several([(1, 8)], [(1, 8, 4, 1.5)]),
            "dtype": FLOATING,
        },
    ),
    "insert.insert_after": Public(
        lambda **k: str(insert_after(**k)),
        lambda: {"model": nn.Sequential(nn.Conv2d(3, 4, 3)), "blocks": {"0": NonLocalBlock}},
        {
            "model": MODULE,
            "blocks": several({3: 3}, {"0": 3}, {"0": None}, {"typo": NonLocalBlock}),
            "example": kind(
                0, 1.5, nan, "three", [3], torch.ones(2), torch.ones(1, 3, 8, 8).long()
            ),
        },
    ),
    "insert.placements": Public(
        placements, lambda: {"model": Stages(), "blocks": 5}, {"model": MODULE, "blocks": choice()}
    ),
    "insert.remove": Public(
        lambda **k: str(remove(**k)),
        lambda: {"model": inserted(), "name": "0"},
        {"model": MODULE, "name": kind(0, 1.5, None, nan, "three", "", [3], torch.ones(2))},
    ),
    "attention_maps.AttentionMap": RECORDS,
    "attention_maps.AttentionMap.row": Public(
        lambda b, position: attention_maps(of_map(), normal(2, 4, 3, 5))[""].row(b, position, 1),
        lambda: {"b": 1, "position": 2},
        {
            "b": kind(-1, 2, 1.5, None, nan, "three", [1], torch.ones(2)),
            "position": kind(-1, 3, 1.5, None, nan, "three", [1], torch.ones(2)),
        },
    ),
    "attention_maps.attention_maps": Public(
        lambda model, x, **k: (
            attention_maps(
                awake(copy.deepcopy(model), x.dtype)
                if isinstance(model, nn.Module) and getattr(x, "dtype", 0) == torch.float64
                else model,
                x,
                **k,
            )[""].weights
        ),
        lambda: {"model": of_map(), "x": normal(2, 4, 3, 5)},
        {
            "model": anything_but(),
            "x": numbers("meta", more={"channels": lambda x: x[:, :3]}),
            "positions": kind(
                0, 1.5, nan, "three", [(1.5, 0)], [(9, 9)], [None], [("a", "b")], torch.ones(2)
            ),
        },
    ),
    **{f"attention_maps.{name}": INSIDE for name in ("rows_of", "checked", "flat_index")},
    "attention_maps.distance_between_rows": Public(
        distance_between_rows,
        lambda: {"weights": normal(4, 5).softmax(-1)},
        {
            "weights": numbers(
                "more axes", more={"one row": lambda x: x[:1], "a vector": lambda x: x[0]}
            )
        },
    ),
    "convert.LAYOUTS": CONSTANT,
    "convert.Layout": RECORDS,
    "convert.from_peer": Public(
        lambda **k: from_peer(**k),
        lambda: {"state_dict": dict(PEER), "layout": "alexhex7"},
        {
            "state_dict": several({3: 3}, {}, {"theta.weight": 3}, nn.ReLU()),
            "layout": choice(),
            "prefix": kind(0, 1.5, nan, "typo", ["a"], torch.ones(2)),
        },
    ),
    "convert.prefixes": Public(
        prefixes,
        lambda: {"state_dict": dict(PEER), "layout": "alexhex7"},
        {
            "state_dict": several({3: 3}, nn.ReLU()),
            "layout": choice(),
        },
    ),
    "cousins.COUSINS": CONSTANT,
    **{
        f"cousins.{cousin.__name__}": Public(
            lambda cousin=cousin, **k: str(cousin(**k)),
            lambda own=own: {"channels": 8, "inner_channels": 8} | {name: 4 for name in own},
            {"channels": count(), "inner_channels": count(optional=True)}
            | {name: count(optional=name == "descriptors") for name in own},
        )
        for cousin in COUSINS.values()
        for own in [OWN.get(cousin.__name__, ())]
    },
    "cousins.Cousin": "the class that the others derive from, tried with each of them",
    **{
        f"cousins.{cousin.__name__}.forward": Public(
            of(cousin(8, 8)),
            lambda: {"x": normal(2, 8, 3, 5)},
            {"x": numbers("meta", more={"channels": lambda x: x[:, :3]})},
        )
        for cousin in COUSINS.values()
    },
    "parallel.SplitPositions": Public(
        lambda **k: SplitPositions(**k) and None,
        lambda: {"block": SelfAttention2d(8)},
        {"block": anything_but(), "group": anything_but(None)},
    ),
    "parallel.SplitPositions.forward": Public(
        lambda x: (
            of(SelfAttention2d(8))(x)
            if False
            else SplitPositions(
                awake(
                    SelfAttention2d(4, 2),
                    x.dtype if getattr(x, "dtype", 0) == torch.float64 else torch.float32,
                )
            ).eval()(x)
        ),
        lambda: {"x": normal(2, 4, 3, 5)},
        {"x": numbers("meta", more={"channels": lambda x: x[:, :3]})},
    ),
    "parallel.attend_split": Public(
        attend_split,
        operands(),
        {"theta": OPERAND, "phi": OPERAND, "g": OPERAND, **FORM, "group": anything_but(None)},
    ),
    "parallel.run": Public(
        lambda function, workers=1, seconds=60: (
            run(function, workers=workers, seconds=seconds) and None
        ),
        lambda: {"function": print, "workers": 1},
        {"function": anything_but(), "workers": Kind(count().refused, {}), "seconds": number()},
    ),
    "tasks.COLORS": CONSTANT,
    "tasks.Examples": RECORDS,
    "tasks.Trained": RECORDS,
    "tasks.answers": Public(
        lambda model, examples: tasks.answers(model, examples),
        lambda: {"model": answer_net(), "examples": examples()},
        {"model": MODULE, "examples": anything_but()},
    ),
    "tasks.remote_copy": Public(
        lambda **k: tasks.remote_copy(**({"generator": torch.Generator().manual_seed(0)} | k)).maps,
        lambda: {"batch": 2, "side": 5, "distance": 2},
        {
            "batch": count(0),
            "side": count(2),
            "distance": count(optional=True),
            "generator": anything_but(),
        },
    ),
    "tasks.train": Public(
        lambda **k: tasks.train(**k).losses and None,
        lambda: {"build": answer_net, "side": 3, "steps": 1, "batch": 2, "seed": 0},
        {
            "build": MODULE,
            "side": count(2),
            "steps": count(0),
            "batch": count(0),
            "learning_rate": number(),
            "seed": count(-(2**63)),
            "label": TEXT,
        },
    ),
    **{f"draw.{name}": CONSTANT for name in "DOTS INPUT OUTPUT PHI THETA WIDTH G".split()},
    "draw.brackets": "it takes no argument",
    "draw.areas": Public(
        drawing(draw.areas),
        lambda: {"sizes": {"x": 8, "y": 4}},
        {"sizes": several({}, {"x": 0}, {"x": -1}, {"x": nan}, {"x": "3"}, {"x": None})},
    ),
    "draw.timeline": Public(
        drawing(draw.timeline),
        lambda: {"report": predicted(), "names": NAMES(predicted().timeline)},
        {"report": anything_but(), "names": several()},
    ),
    "draw.at_peak": Public(
        drawing(draw.at_peak),
        lambda: {"reports": {"a run": (predicted(), NAMES(predicted().at_peak))}},
        {"reports": several({}, {"a": 3}, {"a": (3, ["b"])})},
    ),
    "draw.attention_on": Public(
        drawing(draw.attention_on),
        lambda: {
            "image": normal(6, 10),
            "attention_map": attention_maps(of_map(), normal(1, 4, 3, 5))[""],
            "positions": [(1, 2)],
        },
        {
            "image": FIGURE,
            "attention_map": anything_but(),
            "positions": kind(
                0, 1.5, None, nan, "three", [], [3], [(9, 9)], [(1.5, 0)], torch.ones(2)
            ),
            "b": kind(-1, 1, 1.5, None, nan, "three", [0], torch.ones(2)),
        },
    ),
    "draw.by_hand": Public(
        drawing(draw.by_hand),
        lambda: {
            "names": ["a", "b"],
            "query": torch.tensor([1.0, 2]),
            "keys": torch.eye(2),
            "values": torch.eye(2),
        },
        {
            "names": kind(0, 1.5, None, nan, ["a"], [1, 2], torch.ones(2)),
            "query": FIGURE,
            "keys": FIGURE,
            "values": FIGURE,
        },
    ),
    "draw.clip": Public(
        drawing(draw.clip),
        lambda: {
            "planes": torch.zeros(tasks.COLORS + 3, 2, 4, 4),
            "values": {"a": torch.ones(2, 4, 4)},
        },
        {
            "planes": FIGURE,
            "values": kind(
                3, 1.5, nan, "three", [3], {"a": 3}, {"a": torch.ones(2)}, torch.ones(2)
            ),
        },
    ),
    "draw.cone": Public(
        drawing(draw.cone),
        lambda: {"kernel": 3, "layers": 2},
        {"kernel": count(), "layers": count()},
    ),
    "draw.lines": Public(
        drawing(draw.lines),
        lambda: {"curves": {"a": ([1, 2], [3, 4])}, "x": "x", "y": "y"},
        {
            "curves": several({}, {"a": 3}, {"a": ([1], [2, 3])}, {"a": ([], [])}),
            "x": TEXT,
            "y": TEXT,
            "log": kind(0, 1.5, None, nan, "z", ["x"], torch.ones(2)),
            "levels": kind(3, 1.5, nan, "three", [3], {"a": "b"}, torch.ones(2)),
            "emphasis": TEXT,
        },
    ),
    "draw.maps": Public(
        drawing(draw.maps),
        lambda: {"values": {"a": normal(3, 4)}},
        {
            "values": several(
                {}, {"a": 3}, {"a": torch.ones(2)}, {"a": torch.ones(2, 2, device="meta")}
            ),
            "outline": kind(3, 1.5, None, nan, "three", ["a"], [-1], [1, 2], torch.ones(2)),
            "grid": FLAG,
        },
    ),
    "draw.one_context": Public(
        drawing(draw.one_context),
        lambda: {"own": {"a": 1.0, "b": -1.0}, "added": {"c": 2.0, "d": -2.0}},
        {
            name: several({}, {"a": 1}, {"a": "b", "c": "d"}, {"a": nan, "b": 1})
            for name in ("own", "added")
        },
    ),
    "draw.online": Public(
        drawing(draw.online),
        lambda: {"scores": [1.0, 2.0], "values": [3.0, 4.0]},
        {
            name: kind(
                0,
                1.5,
                None,
                nan,
                "three",
                [],
                [3],
                ["a", "b"],
                [nan, 1],
                [None, 1],
                torch.ones(2, 2),
            )
            for name in ("scores", "values")
        },
    ),
    "draw.product": Public(
        drawing(draw.product),
        lambda: {
            "left": "query N C",
            "right": "key C N",
            "result": "map N N",
            "scale": {"N": 2, "C": 1},
        },
        {
            **{
                name: kind(0, 1.5, None, nan, "three", "tea N N", ["a"], torch.ones(2))
                for name in ("left", "right", "result")
            },
            "scale": several({}, {"N": 1}, {"N": 0, "C": 1}, {"N": "2", "C": 1}),
        },
    ),
    "draw.task": Public(
        drawing(lambda maps: draw.task(maps)),
        lambda: {"maps": examples().maps[0]},
        {"maps": FIGURE},
    ),
    "draw.two_blocks": Public(
        drawing(draw.two_blocks),
        lambda: {"article": SelfAttention2d(8), "paper": NonLocalBlock(8)},
        {"article": anything_but(), "paper": anything_but()},
    ),
    "draw.who_sees_whom": Public(
        drawing(draw.who_sees_whom),
        lambda: {"masks": {"a": torch.ones(12, 12)}},
        {
            "masks": several(
                {"a": 3}, {"a": torch.ones(3, 3)}, {"a": torch.ones(12, 12, device="meta")}
            )
        },
    ),
    "check.check": Public(
        check.check,
        lambda: {"exercise": "1.1", "answer": 28},
        {"exercise": kind(0, 1.1, None, nan, "three", ["1.1"], torch.ones(2))},
    ),
    "records.folder": "it takes no argument",
    "records.names": "it takes no argument",
    "records.of_gpus": "it takes no argument",
    "records.read": Public(
        lambda name: records.read(name) and None,
        lambda: {"name": "bench_cpu"},
        {"name": kind(0, 1.5, None, nan, ["bench_cpu"], torch.ones(2))},
    ),
    "tables.table": Public(
        lambda **k: str(table(**k)),
        lambda: {"head": ["a", "b"], "rows": [[1, 2]]},
        {
            "head": kind(0, 1.5, None, nan, "three", [3, 4], torch.ones(2)),
            "rows": several([[1]], [[1, 2, 3]]),
        },
    ),
    "words.use": Public(words.use, lambda: {"language": "en"}, {"language": choice()}),
}

TRIED = {name: public for name, public in TABLE.items() if isinstance(public, Public)}


def test_every_public_name_is_in_the_table():
    mine = {
        name.rsplit(" ", 2)[0] if name.startswith("pairwise.attend ") else name for name in TABLE
    }
    assert set(public()) <= mine
    assert {*nonlocal_tut.__all__} - {"__version__"} <= {name.split(".")[-1] for name in mine}


@pytest.fixture(scope="module", autouse=True)
def one_worker(tmp_path_factory):
    """What is split over workers runs with one, here."""
    meeting = tmp_path_factory.mktemp("meeting") / "file"
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize("name", TRIED)
def test_a_wrong_value_is_refused_by_its_argument_and_what_was_given(name, closed):
    public, complaints = TRIED[name], []
    for argument, its in public.kinds.items():
        for label, value in its.refused.items():
            right = public.right()
            given = value(right.get(argument))
            if (complaint := refusal(public, right, argument, given)) is not None:
                complaints.append(f"{argument}={label}: {complaint}")
    assert not complaints, "\n".join(complaints)


def refusal(public, right, argument, given):
    """What is wrong with the error, or None."""
    try:
        public.call(**right | {argument: given})
    except (ValueError, TypeError) as error:
        text = str(error)
        if re.search(rf"\b{argument.rstrip('s')}s?\b", text) and any(
            told in text for told in tells(given)
        ):
            return None
        return f"it is not named, or not told what was given: {text}"
    except Exception as error:
        return f"{type(error).__name__} {error}"
    return "it was taken"


def tells(given):
    """How an error may speak of a value."""
    if isinstance(given, (torch.Tensor, np.ndarray)):
        told = [str(tuple(given.shape)), str(given.dtype), type(given).__name__, "tensor("]
        return [*told, "meta"] if getattr(given, "is_meta", False) else told
    if isinstance(given, str):
        return [given, "str"]
    parts = [*given.items()] if isinstance(given, dict) else given
    parts = parts if isinstance(given, (list, tuple, dict)) else []
    count = [str(len(parts)), "none", "()"] if isinstance(given, (list, tuple, dict)) else []
    return [repr(given), type(given).__name__, *count, *(t for p in parts for t in tells(p))]


@pytest.mark.parametrize("name", TRIED)
def test_a_right_value_in_another_form_gives_the_same(name, closed):
    public = TRIED[name]
    for argument, its in public.kinds.items():
        for label, value in its.taken.items():
            right = public.right()
            given = value(right[argument])
            found = public.call(**right | {argument: given})
            if isinstance(found, Drawn):
                continue
            if not isinstance(given, torch.Tensor):
                assert_same(found, public.call(**right), f"{argument}: {label}")
                continue
            wide = {k: wider(v) for k, v in right.items()}
            expected = public.call(**wide | {argument: wider(given)})
            assert_same(found, expected, f"{argument}: {label}")


def wider(value):
    """A contiguous copy in float64, of a floating-point tensor."""
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        return value.detach().clone(memory_format=torch.contiguous_format).double()
    return value


def assert_same(found, expected, which):
    for a, b in zip(tree_leaves(found), tree_leaves(expected), strict=True):
        if not isinstance(b, torch.Tensor):
            assert a == b, which
            continue
        a, b = a.detach().double(), b.detach().double()
        a[~b.isfinite() & ~a.isfinite()] = 0
        a_is, b_is = a.isfinite(), b.isfinite()
        assert (b_is | ~a_is | (a == 0)).all(), f"{which}: a number where there is none"
        torch.testing.assert_close(a[a_is & b_is], b[a_is & b_is], rtol=1e-4, atol=1e-5, msg=which)
