"""How long a chunk may go on: to the end of the invocation, and not for ever.

A chunk is made in one go. One that is begun shortly before the invocation ends is put off to the
next one; one that did not come to its end although it had most of an invocation never will.
"""

import math
import threading
import time
from collections.abc import Callable

from functions.shared.errors import PermanentError, TransientError

# For the call that is under way (`http_exchange` gives up on one after less), the parts to write
# and the checkpoint.
SPARE_SECONDS = 120.0
# Of the 15 minutes of an invocation; who had that much gets hardly more next time.
FAIR_SECONDS = 600.0


class OutOfTimeError(TransientError):
    """The invocation is nearly over: again in the next one, in *pause_seconds*; it is no try."""

    def __init__(self, pause_seconds: int) -> None:
        super().__init__("the invocation is nearly over: the chunk is put off to the next one")
        self.pause_seconds = pause_seconds


class ChunkTooSlowError(PermanentError):
    """A chunk takes more time than an invocation has."""


class DownstreamUnavailableError(TransientError):
    """The destination does not take records for now, whichever they are."""

    def __init__(self, message: str, pause_seconds: float | None = None) -> None:
        super().__init__(message)
        self.pause_seconds = pause_seconds


class Stopwatch:
    """The time of a worker, shared out among the chunks that it ends.

    Several at once take the same seconds; each second is counted for the one that ends next.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._told = clock()

    def lap(self) -> float:
        """The seconds since it was asked before."""
        with self._lock:
            before, self._told = self._told, self._clock()
            return self._told - before


class ChunkTime:
    """The time of one try of one chunk; *left* tells the invocation's seconds."""

    def __init__(self, left: Callable[[], float]) -> None:
        self._left = left
        self._had = left()
        # Seconds that were spent on waiting for the destination.
        self.waited = 0.0

    def check(self, seconds: float = 0.0) -> None:
        """Go on where *seconds* and what comes after them still fit.

        Raises:
            OutOfTimeError: They do not.
            ChunkTooSlowError: They never will.
            DownstreamUnavailableError: They would, if the destination were not so slow.
        """
        left = self._left()
        if left - seconds >= SPARE_SECONDS:
            return
        used = self._had - left
        if used < FAIR_SECONDS:
            raise OutOfTimeError(math.ceil(max(left, 0)) + 1)
        if 2 * self.waited >= used:
            raise DownstreamUnavailableError(
                f"the destination takes so few records that a chunk did not end in {used:.0f} s"
            )
        raise ChunkTooSlowError(
            f"a chunk did not end in {used:.0f} s: say in records_per_second how many the "
            "processor really does, or give more target_minutes, so that chunks become smaller"
        )
