"""Receptive fields three ways: by formula, by gradients, and by how much each position counts.

`theoretical` follows the recurrence of Araujo, Norris and Sim, "Computing Receptive Fields of
Convolutional Neural Networks" (Distill, 2019). `measured` knows no formula and asks the gradients.
`effective` weighs the positions of the field as Luo, Li, Urtasun and Zemel did ("Understanding the
Effective Receptive Field in Deep Convolutional Neural Networks", NIPS 2016), and `width` turns
its map into one number.
"""

from nonlocal_tut.receptive_field.gradients import effective, measured, width
from nonlocal_tut.receptive_field.theory import ReceptiveField, theoretical

__all__ = ["ReceptiveField", "effective", "measured", "theoretical", "width"]
