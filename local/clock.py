"""The platform's clock: real time, and what it was told to advance.

Every timer of a promise (waits, delays between attempts of a step, callback, heartbeat and
execution timeouts) is kept here, in one order. The clock fires them as real time passes, or, when
it is advanced, one after the other, each only once what the one before set going is at rest. So
48 hours pass in a moment, and what is due after 12 hours still comes before what is due after 24.
"""

import heapq
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

NOTHING = timedelta(0)
# As much as a date can still be reckoned with.
MAX_ADVANCE = timedelta(days=3650)

# Among so few, timers that were cancelled are not worth clearing away.
FEW_TIMERS = 64

# Starts what is due, and returns the future of its end.
Start = Callable[[], "Future[Any]"]
# Hears how far functions' clocks are to be ahead of real time.
Publish = Callable[[timedelta], None]
# Returns when everything that was set going is at rest.
Settle = Callable[[], None]


class ClockMode(StrEnum):
    """When timers fire that nobody commanded."""

    RUNNING = "running"
    HELD = "held"
    # Waits and delays between attempts pass at once; the rest is as when running.
    SKIP_TIME = "skip_time"


def real_now() -> datetime:
    return datetime.now(UTC)


@dataclass(order=True, slots=True)
class _Timer:
    due: datetime
    number: int
    start: Start = field(compare=False)
    # What the engine holds: cancelled in time, the timer never fires.
    future: "Future[Any]" = field(compare=False)
    at_most: timedelta = field(compare=False)


class _Timers:
    """Timers by the moment that they are due; those of one moment in the order they were set."""

    def __init__(self) -> None:
        self._heap: list[_Timer] = []

    def add(self, timer: _Timer) -> None:
        if len(self._heap) >= FEW_TIMERS and len(self._heap) % FEW_TIMERS == 0:
            self._heap = [kept for kept in self._heap if not kept.future.cancelled()]
            heapq.heapify(self._heap)
        heapq.heappush(self._heap, timer)

    def first(self) -> _Timer | None:
        while self._heap and self._heap[0].future.cancelled():
            heapq.heappop(self._heap)
        return self._heap[0] if self._heap else None

    def remove_first(self) -> None:
        heapq.heappop(self._heap)

    def bring_forward(self, now: datetime) -> None:
        """Let none be further away than it may be."""
        for timer in self._heap:
            timer.due = min(timer.due, now + timer.at_most)
        heapq.heapify(self._heap)

    def cancel(self) -> None:
        for timer in self._heap:
            timer.future.cancel()
        self._heap.clear()


class CommandedClock:
    """Is the engine's `Clock`, and keeps its timers; its calls may come from any thread."""

    def __init__(
        self,
        mode: ClockMode = ClockMode.RUNNING,
        *,
        publish: Publish = lambda _: None,
        real: Callable[[], datetime] = real_now,
    ) -> None:
        """Prepare; no timer fires by itself before `start`.

        Args:
            mode: When timers fire.
            publish: Hears of each advance before the timers that it makes due are fired.
            real: The time outside.
        """
        self._mode = mode
        self._publish = publish
        self._real = real
        self._advanced = NOTHING
        # What waits were spared: it shows in the time, and makes no other timer due.
        self._skipped = NOTHING
        # While the clock is held: up to here, timers have been let fire.
        self._let_until = real()
        self._promised = _Timers()
        # Of the machinery, not of a promise: they fire while the clock is held, too.
        self._unheld = _Timers()
        self._numbers = itertools.count()
        self._is_advancing = False
        self._is_closed = False
        self._changed = threading.Condition()
        self._commands = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="platform-clock", daemon=True)

    @property
    def mode(self) -> ClockMode:
        return self._mode

    @property
    def advanced(self) -> timedelta:
        """How far it was advanced altogether."""
        with self._changed:
            return self._advanced

    @property
    def is_advancing(self) -> bool:
        return self._is_advancing

    def now(self) -> datetime:
        with self._changed:
            return self._timers_now() + self._skipped

    def due_until(self) -> datetime:
        """What is due until then may come to pass; while the clock is held, less than `now`."""
        with self._changed:
            return self._due_until()

    def arm(self, wake: datetime) -> float:
        """The delay to set a timer for *wake* with.

        It is negative for a moment that has passed while the clock was held: such a timer is set
        all the same, and in its place.
        """
        with self._changed:
            gap = wake - (self._timers_now() + self._skipped)
            if self._mode is ClockMode.SKIP_TIME:
                self._skipped += max(gap, NOTHING)
                return 0.0
            return 0.0 if wake <= self._due_until() else gap.total_seconds()

    def set_timer(
        self, delay: float, start: Start, *, unheld_at_most: float | None = None
    ) -> "Future[Any]":
        """Call *start* after *delay*, unless the future is cancelled before.

        Args:
            delay: In seconds.
            start: Called once, and not on the caller's thread.
            unheld_at_most: It fires while the clock is held, too; and not even after an
                advance is it further away than these seconds.
        """
        timer_future: Future[Any] = Future()
        with self._changed:
            due = self._timers_now() + timedelta(seconds=delay)
            is_promise = unheld_at_most is None
            at_most = MAX_ADVANCE if unheld_at_most is None else timedelta(seconds=unheld_at_most)
            timer = _Timer(due, next(self._numbers), start, timer_future, at_most)
            (self._promised if is_promise else self._unheld).add(timer)
            self._changed.notify_all()
        return timer_future

    def advance(self, by: timedelta, settle: Settle) -> None:
        """Let *by* pass: fire in order what becomes due, and let it come to rest each time.

        What *settle* raises ends the advance where it is; a second call goes on from there.
        """
        with self._commands:
            # What is under way sets its timers by the time before.
            settle()
            self._advance(by, settle)

    def set_mode(self, mode: ClockMode, settle: Settle) -> None:
        """Hold the clock, or let it run; what is due by then is fired in order first."""
        with self._commands:
            if self._mode is ClockMode.HELD and mode is not ClockMode.HELD:
                settle()
                self._advance(NOTHING, settle)
            with self._changed:
                if self._mode is not ClockMode.HELD:
                    self._let_until = self._timers_now()
                self._mode = mode
                self._changed.notify_all()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Fire nothing any more."""
        with self._changed:
            self._is_closed = True
            self._promised.cancel()
            self._unheld.cancel()
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def _advance(self, by: timedelta, settle: Settle) -> None:
        with self._changed:
            target = self._timers_now() + by
            advanced_at_the_end = self._advanced + by
            self._is_advancing = True
        try:
            while self._fire_next(target):
                settle()
            with self._changed:
                self._move(advanced_at_the_end)
                self._let_until = max(self._let_until, target)
        finally:
            with self._changed:
                self._is_advancing = False
                self._unheld.bring_forward(self._timers_now())
                self._changed.notify_all()

    def _fire_next(self, target: datetime) -> bool:
        with self._changed:
            timers = self._next_timers(self._promised, self._unheld)
            timer = timers.first() if timers else None
            if timers is None or timer is None or timer.due > target or self._is_closed:
                return False
            ahead = timer.due - self._timers_now()
            if ahead > NOTHING:
                self._move(self._advanced + ahead)
            self._let_until = max(self._let_until, timer.due)
            timers.remove_first()
            _fire(timer)
            return True

    def _move(self, advanced: timedelta) -> None:
        if advanced != self._advanced:
            self._advanced = advanced
            self._publish(advanced)

    def _run(self) -> None:
        with self._changed:
            while not self._is_closed:
                timers = self._next_timers(*self._that_fire_by_themselves())
                timer = timers.first() if timers else None
                if timers is None or timer is None:
                    self._changed.wait()
                    continue
                ahead = timer.due - self._timers_now()
                if ahead > NOTHING:
                    # Longer than a lock can wait is longer than anyone waits for it.
                    self._changed.wait(min(ahead.total_seconds(), threading.TIMEOUT_MAX))
                    continue
                timers.remove_first()
                _fire(timer)

    def _that_fire_by_themselves(self) -> tuple[_Timers, ...]:
        if self._is_advancing:
            return ()
        if self._mode is ClockMode.HELD:
            return (self._unheld,)
        return (self._promised, self._unheld)

    @staticmethod
    def _next_timers(*kinds: _Timers) -> _Timers | None:
        """Those of *kinds* that the earliest timer is among."""
        earliest = [(timer, kind) for kind in kinds if (timer := kind.first()) is not None]
        return min(earliest, key=lambda pair: pair[0])[1] if earliest else None

    def _timers_now(self) -> datetime:
        return self._real() + self._advanced

    def _due_until(self) -> datetime:
        until = self._let_until if self._mode is ClockMode.HELD else self._timers_now()
        return until + self._skipped


def _fire(timer: _Timer) -> None:
    if not timer.future.set_running_or_notify_cancel():
        return

    def ended(_: "Future[Any]") -> None:
        timer.future.set_result(None)

    timer.start().add_done_callback(ended)
