"""Where and when a run's figures came about: what every data file begins with."""

import platform
from datetime import UTC, datetime
from typing import Any

import torch


def processor() -> str:
    """The model's name, as Linux has it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(s.split(":", 1)[1].strip() for s in lines if s.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def today() -> str:
    """The date of the run: 2026-11-26."""
    return datetime.now(UTC).strftime("%Y-%m-%d")


def origin(command: str) -> dict[str, Any]:
    """The command that writes the file again, the date, the processor and torch's version."""
    return {
        "command": command,
        "date": today(),
        "processor": processor(),
        "torch": torch.__version__,
    }
