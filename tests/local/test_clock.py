"""The platform's clock by itself, with a real time that stands still until it is moved."""

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.activity import Activity, NotAtRestError
from local.clock import ClockMode, CommandedClock

HOUR = 3600.0
LONG_ENOUGH_SECONDS = 5.0
SHORT_SECONDS = 0.05


@dataclass(slots=True)
class Outside:
    """The real time, what fired and when, and what was published before."""

    moment: datetime = field(default_factory=lambda: datetime(2026, 11, 22, tzinfo=UTC))
    came: list[str] = field(default_factory=list)
    published: list[timedelta] = field(default_factory=list)
    settled: list[list[str]] = field(default_factory=list)
    fired: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> datetime:
        return self.moment

    def settle(self) -> None:
        self.settled.append(list(self.came))

    def clock(self, mode: ClockMode = ClockMode.RUNNING) -> CommandedClock:
        return CommandedClock(mode, publish=self.published.append, real=self)

    def timer(self, clock: CommandedClock, delay: float, name: str) -> "Future[Any]":
        return clock.set_timer(delay, lambda: self.fire(name))

    def fire(self, name: str) -> "Future[None]":
        self.came.append(name)
        self.fired.set()
        done: Future[None] = Future()
        done.set_result(None)
        return done


@pytest.fixture
def outside() -> Outside:
    return Outside()


def test_an_advance_fires_what_becomes_due_in_order_and_nothing_else(outside: Outside) -> None:
    clock = outside.clock()
    for name, delay in {"later": 3 * HOUR, "second": 2 * HOUR, "first": HOUR}.items():
        outside.timer(clock, delay, name)

    clock.advance(timedelta(hours=2), outside.settle)

    assert outside.came == ["first", "second"]
    assert clock.now() == outside.moment + timedelta(hours=2)
    assert clock.advanced == timedelta(hours=2)


def test_each_timer_waits_for_the_rest_after_the_one_before(outside: Outside) -> None:
    clock = outside.clock()
    outside.timer(clock, HOUR, "first")
    outside.timer(clock, 2 * HOUR, "second")

    clock.advance(timedelta(hours=3), outside.settle)

    # Before anything, too: what is under way sets its timers by the time before.
    assert outside.settled == [[], ["first"], ["first", "second"]]


def test_the_time_is_moved_and_published_before_a_timer_fires(outside: Outside) -> None:
    clock = outside.clock()
    seen: list[tuple[timedelta, datetime]] = []

    def see() -> "Future[None]":
        seen.append((outside.published[-1], clock.now()))
        return outside.fire("")

    clock.set_timer(HOUR, see)

    clock.advance(timedelta(hours=2), outside.settle)

    assert seen == [(timedelta(hours=1), outside.moment + timedelta(hours=1))]
    assert outside.published == [timedelta(hours=1), timedelta(hours=2)]


def test_a_timer_that_is_set_while_the_clock_is_advanced_is_part_of_it(outside: Outside) -> None:
    clock = outside.clock()

    def first() -> "Future[Any]":
        outside.timer(clock, HOUR, "set by the first")
        return outside.fire("first")

    clock.set_timer(HOUR, first)
    outside.timer(clock, 5 * HOUR, "last")

    clock.advance(timedelta(hours=5), outside.settle)

    assert outside.came == ["first", "set by the first", "last"]


def test_timers_of_one_moment_fire_in_the_order_that_they_were_set(outside: Outside) -> None:
    clock = outside.clock()
    for name in ("one", "two", "three"):
        outside.timer(clock, HOUR, name)

    clock.advance(timedelta(hours=1), outside.settle)

    assert outside.came == ["one", "two", "three"]


def test_a_timer_that_was_cancelled_never_fires(outside: Outside) -> None:
    clock = outside.clock()
    futures = [outside.timer(clock, HOUR, f"timer-{number}") for number in range(500)]
    for future in futures[1:]:
        assert future.cancel()

    clock.advance(timedelta(hours=2), outside.settle)

    assert outside.came == ["timer-0"]
    # Nor is it waited for.
    assert outside.settled == [[], ["timer-0"]]
    assert futures[0].done()
    assert not futures[0].cancelled()


def test_what_an_advance_fires_may_cancel_what_would_be_next(outside: Outside) -> None:
    clock = outside.clock()
    last = outside.timer(clock, 2 * HOUR, "last")
    clock.set_timer(HOUR, lambda: (last.cancel(), outside.fire("first"))[1])

    clock.advance(timedelta(hours=3), outside.settle)

    assert outside.came == ["first"]


def test_a_running_clock_fires_by_real_time(outside: Outside) -> None:
    clock = outside.clock()
    clock.start()
    clock.set_timer(SHORT_SECONDS, lambda: outside.fire("soon"))

    # Real time stands still here, and the thread looks again when its wait is over.
    outside.moment += timedelta(seconds=1)

    assert outside.fired.wait(LONG_ENOUGH_SECONDS)
    clock.close()


def test_a_held_clock_lets_nothing_be_due_but_by_command(outside: Outside) -> None:
    clock = outside.clock(ClockMode.HELD)
    clock.start()
    start = outside.moment
    outside.timer(clock, SHORT_SECONDS, "held")
    outside.moment += timedelta(hours=1)

    assert clock.due_until() == start
    # A moment that has passed is still to come: its timer gets the place that it had.
    assert clock.arm(start + timedelta(minutes=1)) == -59 * 60
    outside.timer(clock, -59 * 60, "overdue for an hour")
    clock.advance(timedelta(0), outside.settle)

    assert outside.came == ["held", "overdue for an hour"]
    assert clock.due_until() == clock.now() == outside.moment
    clock.close()


def test_a_held_clock_still_fires_what_no_promise_rests_on(outside: Outside) -> None:
    clock = outside.clock(ClockMode.HELD)
    clock.start()

    clock.set_timer(SHORT_SECONDS, lambda: outside.fire(""), unheld_at_most=HOUR)
    outside.moment += timedelta(seconds=1)

    assert outside.fired.wait(LONG_ENOUGH_SECONDS)
    clock.close()


def test_what_no_promise_rests_on_is_never_far_away_after_an_advance(outside: Outside) -> None:
    clock = outside.clock()
    clock.start()
    clock.set_timer(10 * HOUR, lambda: outside.fire(""), unheld_at_most=SHORT_SECONDS)

    clock.advance(timedelta(hours=1), outside.settle)
    outside.moment += timedelta(seconds=1)

    assert outside.fired.wait(LONG_ENOUGH_SECONDS)
    clock.close()


def test_letting_the_clock_run_fires_what_is_overdue_first(outside: Outside) -> None:
    clock = outside.clock(ClockMode.HELD)
    outside.timer(clock, 1, "overdue")
    outside.timer(clock, HOUR, "not yet")
    outside.moment += timedelta(seconds=2)

    clock.set_mode(ClockMode.RUNNING, outside.settle)

    assert outside.came == ["overdue"]
    assert clock.advanced == timedelta(0)


def test_an_advance_that_does_not_come_to_rest_can_be_gone_on_with(outside: Outside) -> None:
    clock = outside.clock()
    outside.timer(clock, HOUR, "first")
    outside.timer(clock, 2 * HOUR, "second")

    def settle() -> None:
        if outside.came == ["first"]:
            raise NotAtRestError("the first goes on")

    with pytest.raises(NotAtRestError):
        clock.advance(timedelta(hours=2), settle)
    assert clock.advanced == timedelta(hours=1)
    clock.advance(timedelta(hours=1), outside.settle)

    assert outside.came == ["first", "second"]


def test_skipped_time_makes_nothing_else_due(outside: Outside) -> None:
    clock = outside.clock(ClockMode.SKIP_TIME)
    outside.timer(clock, HOUR, "a timeout")

    assert clock.arm(clock.now() + timedelta(hours=5)) == 0
    assert clock.now() == outside.moment + timedelta(hours=5)
    clock.advance(timedelta(minutes=59), outside.settle)

    assert outside.came == []


def test_a_closed_clock_fires_nothing(outside: Outside) -> None:
    clock = outside.clock()
    clock.start()
    future = outside.timer(clock, HOUR, "never")

    clock.close()
    clock.advance(timedelta(hours=2), outside.settle)

    assert future.cancelled()
    assert outside.came == []


def test_timers_that_many_threads_set_all_fire_once(outside: Outside) -> None:
    clock = outside.clock()
    threads = [
        threading.Thread(
            target=lambda number=number: [
                outside.timer(clock, HOUR + each, f"{number}-{each}") for each in range(100)
            ]
        )
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    clock.advance(timedelta(hours=1), outside.settle)
    for thread in threads:
        thread.join()
    clock.advance(timedelta(hours=1), outside.settle)

    assert len(outside.came) == len(set(outside.came)) == 800


def test_what_does_not_come_to_rest_is_named() -> None:
    activity = Activity()

    with (
        activity.of("orders"),
        activity.of("orders"),
        pytest.raises(NotAtRestError, match=r"orders \(2\)"),
    ):
        activity.wait_for_rest(SHORT_SECONDS)

    activity.wait_for_rest(0)
    assert activity.begun == 2
