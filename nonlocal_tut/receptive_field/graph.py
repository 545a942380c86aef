"""A network as a list of operations on one map, read with torch.fx: its windows and its joins."""

import inspect
import operator
from collections import OrderedDict
from typing import Any, NamedTuple

import torch
from torch import fx, nn
from torch.nn import functional as F

WINDOWS = {  # layer -> its number of axes
    getattr(nn, f"{kind}{axes}d"): axes
    for kind in ("Conv", "MaxPool", "AvgPool")
    for axes in (1, 2, 3)
}
POINTWISE = tuple(  # an output position of these depends on the same input position alone
    getattr(nn, name)
    for name in """
    Identity Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout
    BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm LocalResponseNorm
    ReLU ReLU6 LeakyReLU PReLU RReLU ELU SELU CELU GELU SiLU Mish Sigmoid LogSigmoid Tanh
    Softplus Softsign Hardswish Hardsigmoid Hardtanh Threshold Hardshrink Softshrink Tanhshrink
    """.split()
)


def _spellings(names: str) -> set[str]:
    """Methods of these names, and functions in torch, torch.nn.functional and operator."""
    spaces = (torch, F, operator)
    functions = {getattr(s, n) for s in spaces for n in names.split() if hasattr(s, n)}
    return functions | set(names.split())


POINTWISE_CALLS = _spellings(
    """add add_ iadd sub sub_ isub mul mul_ imul div div_ truediv itruediv neg abs square sqrt exp
    log pow clamp maximum minimum relu relu_ relu6 leaky_relu elu selu celu gelu silu mish prelu
    sigmoid sigmoid_ tanh tanh_ logsigmoid softplus softsign hardswish hardsigmoid hardtanh
    dropout dropout1d dropout2d dropout3d clone contiguous"""
)
CONCATENATIONS = _spellings("cat concat concatenate")
MAX_POOLS = _spellings("max_pool1d max_pool2d max_pool3d")
AVG_POOLS = _spellings("avg_pool1d avg_pool2d avg_pool3d")


class Operation(NamedTuple):
    """One step of a network: the maps that enter it, and the window that it slides over them."""

    name: str  # "'layer1.conv2' (Conv2d)", no two alike
    inputs: list[str]  # names of earlier operations; none for the network's input
    window: tuple[Any, ...] | None  # (kernel, stride, padding, dilation); None: pointwise


def operations(module: nn.Module) -> list[Operation]:
    """The operations of a module on its input map, from the input to what it returns.

    Parameters, numbers and what is made of them alone are left out: they hold no positions.
    Raises ValueError as `theoretical` says. See chapter 1, "How far can a convolution see?".
    """
    found: dict[fx.Node, Operation] = {}
    traced = _trace(module)
    for node in traced.graph.nodes:
        inputs = [found[n].name for n in node.all_input_nodes if n in found]
        if node.op == "output":
            if node.args[0] not in found:
                raise ValueError(f"the module must return one map, it returns {node.args[0]}")
            found[node] = Operation("the output", inputs, None)
        elif node.op == "placeholder" and not found:
            found[node] = Operation(f"the input '{node.name}'", [], None)
        elif node.op == "placeholder" and not node.args:  # an input without a default
            raise ValueError(f"the module must take one map, it also takes '{node.name}'")
        elif inputs:
            name, window = _read(traced, node)
            if any(name == other.name for other in found.values()):  # a layer used twice
                name = f"{name} again, as '{node.name}'"
            found[node] = Operation(name, inputs, window)
    return list(found.values())


def _read(traced: fx.GraphModule, node: fx.Node) -> tuple[str, tuple[Any, ...] | None]:
    """What to call the node, and its window if it has one."""
    if node.op == "call_module":
        layer = traced.get_submodule(str(node.target))
        name = f"'{node.target}' ({type(layer).__name__})"
        if isinstance(layer, tuple(WINDOWS)):
            return name, _window(layer)
        if isinstance(layer, POINTWISE) and getattr(layer, "track_running_stats", True):
            return name, None
    else:
        name = f"'{node.name}' ({getattr(node.target, '__name__', node.target)})"
        if node.target in MAX_POOLS:
            return name, _max_pool(*node.args, **node.kwargs)
        if node.target in AVG_POOLS:
            return name, _avg_pool(*node.args, **node.kwargs)
        if node.target in POINTWISE_CALLS:
            return name, None
        if node.target in CONCATENATIONS and _concatenation(*node.args, **node.kwargs) == 1:
            return name, None
    raise ValueError(
        f"{name} has no formula here: theoretical() reads torch.nn's convolutions and pools, "
        "pointwise layers, and sums, products and concatenations (dim=1) of branches; measured() "
        "works without a formula"
    )


def _window(layer: nn.Module) -> tuple[Any, ...]:
    """(kernel, stride, padding, dilation) of a convolution or a pool, one int an axis."""
    axes = next(count for kind, count in WINDOWS.items() if isinstance(layer, kind))
    kernel, stride, padding, dilation = (
        value if isinstance(value, (tuple, list, str)) else (value,) * axes
        for value in (layer.kernel_size, layer.stride, layer.padding, getattr(layer, "dilation", 1))
    )
    if padding == "same":  # an odd one goes to the far side
        padding = tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
    return kernel, stride, 0 if padding == "valid" else padding, dilation


def _max_pool(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    *_: Any,
    **__: Any,
) -> tuple[Any, ...]:
    return kernel_size, stride or kernel_size, padding, dilation


def _avg_pool(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, *_: Any, **__: Any
) -> tuple[Any, ...]:
    return kernel_size, stride or kernel_size, padding, 1


def _concatenation(tensors: Any, dim: Any = 0, **_: Any) -> int:
    return int(dim)


def _trace(module: nn.Module) -> fx.GraphModule:
    """The module's graph, with each optional argument of its forward at its default."""
    if fx.Tracer().is_leaf_module(module, ""):  # a bare torch.nn layer: keep it whole
        module = nn.Sequential(OrderedDict(module=module))
    optional = list(inspect.signature(module.forward).parameters.values())[1:]
    defaults = {p.name: p.default for p in optional if p.default is not p.empty}
    try:
        return fx.symbolic_trace(module, concrete_args=defaults or None)
    except Exception as error:  # whatever a forward does with a tensor that is not there
        kind = type(module).__name__
        raise ValueError(
            f"torch.fx cannot trace {kind} ({type(error).__name__}: {error}); "
            "measured() works without a formula"
        ) from error
