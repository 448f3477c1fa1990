"""How fast a destination may be called: as it likes, until it says that this is too fast.

Shared by the threads of a worker. A throttle halves the rate and every success adds a little to it,
so that many workers share a destination without knowing of each other (AIMD, as TCP does it).
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

# Seconds between calls: after the first throttle, at most, and below which none are kept any more.
FIRST_INTERVAL = 0.1
LONGEST_INTERVAL = 60.0
SHORTEST_INTERVAL = 0.005
# Calls a second that a success is worth.
GAIN = 0.1


@dataclass(frozen=True, slots=True)
class Turn:
    """When to call: after *wait_seconds*; *epoch* counts the throttles known when it was given."""

    wait_seconds: float
    epoch: int


class Pace:
    """The turns to call."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._interval = 0.0
        self._free_at = 0.0
        self._epoch = 0

    def take_turn(self) -> Turn:
        with self._lock:
            now = self._clock()
            at = max(now, self._free_at)
            self._free_at = at + self._interval
            return Turn(at - now, self._epoch)

    def slow_down(self, turn: Turn, pause_seconds: float | None = None) -> None:
        """The call of *turn* came too early; nobody calls before *pause_seconds* are over."""
        with self._lock:
            # The calls of other threads that were under way are no news.
            if turn.epoch == self._epoch:
                self._epoch += 1
                self._interval = min(max(2 * self._interval, FIRST_INTERVAL), LONGEST_INTERVAL)
            pause = max(pause_seconds or 0.0, self._interval)
            self._free_at = max(self._free_at, self._clock() + pause)

    def speed_up(self) -> None:
        """A call was welcome."""
        if not self._interval:
            return
        with self._lock:
            interval = 1 / (1 / self._interval + GAIN) if self._interval else 0.0
            self._interval = interval if interval >= SHORTEST_INTERVAL else 0.0
