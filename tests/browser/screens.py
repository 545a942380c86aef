"""Every screenful of every page as a picture, for a person to look at.

Each is taken 390 and 1280 pixels wide, light and dark, and named page-width-theme-number.png.
"""

import argparse
from pathlib import Path

from built_site import CHROMIUM, FLAGS, PAGES
from playwright.sync_api import sync_playwright
from watched import Tabs, served


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
                with Tabs(browser, address).visit(width, theme) as watched:
                    for name in names:
                        stem = f"{Path(name).stem}-{width}-{theme}"
                        screens(watched, name, folder / stem)
        browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="for the pictures: git ignores _build/screens")
    parser.add_argument("pages", nargs="*", metavar="page", help="as book/intro.html; none: all")
    given = parser.parse_args()
    main(given.folder, given.pages or PAGES)
