"""A block exported to ONNX, and run by onnxruntime.

    pip install --no-deps -r requirements-foreign.txt

A missing package skips the tests; with REQUIRE_FOREIGN=1 in the environment it fails them.
"""

import importlib
import os

import pytest
import torch
from every import some
from test_ways import KINDS, ODD, ONE, made, sides

pytestmark = [
    pytest.mark.usefixtures("no_small_maps"),
    pytest.mark.filterwarnings("ignore"),  # the exporter's own
]


def exported(block, path):
    """The block, at any sides, as onnxruntime runs it."""
    for package in ("onnxscript", "onnxruntime"):
        try:
            importlib.import_module(package)
        except ImportError as error:
            say = pytest.fail if os.environ.get("REQUIRE_FOREIGN") else pytest.skip
            say(f"{package}: {error}")
    program = torch.onnx.export(
        block, (ONE,), dynamo=True, dynamic_shapes=(sides(),), verbose=False
    )
    program.save(str(path))
    session = importlib.import_module("onnxruntime").InferenceSession(str(path))
    return lambda x: torch.from_numpy(session.run(None, {"x": x.numpy()})[0])


# Not what sorts, which has no operator there; the next test has what it says.
CASES = [
    (kind, attention)
    for kind in KINDS
    for attention in ("fused", "matmul")
    if (kind, attention) != ("concatenation", "fused")
]


@pytest.mark.parametrize(("kind", "attention"), some(CASES, 2))
def test_it_equals_the_block_at_odd_sides(kind, attention, tmp_path):
    block = made(kind, attention)
    run = exported(block, tmp_path / "block.onnx")
    for x in (ONE, ODD):
        assert torch.allclose(run(x), block(x), atol=1e-5)


NOT_HELD = [("concatenation", "fused"), *((kind, "chunked") for kind in KINDS)]


@pytest.mark.parametrize(("kind", "attention"), some(NOT_HELD, 2))
def test_what_onnx_cannot_hold_says_what_to_do(kind, attention, tmp_path):
    with pytest.raises(Exception, match='export the block with attention="matmul"'):
        exported(made(kind, attention), tmp_path / "block.onnx")
