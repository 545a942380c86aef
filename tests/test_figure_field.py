"""The receptive field over a photograph: its sizes are the formula's, its light counts paths."""

import json

import numpy as np
import pytest
import torch
from figure_script import Script
from torch import nn

from nonlocal_tut import figures
from nonlocal_tut import receptive_field as rf

SIDE = 65
MOST = {"three": 32, "five": 16, "dilated": 5, "strided": 5}
each_stack = pytest.mark.parametrize("stack", MOST)


@pytest.fixture(scope="module")
def script():
    return Script(figures.field())


def rows(stack, n):
    """(kernel, stride, padding, dilation) of each layer, as PyTorch would be given them."""
    kernel, stride = (5 if stack == "five" else 3), (2 if stack == "strided" else 1)
    dilations = [2**layer if stack == "dilated" else 1 for layer in range(n)]
    return [(kernel, stride, d * (kernel // 2), d) for d in dilations]


def counted(stack, n, row, column):
    """How many paths lead to each input, as gradients of a net whose weights are all one."""
    layers = [nn.Conv2d(1, 1, *given, bias=False) for given in rows(stack, n)]
    net = nn.Sequential(*layers).double()
    for parameter in net.parameters():
        nn.init.ones_(parameter)
    x = torch.ones(1, 1, SIDE, SIDE, dtype=torch.float64, requires_grad=True)
    net(x)[0, 0, row, column].backward()
    return x.grad[0, 0].numpy()


def outline(svg):
    """Where the dashed rectangle is: column, row, width, height."""
    drawn = svg.find(".//{*}rect[@stroke-dasharray]")
    return [int(drawn.get(name)) for name in ("x", "y", "width", "height")]


def test_the_switch_has_these_stacks(script):
    assert list(script.value("figure.choices.stack[1]")) == list(MOST)
    for stack, most in MOST.items():
        assert script.frames({"stack": stack}) == most + 2  # none, each layer, the block


@each_stack
def test_sizes_are_those_of_the_formula(stack, script):
    for n in range(1, MOST[stack] + 1):
        expected = rf.theoretical(rows(stack, n))
        found = script.value(f"theory('{stack}', {n})")
        assert found == {"size": expected.size, "step": expected.stride}
        middle = 32 // expected.stride
        assert expected.center(middle) == middle * expected.stride, "where the figure marks it"


@each_stack
@pytest.mark.parametrize("at", [(32, 32), (0, 0), (3, 60), (31, 1)])
def test_paths_are_the_gradients_of_a_net_of_ones(stack, at, script):
    for n in {0, 1, 2, 3, 5, min(8, MOST[stack]), MOST[stack]} & set(range(MOST[stack] + 1)):
        stride = rf.theoretical(rows(stack, n)).stride if n else 1
        outputs = [int(v / stride + 0.5) for v in at]
        down, across = (np.array(script.value(f"paths('{stack}', {n}, {v})"), float) for v in at)
        if n == 0:
            assert down.sum() == across.sum() == 1 and (down[at[0]], across[at[1]]) == (1, 1)
        elif n <= 8:
            assert np.array_equal(np.outer(down, across), counted(stack, n, *outputs))
        else:
            assert np.allclose(np.outer(down, across), counted(stack, n, *outputs), rtol=1e-12)


@pytest.mark.parametrize(("stack", "kernel"), [("three", 3), ("five", 5)])
def test_the_part_in_use_grows_as_the_square_root(stack, kernel, script):
    for n in range(1, MOST[stack]):
        expected = 4 * (n * (kernel**2 - 1) / 12) ** 0.5  # four standard deviations
        found = script.value(f"inUse(paths('{stack}', {n}, 32))")
        assert found == pytest.approx(expected, rel=1e-9)


@each_stack
def test_a_frame_says_and_outlines_what_the_formula_gives(stack, script):
    for n in range(1, MOST[stack] + 1):
        says, svg = script.draw({"stack": stack, "row": 32, "column": 32}, n)
        size = rf.theoretical(rows(stack, n)).size
        assert f"{size} × {size} positions" in says
        assert ("cut off by the border" in says) == (size > SIDE)
        half = min(size // 2, 32)
        assert outline(svg) == [32 - half, 32 - half, 2 * half + 1, 2 * half + 1]


def test_near_the_border_a_frame_says_that_the_field_is_cut(script):
    says, svg = script.draw({"stack": "three", "row": 2, "column": 32}, 5)
    assert "11 × 11 positions, cut off by the border" in says
    assert outline(svg) == [27, 0, 11, 8]


def test_light_is_the_product_of_two_opacities(script):
    _, svg = script.draw({"stack": "three", "row": 20, "column": 44}, 10)
    light = np.zeros((SIDE, SIDE))
    for strip in svg.iterfind(".//{*}mask/{*}use"):
        for cell in svg.iterfind(".//{*}defs/{*}g/{*}rect"):
            place = int(strip.get("y")), int(cell.get("x"))
            light[place] = float(strip.get("opacity")) * float(cell.get("opacity"))
    expected = counted("three", 10, 20, 44)
    assert np.abs(light - expected / expected.max()).max() < 0.006


def test_the_block_sees_all_in_one_step(script):
    for stack, most in MOST.items():
        says, svg = script.draw({"stack": stack, "row": 5, "column": 9}, most + 1)
        assert "all 4,225 positions" in says and SIDE**2 == 4225
        assert outline(svg) == [0, 0, SIDE, SIDE]
        assert svg.find(".//{*}mask") is None


def test_keys_and_pointer_move_the_output_and_stay_inside(script):
    def touched(state, what):
        return script.value(f"figure.touch({json.dumps(state)}, 3, {json.dumps(what)})")

    corner = {"row": 0, "column": 64}
    assert touched(corner, "ArrowDown") == [{"row": 1, "column": 64}, 3]
    assert touched(corner, "ArrowUp") == touched(corner, "ArrowRight") == [corner, 3]
    pressed = {"x": 11 + 5.2 * 7.5, "y": 4 + 5.2 * 9.5, "first": True}
    assert touched(corner, pressed) == [{"row": 9, "column": 7}, 3]
