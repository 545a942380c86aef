"""A moving figure's script in the engine of a browser: its frames, and their numbers."""

import base64
import json
import xml.etree.ElementTree as ET
from itertools import product

import torch
from py_mini_racer import MiniRacer


class Script:
    """What a figure computes and draws, asked from Python."""

    def __init__(self, figure):
        self.engine = MiniRacer()
        self.engine.eval(figure.script())

    def value(self, expression):
        """The value of an expression, by way of JSON."""
        return json.loads(self.engine.eval(f"JSON.stringify({expression})", timeout_sec=60))

    def choices(self):
        """Every setting of all the switches, {name: value}, over what the state begins with."""
        start = self.value("figure.start ?? {}")
        values = {n: list(v) for n, (_, v) in self.value("figure.choices").items()}
        all_chosen = product(*values.values())
        return [start | dict(zip(values, chosen, strict=True)) for chosen in all_chosen]

    def first(self):
        """The state in which the figure starts."""
        values = self.value("figure.choices")
        return {n: next(iter(v)) for n, (_, v) in values.items()} | self.value("figure.start ?? {}")

    def frames(self, choice):
        return self.value(f"figure.frames({json.dumps(choice)})")

    def drawn(self, choice, frame):
        """{"svg", "says"}, as the figure gives them."""
        return self.value(f"figure.draw({json.dumps(choice)}, {frame})")

    def draw(self, choice, frame):
        """(what it says, the picture as an element)."""
        shown = self.drawn(choice, frame)
        return shown["says"], ET.fromstring(shown["svg"])


def halves(packed):
    """Half-precision numbers that the book keeps as base64 -> a tensor, float16, flat."""
    return torch.frombuffer(bytearray(base64.b64decode(packed)), dtype=torch.float16)
