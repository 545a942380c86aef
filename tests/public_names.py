"""Every public name of the module, as book/api.md lists them: {"room.name": its value}."""

import importlib
import re

from data_files import ROOT

PAGE = (ROOT / "book" / "api.md").read_text(encoding="utf-8")
LISTED = re.findall(r"automodule:: (\S+)\n   :members:(.*)", PAGE)


def names_in(module: str, members: str) -> list[str]:
    """The members named, else all that the module calls public."""
    room = importlib.import_module(module)
    own = [
        name
        for name, value in vars(room).items()
        if getattr(value, "__module__", None) == module and not name.startswith("_")
    ]
    named = [name.strip() for name in members.split(",") if name.strip()]
    return named or getattr(room, "__all__", None) or own


def public() -> dict[str, object]:
    found = {}
    for module, members in LISTED:
        room = importlib.import_module(module)
        for name in names_in(module, members):
            found[f"{module}.{name}".removeprefix("nonlocal_tut.")] = getattr(room, name)
    return found
