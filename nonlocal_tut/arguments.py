"""What every public function says of an argument that it cannot take."""


def one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    """Raise a ValueError that names the argument, its value and the allowed ones."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, not {value!r}")
