"""The picture that stands beside a link to the book, and the icon that needs pixels.

python tools/site_card.py            writes card.png and touch-icon.png into book/_static
python tools/site_card.py --check    says whether the card shows what the figure draws now

The card is two frames of the figure on the front page, a convolutional net and the block asked the
same, as the system's Chromium paints them. What it shows is kept in the PNG as its description.
"""

import re
import shutil
import sys
from io import BytesIO
from pathlib import Path

from figure_script import Script
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from slim_figures import few_colors

from nonlocal_tut import figures
from nonlocal_tut.figures.player import read

STATIC = Path(__file__).resolve().parent.parent / "book" / "_static"
CARD, ICON = STATIC / "card.png", STATIC / "touch-icon.png"
NETS = {"2 convs": "Two convolutions", "1 conv + block": "One non-local block"}
TITLE = "Non-local neural networks, executed"
PAGE = """<style>
  {style}
  body {{ margin: 0; padding: 32px 60px; width: 1080px; font: 23px system-ui, sans-serif; }}
  h1 {{ margin: 0 0 22px; font-size: 46px; text-align: center; }}
  div {{ display: flex; justify-content: space-evenly; }}
  p {{ margin: 0 0 12px; text-align: center; }}
  .touch-figure svg {{ width: 430px; margin: 0 auto; }}
</style><h1>{title}</h1><div>{figures}</div>"""
BOX = '<section class="touch-figure"><p>{}</p>{}</section>'


def frames():
    """[(what it is and what it answers, the picture)] for each net; the same dot and marker."""
    script, found = Script(figures.live()), []
    for net, words in NETS.items():
        shown = script.drawn(script.first() | {"net": net}, 0)
        said = re.search(r"It says (.*)\.$", shown["says"])[1]
        found.append((f"{words}: {said}", shown["svg"]))
    return found


def description(frames):
    far = "A dot with a number lies far from a question mark that asks for it."
    return " ".join([far, *(f"{words}." for words, _ in frames)])


def paint(page, html, width, height):
    """HTML as the browser shows it -> an image of few colors, which is small."""
    page.set_viewport_size({"width": width, "height": height})
    page.set_content(html)
    return Image.open(BytesIO(few_colors(page.screenshot())))


def write():
    from playwright.sync_api import sync_playwright

    shown = frames()
    boxes = "".join(BOX.format(*one) for one in shown)
    html = PAGE.format(style=read("player.css"), title=TITLE, figures=boxes)
    icon = (STATIC / "favicon.svg").read_text(encoding="utf-8")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page()
        card = paint(page, html, 1200, 630)
        small = paint(page, f"<style>body {{ margin: 0 }}</style>{icon}", 180, 180)
        browser.close()
    told = PngInfo()
    told.add_text("Description", description(shown))
    card.save(CARD, optimize=True, pnginfo=told)
    small.save(ICON, optimize=True)


def stale():
    with Image.open(CARD) as image:
        return image.text.get("Description") != description(frames())


def main(arguments):
    if "--check" in arguments:
        print("The card shows something else now." if stale() else "The card is up to date.")
        return int(stale())
    write()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
