"""From names to sizes and back: read "B C=64 H W", choose what is open, call each side by name."""

import itertools
import math
import re
from collections.abc import Iterable, Iterator

from torch import Tensor

Shape = tuple[int, ...]
Table = dict[int, list[str]]  # a size, and every name that fits it

CONVENTION = {3: "B C N", 4: "B C H W", 5: "B C T H W"}
POSITIONS = ("T", "H", "W")
PRIMES = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73)
FACTOR = {"C": 8, "H": 2, "W": 2, "N": 2}  # times a prime, so that C/8, H/2 and N/4 are whole


def read(inputs: Iterable[Tensor | str]) -> tuple[list[list[str]], dict[str, int]]:
    """The names of each input's sides, and the sizes that come with them."""
    sides: list[list[str]] = []
    fixed: dict[str, int] = {}
    for place, given in enumerate(inputs, 1):
        pairs = _sides(place, given)
        for name, size in pairs:
            if size is not None and fixed.setdefault(name, size) != size:
                raise ValueError(
                    f"{name} is {fixed[name]} and, in input {place}, {size}; a name has one size: "
                    'give each size a name, for example "B=2 N=35 d=8"'
                )
        sides.append([name for name, _ in pairs])
    return sides, fixed


def _sides(place: int, given: Tensor | str) -> list[tuple[str, int | None]]:
    if isinstance(given, Tensor):
        if given.dim() not in CONVENTION:
            raise ValueError(
                f"input {place} has shape {tuple(given.shape)}; only 3 to 5 sides have names "
                'by convention: name its sides, for example "N=35 d=8"'
            )
        return list(zip(CONVENTION[given.dim()].split(), given.shape, strict=True))
    if isinstance(given, str):
        sides = given.split()
        found = [re.fullmatch(r"([A-Za-z][\w']*)(?:=([1-9]\d*))?", side) for side in sides]
        matches = [match for match in found if match]
        if not matches or len(matches) < len(sides):
            raise ValueError(f'input {place} is {given!r}; write names as in "B C=64 H W"')
        return [(match[1], int(match[2]) if match[2] else None) for match in matches]
    raise ValueError(
        f"input {place} is {given!r}, of type {type(given).__name__}; "
        'give a tensor or a string of names, for example "B C H W"'
    )


def choose(names: list[str], fixed: dict[str, int], widths: set[int]) -> dict[str, int]:
    """Small sizes under which no two names meet, and none meets a width of the module's own."""

    free = [name for name in names if name not in fixed]
    if len(free) > len(PRIMES) - 9:
        raise ValueError(f"ledger picks at most {len(PRIMES) - 9} sizes, not {len(free)}: {free}")

    def sizes(start: int) -> dict[str, int]:
        primes = iter(PRIMES[start:])
        return {n: fixed[n] if n in fixed else FACTOR.get(n, 1) * next(primes) for n in names}

    def clashes(sizes: dict[str, int]) -> int:
        table = name_table(sizes, pooled=True)
        return sum(len(fits) - 1 for fits in table.values()) + len(widths & table.keys())

    return min((sizes(start) for start in range(10)), key=clashes)


def name_table(sizes: dict[str, int], pooled: bool, widths: set[int] | None = None) -> Table:
    """Every name of every size; None for widths lets a share of C count everywhere."""
    real = {name: size for name, size in sizes.items() if size > 1}  # if B is 1, BC is just C
    halves = _pooled(real) if pooled else ()
    size_of: dict[str, int] = {}
    for name, size in [*sizes.items(), *_products(real), *halves, ("1", 1)]:
        size_of.setdefault(name, size)  # the reader's own name comes before a product's
    taken = set(size_of.values())
    for name, size in _shares(real):
        if widths is None or size in widths or size not in taken:
            size_of[name] = size
    table: Table = {}
    for name, size in size_of.items():
        table.setdefault(size, []).append(name)
    return table


def _products(sizes: dict[str, int]) -> Iterator[tuple[str, int]]:
    for count in range(2, len(sizes) + 1):
        for group in itertools.combinations(sizes, count):
            yield _product(group, sizes), math.prod(sizes[name] for name in group)


def _pooled(sizes: dict[str, int]) -> Iterator[tuple[str, int]]:
    # By 2 along H and W, or along N in one dimension; never along T.
    halved: list[str] = [name for name in ("H", "W") if name in sizes] or ["N"] * ("N" in sizes)
    odd = [name for name in halved if sizes[name] % 2]
    half = {n: (f"⌊{n}/2⌋" if n in odd else f"{n}/2", sizes[n] // 2) for n in halved}
    yield from half.values()
    for group in (("H", "W"), POSITIONS):
        if sizes.keys() >= set(group):
            labels, lengths = zip(*(half.get(n, (n, sizes[n])) for n in group), strict=True)
            label = "·".join(labels) if odd else _product(group, sizes) + "/4"
            yield label, math.prod(lengths)


def _shares(sizes: dict[str, int]) -> Iterator[tuple[str, int]]:
    for name in (name for name in ("C", "d") if name in sizes):
        size = sizes[name]
        yield from ((f"{name}/{r}", size // r) for r in (2, 4, 8, 16) if size % r == 0)
        yield from ((f"{times}{name}", times * size) for times in (2, 3))


def _product(group: tuple[str, ...], sizes: dict[str, int]) -> str:
    positions = _positions(sizes)
    if positions and set(positions) <= set(group):
        group = (*(name for name in group if name not in positions), "N")
    return ("" if all(len(name) == 1 for name in group) else "·").join(group)


def _positions(sizes: dict[str, int]) -> list[str]:
    """The two or three sides whose product is N; none where N is a side itself."""
    found = [name for name in POSITIONS if name in sizes]
    return found if len(found) > 1 and "N" not in sizes else []


def named(shape: Shape, table: Table) -> str:
    """A shape in names, B×C×N; a size without a name is its number, and () is "scalar"."""
    return "×".join("|".join(table.get(side, [str(side)])) for side in shape) or "scalar"


def legend(sizes: dict[str, int]) -> str:
    """The sizes in one line, and N where it is a product: B=2  C=3  H=5  W=7  N=H·W=35."""
    parts = [f"{name}={size}" for name, size in sizes.items()]
    if positions := _positions(sizes):
        parts.append(f"N={'·'.join(positions)}={math.prod(sizes[name] for name in positions)}")
    return "  ".join(parts)
