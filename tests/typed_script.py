"""A reader's script, which mypy checks under --strict: nothing runs it."""

from typing import assert_type

import torch
from torch import Tensor, nn

from nonlocal_tut import NonLocalBlock, SelfAttention2d, memory
from nonlocal_tut import receptive_field as rf
from nonlocal_tut.convert import from_peer
from nonlocal_tut.insert import insert_after
from nonlocal_tut.memory.report import Report
from nonlocal_tut.pairwise import attend
from nonlocal_tut.shapes import ledger

block = NonLocalBlock(64, pairwise="dot_product", scale="sqrt", subsample="after")
x = torch.randn(1, 64, 8, 8)
assert_type(block.forward(x), Tensor)
assert_type(block.forward(x, return_attention=True), tuple[Tensor, Tensor])
assert_type(SelfAttention2d(64).forward(x), Tensor)
assert_type(attend(x[0], x[0], x[0], attention="chunked"), Tensor)
assert_type(memory.predict(lambda: block, (1, 64, 8, 8), optimizer=torch.optim.AdamW), Report)
assert_type(rf.theoretical([(3, 1, 1), (3, 2, 1)]).size, int | tuple[int, ...])
assert_type(insert_after(nn.Sequential(nn.ReLU()), {"0": block}), nn.Module)
assert_type(from_peer({"theta.weight": x}, "mmcv"), dict[str, Tensor])
assert_type(ledger(block, "B=1 C=64 H W").multiply_adds, int)

NonLocalBlock(64, pairwise="typo")  # type: ignore[arg-type]
NonLocalBlock(64, attention="flash")  # type: ignore[arg-type]
