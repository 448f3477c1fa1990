import heapq
import threading
from collections import Counter, deque

import pytest

from functions.pipelines.pace import LONGEST_INTERVAL, Pace, Turn
from tests.functions.pipelines.batch_jobs import PatientTime


@pytest.fixture
def time() -> PatientTime:
    return PatientTime()


@pytest.fixture
def pace(time: PatientTime) -> Pace:
    return Pace(time.clock)


def test_nobody_waits_for_a_destination_that_takes_it_all(pace: Pace) -> None:
    assert [pace.take_turn().wait_seconds for _ in range(5)] == [0] * 5


def test_after_a_throttle_calls_come_one_after_the_other(pace: Pace) -> None:
    pace.slow_down(pace.take_turn())

    waits = [pace.take_turn().wait_seconds for _ in range(3)]

    assert waits == pytest.approx([0.1, 0.2, 0.3])


def test_the_pause_that_is_asked_for_is_kept_by_all(pace: Pace) -> None:
    pace.slow_down(pace.take_turn(), 30.0)

    assert pace.take_turn().wait_seconds == pytest.approx(30.0)
    assert pace.take_turn().wait_seconds > 30.0


def test_each_throttle_halves_the_rate_down_to_a_bound(pace: Pace, time: PatientTime) -> None:
    for _ in range(20):
        turn = pace.take_turn()
        time.sleep(turn.wait_seconds)
        pace.slow_down(turn)

    time.sleep(pace.take_turn().wait_seconds)
    assert pace.take_turn().wait_seconds == pytest.approx(LONGEST_INTERVAL)


def test_calls_that_were_under_way_together_are_one_throttle(pace: Pace) -> None:
    turns = [pace.take_turn() for _ in range(4)]
    for turn in turns:
        pace.slow_down(turn)

    assert pace.take_turn().wait_seconds == pytest.approx(0.1)


def test_success_brings_the_speed_back(pace: Pace, time: PatientTime) -> None:
    pace.slow_down(pace.take_turn())
    for _ in range(3_000):
        pace.speed_up()
    time.sleep(1)

    assert [pace.take_turn().wait_seconds for _ in range(5)] == [0] * 5


class Shared:
    """Many workers, each with a pace of its own, and a destination that bears so many calls.

    It counts those of the last second, and those that it turns away too.
    """

    def __init__(self, workers: int, calls_a_second: int) -> None:
        self.time = PatientTime()
        self.taken: Counter[int] = Counter()
        self.throttled = 0
        self._paces = [Pace(self.time.clock) for _ in range(workers)]
        self._capacity = calls_a_second
        self._lately: deque[float] = deque()

    def run(self, seconds: float) -> None:
        """Each worker calls as soon as its pace lets it; an answer takes 20 ms."""
        due = [(0.001 * worker, worker) for worker in range(len(self._paces))]
        until = self.time.now + seconds
        turns = {}
        while due and due[0][0] < until:
            self.time.now, worker = heapq.heappop(due)
            if worker not in turns:
                turns[worker] = turn = self._paces[worker].take_turn()
                if turn.wait_seconds:
                    heapq.heappush(due, (self.time.now + turn.wait_seconds, worker))
                    continue
            self._call(worker, turns.pop(worker))
            heapq.heappush(due, (self.time.now + 0.02, worker))

    def _call(self, worker: int, turn: Turn) -> None:
        while self._lately and self._lately[0] <= self.time.now - 1:
            self._lately.popleft()
        if len(self._lately) < self._capacity:
            self._lately.append(self.time.now)
            self.taken[worker] += 1
            self._paces[worker].speed_up()
        else:
            self.throttled += 1
            self._paces[worker].slow_down(turn)


@pytest.mark.parametrize(("workers", "calls_a_second"), [(2, 20), (50, 100), (100, 100)])
def test_many_workers_use_most_of_what_a_destination_bears_and_share_it(
    workers: int, calls_a_second: int
) -> None:
    shared = Shared(workers, calls_a_second)

    shared.run(600)

    taken = sum(shared.taken.values())
    assert taken >= 0.6 * calls_a_second * 600
    assert shared.throttled <= 0.2 * taken
    fair = taken / workers
    assert len(shared.taken) == workers
    assert min(shared.taken.values()) >= fair / 4
    assert max(shared.taken.values()) <= fair * 4


def test_many_workers_are_fast_again_when_the_destination_is() -> None:
    shared = Shared(50, 10)
    shared.run(600)
    shared._capacity = 100_000
    shared.run(400)
    shared.taken.clear()

    shared.run(10)

    # As fast as answers come: fifty a second from each.
    assert sum(shared.taken.values()) >= 0.9 * 50 * 50 * 10


def test_the_threads_of_a_worker_get_turns_of_their_own(pace: Pace) -> None:
    pace.slow_down(pace.take_turn())
    waits: list[float] = []

    def take() -> None:
        waits.extend(pace.take_turn().wait_seconds for _ in range(100))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(waits) == pytest.approx([0.1 * number for number in range(1, 801)])
