"""Every screenful of every page as a picture, for a person to look at.

python tests/browser/screens.py FOLDER [PAGE …]     390 and 1280 pixels wide, light and dark

A picture is named page-width-theme-number.png; without names of pages (book/intro.html) all are
taken. `_build/screens` is a folder that git ignores.
"""

import sys
from pathlib import Path

from built_site import CHROMIUM, FLAGS, PAGES
from playwright.sync_api import sync_playwright
from watched import a_page, served


def screens(watched, name, folder):
    """Scroll through a page, as a reader does, with a little that was seen before."""
    page = watched.open(name)
    tall = page.evaluate("document.documentElement.scrollHeight")
    height = page.viewport_size["height"]
    for number, top in enumerate(range(0, max(tall - 60, 1), height - 60)):
        page.evaluate("top => scrollTo({top, behavior: 'instant'})", top)
        page.screenshot(path=folder.with_name(f"{folder.name}-{number:02}.png"))


def main(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver, served() as address:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for width in (390, 1280):
            for theme in ("light", "dark"):
                with a_page(browser, address, width, theme) as watched:
                    for name in names:
                        stem = f"{Path(name).stem}-{width}-{theme}"
                        screens(watched, name, folder / stem)
        browser.close()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2:] or PAGES)
