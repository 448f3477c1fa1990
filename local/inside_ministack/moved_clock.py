"""Move a function's clock with the platform's (see `local/moved_clock.py`).

A function that compares a deadline with the time has to see the days that the platform was told
to advance. Each invocation looks how far that is, once and before the handler runs; where nothing
was ever advanced, it reads eight bytes and nothing else is loaded.
"""

import importlib
import os
import struct
import time
from datetime import timedelta
from typing import Any

MOVED_CLOCK = "LOCAL_PLATFORM_MOVED_CLOCK"
SECONDS = struct.Struct("=d")


class _FunctionClock:
    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDONLY)
        self._ahead = 0.0
        self._traveller: Any = None

    def follow(self) -> None:
        (ahead,) = SECONDS.unpack(os.pread(self._file, SECONDS.size, 0))
        if ahead == self._ahead:
            return
        if self._traveller is None:
            travel = importlib.import_module("time_machine").travel
            self._traveller = travel(timedelta(seconds=ahead), tick=True).start()
            # It begins to tick when it is first asked.
            time.time()
        else:
            self._traveller.shift(timedelta(seconds=ahead - self._ahead))
        self._ahead = ahead


_clock: _FunctionClock | None = None


def now() -> float:
    """The platform's time, for a process whose own clock is real."""
    path = os.environ.get(MOVED_CLOCK)
    if path is None:
        return time.time()
    with open(path, "rb") as file:  # noqa: PTH123  # no pathlib in every function's process
        (ahead,) = SECONDS.unpack(file.read(SECONDS.size))
    return time.time() + float(ahead)


def install() -> None:
    """Follow the platform's clock in a function's process; in any other, do nothing."""
    global _clock  # noqa: PLW0603  # one clock per process
    path = os.environ.get(MOVED_CLOCK)
    if path and "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        _clock = _FunctionClock(path)
        follow()


def follow() -> None:
    """Called by MiniStack's worker before each invocation (`launch.py`)."""
    if _clock is not None:
        _clock.follow()
