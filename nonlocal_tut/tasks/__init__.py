"""Questions that tell blocks apart. One file a task, and `training` for what they share.

- `remote`: copy a color from far away (chapter 1). Its `remote_copy` and `train` are at hand here.
- `matched`: copy the color of the dot with the same tag, so that the answer depends on who asks
  (chapter 7).
- `denoise`: take the noise out of crops of real pictures (chapter 6).
- `stereo`: find each cell of a left view in the right one, where the match is known (chapter 6).
- `moving`: name the color that a moving dot showed in another frame, so that the answer lies in
  another place and another time (chapter 8).
"""

from nonlocal_tut.tasks.remote import Trained, remote_copy, train
from nonlocal_tut.tasks.training import COLORS, Examples, answers

__all__ = ["COLORS", "Examples", "Trained", "answers", "remote_copy", "train"]
