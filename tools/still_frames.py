"""The frame of each moving figure that stands on a page where scripts are off.

python tools/still_frames.py            writes nonlocal_tut/figures/NAME.html, one per figure
python tools/still_frames.py --check    says which are not what the figure draws now
"""

import json
import sys
from pathlib import Path

from py_mini_racer import MiniRacer

from nonlocal_tut import figures

FOLDER = Path(figures.__file__).parent
# Which frame tells most; the choices are those that the figure starts with.
TELLING = {"field": 10, "live": 0, "tiles": 5, "timeline": 26, "wall": 0}


def frame(figure, number):
    """What a figure draws in one frame, and says of it."""
    engine = MiniRacer()
    engine.eval(figure.script())
    choices = json.loads(engine.eval("JSON.stringify(figure.choices)"))
    more = json.loads(engine.eval("JSON.stringify(figure.start ?? {})"))
    start = json.dumps({name: next(iter(values)) for name, (_, values) in choices.items()} | more)
    return json.loads(engine.eval(f"JSON.stringify(figure.draw({start}, {number}))"))


def still(name):
    shown = frame(getattr(figures, name)(), TELLING[name])
    return (
        f"{shown['svg']}\n<p>{shown['says']} (Where scripts run, this figure can be moved.)</p>\n"
    )


def main(arguments):
    stale = []
    for name in TELLING:
        file = FOLDER / f"{name}.html"
        if "--check" not in arguments:
            file.write_text(still(name), encoding="utf-8")
        elif not file.is_file() or file.read_text(encoding="utf-8") != still(name):
            stale.append(file.name)
    print(*stale or ["All still frames are what their figures draw."], sep="\n")
    return int(bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
