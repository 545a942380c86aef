"""A moving figure's script in the engine of a browser: its frames, and their numbers."""

import json
import xml.etree.ElementTree as ET
from itertools import product

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
        """Every setting of all the switches: {name: value}, and what else the state begins with."""
        start = self.value("figure.start ?? {}")
        values = {n: list(v) for n, (_, v) in self.value("figure.choices").items()}
        all_chosen = product(*values.values())
        return [start | dict(zip(values, chosen, strict=True)) for chosen in all_chosen]

    def frames(self, choice):
        return self.value(f"figure.frames({json.dumps(choice)})")

    def draw(self, choice, frame):
        """{"svg", "says"}, the picture as an element."""
        shown = self.value(f"figure.draw({json.dumps(choice)}, {frame})")
        return shown["says"], ET.fromstring(shown["svg"])
