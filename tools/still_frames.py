"""The frame of each moving figure that stands on a page where scripts are off.

python tools/still_frames.py            writes nonlocal_tut/figures/NAME.html, one per figure
python tools/still_frames.py --check    says which are not what the figure draws now
"""

import sys
from pathlib import Path

from figure_script import Script

from nonlocal_tut import figures

FOLDER = Path(figures.__file__).parent
# Which frame tells most; the choices are those that the figure starts with.
TELLING = {"field": 10, "live": 0, "tiles": 5, "timeline": 26, "wall": 0}


def still(name):
    script = Script(getattr(figures, name)())
    shown = script.drawn(script.first(), TELLING[name])
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
