"""A function's process follows the platform's clock, and pays nothing where it need not."""

import json
import os
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local.inside_ministack import moved_clock as inside
from local.ministack import INSIDE, INTERPRETER
from local.moved_clock import MOVED_CLOCK, SECONDS, MovedClock

SCRIPT = """
import datetime, json, os, sys, time
import moved_clock

def told():
    moved_clock.follow()
    return {
        "time": time.time(),
        "datetime": datetime.datetime.now(datetime.UTC).timestamp(),
        "loaded": "time_machine" in sys.modules,
    }

before = told()
sys.stdin.readline()
print(json.dumps(before), flush=True)
sys.stdin.readline()
started = time.monotonic()
for _ in range(10_000):
    moved_clock.follow()
cost = (time.monotonic() - started) / 10_000
print(json.dumps({**told(), "cost": cost}), flush=True)
"""


@pytest.fixture
def clock(tmp_path: Path) -> MovedClock:
    clock = MovedClock(tmp_path / "clock")
    clock.publish(timedelta(0))
    return clock


def test_both_sides_read_the_file_alike() -> None:
    assert inside.MOVED_CLOCK == MOVED_CLOCK
    assert inside.SECONDS.format == SECONDS.format


def test_nothing_is_loaded_before_the_clock_is_moved_and_then_it_follows(clock: MovedClock) -> None:
    real, moved = _follow(clock, {"AWS_LAMBDA_FUNCTION_NAME": "any"}, timedelta(days=2))

    assert not real["loaded"]
    assert moved["loaded"]
    assert moved["time"] - real["time"] == pytest.approx(2 * 86_400, abs=10)
    assert moved["datetime"] == pytest.approx(moved["time"], abs=1)
    # Two microseconds; a hundred would still not be seen.
    assert moved["cost"] < 1e-4


def test_a_process_that_is_no_functions_keeps_the_real_time(clock: MovedClock) -> None:
    real, moved = _follow(clock, {}, timedelta(days=2))

    assert moved["time"] - real["time"] < 10
    assert not moved["loaded"]


def _follow(
    clock: MovedClock, environ: dict[str, str], ahead: timedelta
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a process says of the time before and after the clock is moved."""
    with subprocess.Popen(
        [str(INTERPRETER), "-c", SCRIPT],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(INSIDE), **clock.environ(), **environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        told: list[dict[str, Any]] = []
        for _ in range(2):
            process.stdin.write("\n")
            process.stdin.flush()
            told.append(json.loads(process.stdout.readline()))
            clock.publish(ahead)
    return told[0], told[1]
