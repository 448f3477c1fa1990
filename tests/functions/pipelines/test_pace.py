import pytest

from functions.pipelines.pace import LONGEST_INTERVAL, Pace
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
