"""Does a number of the prose repeat a source? By its value, at the digits shown, and its words."""

import re

SCALES = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "%": 0.01, "percent": 0.01}
BYTES = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 1e3, "MB": 1e6, "GB": 1e9}
SCALES |= BYTES | {"· 10⁹": 1e9}
UNIT = re.compile(r"[\s*]*(· 10⁹|\w+|%)")
ABOUT = re.compile(r"\b(?:about|almost|nearly|some|around|over|under)\W*$")
SMALL = 12  # a count up to here is found nearly everywhere, and its value tells nothing


def tells(quantity):
    """Whether a value can be told from others: not a small count, and not part of a thing."""
    if quantity.kind in ("words", "part"):
        return SMALL < quantity.values[0] < 100
    return quantity.kind != "digits" or len(quantity.text) > 1


def repeats(quantity, sources, text, ease=0):
    """Whether a source has the value, and words show that it is meant: the fewer digits, the more.

    A value of one digit needs a word close by, of two a word of the sentence, of three none; of
    `ease` more digits it passes for. A shape from far that is no square needs a word
    of the sentence, too. A list of numbers may also stand in a line or column.
    """
    digits, shape = quantity.digits + ease, len(quantity.values) > 1
    close = ease >= 0 or len(set(quantity.values)) == 1
    for source in sources:
        if quantity.listed and _runs(quantity.listed, source.run):
            return True
        if same(quantity, source, text) and (
            (shape and (close or quantity.words & source.words))
            or digits > 2
            or (digits > 1 and not quantity.listed and quantity.words & source.words)
            or quantity.near & source.near
        ):
            return True
    return False


def same(quantity, source, text):
    """Whether a source has the value; `text` is where the quantity stands, with its unit."""
    shown, found = quantity.values, source.values
    if len(shown) > 1:  # a shape's last sides; few of them say little, if they are not written ×
        if found == shown[:1] and len(set(shown)) == 1:
            return shown[0] > 9  # the side of a square
        sure = source.written or len(set(shown)) == 1 or (len(found) > 2 and min(shown) > 9)
        return sure and found[-len(shown) :] == shown
    if len(found) != 1:
        return False
    (shown,), (found,) = shown, found
    if quantity.kind == "part":
        return _close(shown, found, 0) or (found > 1 and _close(shown, 1 / found, 0))
    step = quantity.step
    if step == 1 and ABOUT.search(text[max(0, quantity.start - 10) : quantity.start]):
        step = 10.0 ** (len(quantity.text) - len(quantity.text.rstrip("0")))
    if _close(shown, found, step) and not (source.whole and 0 < quantity.step < 1):
        return True
    unit = UNIT.match(text[quantity.end :])
    scale = SCALES.get(unit[1]) if unit else None
    if not scale:
        return False
    scales = [scale, *(scale / BYTES[b] for b in BYTES if b.lower() in source.words)]
    return any(_close(shown, found / one, step or 1) for one in scales)


def _close(shown, found, step):
    """Equal, or rounded to what is shown."""
    return abs(found - shown) <= step / 2 * (1 + 1e-9) + 1e-12 * abs(shown)


def _runs(listed, run):
    n = len(listed)
    return any(run[i : i + n] == listed for i in range(len(run) - n + 1))
