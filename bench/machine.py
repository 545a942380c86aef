"""The processor that a run's times are of."""

import platform


def processor() -> str:
    """The model's name, as Linux has it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(s.split(":", 1)[1].strip() for s in lines if s.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"
