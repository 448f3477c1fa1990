"""How far functions' clocks are ahead of real time: a file that every function's process reads.

The number has the size of a machine word, so nobody reads half of it.
"""

import os
import struct
from datetime import timedelta
from pathlib import Path

# The environment variable that carries the path of the file to every descendant.
MOVED_CLOCK = "LOCAL_PLATFORM_MOVED_CLOCK"

# Seconds; `inside_ministack/moved_clock.py` reads it.
SECONDS = struct.Struct("=d")


class MovedClock:
    """The file, written anew."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def environ(self) -> dict[str, str]:
        return {MOVED_CLOCK: str(self._path)}

    def publish(self, ahead: timedelta) -> None:
        """Let every invocation that begins from now on see its clock *ahead* of real time."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, SECONDS.pack(ahead.total_seconds()), 0)
        finally:
            os.close(descriptor)
