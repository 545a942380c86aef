"""The paper's places for its blocks, in any network with the four stages of a ResNet."""

import re

from torch import nn

from nonlocal_tut.arguments import instance, one_of

SHARES = {1: (0, 1), 5: (2, 3), 10: (4, 6)}  # of res3 and res4


def placements(model: nn.Module, blocks: int) -> list[str]:
    """The names of the modules behind which the paper puts its 1, 5 or 10 blocks, in order.

    model: a ResNet, or another network with four stages of residual blocks, res2 to res5. blocks:

    - 1: right before the last residual block of res4.
    - 5: two in res3 and three in res4, behind every other residual block of a ResNet-50.
    - 10: four in res3 and six in res4, behind every residual block of a ResNet-50.

    Of n residual blocks that get k, it is every n // k-th, as in the authors' code, which goes
    beyond the text: the last of five comes behind the last residual block of res4.
    Raises ValueError for another number, a model without four such stages, and a stage with fewer
    residual blocks than it should get. Source: Wang et al. 2018, section 5.1; for a ResNet-101 with
    5, the authors' code. See chapter 6, "Where does it go, and what does it attend to?".
    """
    instance("model", model, nn.Module, "a torch.nn.Module")
    one_of("blocks", blocks, tuple(SHARES))
    _, res3, res4, _ = stages(model)
    if blocks == 1:
        return [[*res3, *res4][-2]]
    return [*_every(res3, SHARES[blocks][0], "res3"), *_every(res4, SHARES[blocks][1], "res4")]


def stages(model: nn.Module) -> list[list[str]]:
    """The names of the residual blocks of each of the four stages.

    A stage is a Sequential or ModuleList of modules of one class that have children. The four have
    one name but for its numbers, as "layer1" to "layer4", and lie outside of all others.
    """
    groups: dict[str, list[list[str]]] = {}
    for name, module in model.named_modules():
        names = [f"{name}.{child}" for child, _ in module.named_children()]
        members = list(module.children())
        if isinstance(module, (nn.Sequential, nn.ModuleList)) and members:
            if len({type(m) for m in members}) == 1 and list(members[0].children()):
                groups.setdefault(re.sub(r"\d+", "#", name), []).append(names)
    fours = [pattern for pattern, found in groups.items() if len(found) == 4]
    if not fours:
        counts = {pattern: len(found) for pattern, found in groups.items()}
        raise ValueError(f"model must have four stages of residual blocks, not {counts}")
    return groups[min(fours, key=lambda pattern: pattern.count("."))]


def _every(names: list[str], share: int, stage: str) -> list[str]:
    step = len(names) // share
    if not step:
        raise ValueError(f"model must have {share} residual blocks in {stage}, not {len(names)}")
    return names[step - 1 : step * share : step]
