"""The commanded clock: what is promised for days comes in its order, in a moment, on command."""

import json
import time
import urllib.error
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.local.deployed_stack import DeployedStack, eventually

pytestmark = pytest.mark.platform

MINUTE = 60
HOUR = 3600
DAY = 24 * HOUR

# What it takes on a machine that has much else to do; it would be two days.
A_MOMENT_SECONDS = 20


@pytest.fixture(autouse=True)
def _let_run_again(deployed: DeployedStack) -> Iterator[None]:
    yield
    deployed.control("POST", "clock", {"mode": "running"})


def test_what_is_due_comes_in_the_order_that_it_is_due(deployed: DeployedStack) -> None:
    event = {"wait": 12 * HOUR, "timeout": DAY, "failures": 2}
    arn = _ask(deployed, "in-order", event)

    deployed.advance(2 * DAY)

    assert _came(deployed, "in-order") == ["retry", "wait", "Callback timed out"]
    assert deployed.wait(arn)["Status"] == "SUCCEEDED"


def test_timers_of_several_executions_are_in_one_order(deployed: DeployedStack) -> None:
    events = {
        "third": {"wait": 3 * HOUR},
        "first": {"timeout": HOUR},
        "second": {"heartbeat": 2 * HOUR, "timeout": DAY},
    }
    ended = {name: _ask(deployed, name, event) for name, event in events.items()}

    deployed.advance(DAY)

    ends = {name: deployed.wait(arn)["EndTimestamp"] for name, arn in ended.items()}
    assert sorted(ends, key=ends.__getitem__) == ["first", "second", "third"]


def test_two_days_pass_in_a_moment_and_the_history_says_two_days(deployed: DeployedStack) -> None:
    arn = _ask(deployed, "two-days", {"wait": 2 * DAY})
    started = time.monotonic()

    told = deployed.advance(2 * DAY)

    assert time.monotonic() - started < A_MOMENT_SECONDS
    execution = deployed.wait(arn)
    assert execution["EndTimestamp"] - execution["StartTimestamp"] >= timedelta(days=2)
    history = deployed.lambda_.get_durable_execution_history(DurableExecutionArn=arn)["Events"]
    of_type = {event["EventType"]: event["EventTimestamp"] for event in history}
    assert of_type["WaitSucceeded"] - of_type["WaitStarted"] >= timedelta(days=2)
    assert datetime.fromisoformat(told["now"]) >= execution["EndTimestamp"]


def test_an_answer_between_two_advances_comes_before_what_would_have_been_due(
    deployed: DeployedStack,
) -> None:
    arn = _ask(deployed, "answered", {"wait": 12 * HOUR, "timeout": DAY})

    deployed.advance(12 * HOUR - MINUTE)
    before = _came(deployed, "answered")
    deployed.lambda_.send_durable_execution_callback_success(
        CallbackId=_callback_id(deployed, "answered"), Result=b"yes"
    )
    deployed.advance(2 * DAY)

    assert before == []
    assert _came(deployed, "answered") == ["answer yes", "wait"]
    assert deployed.wait(arn)["Status"] == "SUCCEEDED"


def test_a_heartbeat_gives_the_callback_its_whole_time_again(
    deployed: DeployedStack, caplog: pytest.LogCaptureFixture
) -> None:
    _ask(deployed, "beating-heart", {"heartbeat": HOUR, "timeout": DAY, "wait": 2 * DAY})
    callback = _callback_id(deployed, "beating-heart")

    for _ in range(3):
        deployed.advance(50 * MINUTE)
        deployed.lambda_.send_durable_execution_callback_heartbeat(CallbackId=callback)
    deployed.advance(50 * MINUTE)
    while_beating = _came(deployed, "beating-heart")
    deployed.advance(10 * MINUTE)
    silent = _came(deployed, "beating-heart")
    deployed.advance(2 * DAY)

    assert while_beating == []
    assert silent == ["Callback timed out on heartbeat"]
    # The timer of its timeout went with it.
    assert _came(deployed, "beating-heart") == [*silent, "wait"]
    assert "Error processing callback timeout" not in caplog.text


def test_an_execution_whose_time_is_out_is_told_of_like_any_other(deployed: DeployedStack) -> None:
    arn = _ask(deployed, "out-of-time", {"wait": 4 * DAY})

    deployed.advance(3 * DAY)

    execution = deployed.wait(arn)
    assert execution["Status"] == "TIMED_OUT"
    assert _came(deployed, "out-of-time") == []
    event = json.loads(deployed.message("StatusQueue", "out-of-time")["Body"])
    assert event["detail"]["status"] == "TIMED_OUT"
    letter = json.loads(deployed.message("DeadLetterQueue", "out-of-time")["Body"])
    assert json.loads(letter["Message"])["id"] == "out-of-time"


def test_a_clock_that_is_held_fires_nothing_by_itself(deployed: DeployedStack) -> None:
    deployed.control("POST", "clock", {"mode": "held"})
    arn = _ask(deployed, "held", {"wait": 1, "timeout": 2, "failures": 0})

    # Long enough for all of it, were the clock running.
    time.sleep(3)
    while_held = _came(deployed, "held")
    deployed.advance(0)
    overdue = _came(deployed, "held")

    assert while_held == ["retry"]
    assert overdue == ["retry", "wait", "Callback timed out"]
    assert deployed.wait(arn)["Status"] == "SUCCEEDED"


def test_a_clock_that_runs_again_fires_what_was_overdue(deployed: DeployedStack) -> None:
    deployed.control("POST", "clock", {"mode": "held"})
    _ask(deployed, "overdue", {"wait": 1})
    time.sleep(1.5)

    told = deployed.control("POST", "clock", {"mode": "running"})

    assert told["mode"] == "running"
    assert _came(deployed, "overdue") == ["wait"]


def test_an_invocation_that_crashed_is_tried_again_while_the_clock_is_held(
    deployed: DeployedStack,
) -> None:
    deployed.control("POST", "clock", {"mode": "held"})

    result = deployed.run("Crashing", {"id": "crashes-while-held", "crashes": 2})

    assert result == "survived"


def test_an_execution_that_always_crashes_ends_by_its_timeout_within_one_advance(
    deployed: DeployedStack,
) -> None:
    arn = deployed.start("Broken", {})

    deployed.advance(DAY)

    assert deployed.wait(arn, seconds=1)["Status"] == "TIMED_OUT"


def test_the_time_is_told_in_utc_with_how_far_it_was_advanced(deployed: DeployedStack) -> None:
    before = deployed.control("GET", "clock")

    told = deployed.advance(HOUR)

    assert told["advanced_seconds"] == before["advanced_seconds"] + HOUR
    assert told["mode"] == "running"
    passed = datetime.fromisoformat(told["now"]) - datetime.fromisoformat(before["now"])
    assert timedelta(hours=1) <= passed < timedelta(hours=1, minutes=1)
    assert datetime.fromisoformat(told["now"]).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ({}, "advance_seconds and/or mode"),
        ([1], "advance_seconds and/or mode"),
        ({"seconds": 1}, "advance_seconds and/or mode"),
        ({"advance_seconds": -1}, "advance_seconds must be a number from 0"),
        ({"advance_seconds": "1h"}, "advance_seconds must be a number from 0"),
        ({"advance_seconds": True}, "advance_seconds must be a number from 0"),
        ({"advance_seconds": 1e300}, "advance_seconds must be a number from 0"),
        ({"advance_seconds": float("nan")}, "advance_seconds must be a number from 0"),
        ({"mode": "stopped"}, "mode must be running or held"),
        ({"mode": []}, "mode must be running or held"),
    ],
)
def test_a_command_that_is_none_is_refused_with_what_to_give(
    deployed: DeployedStack, command: Any, said: str
) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        deployed.control("POST", "clock", command)

    assert refused.value.code == 400
    assert said in json.loads(refused.value.read())["error"]


def test_the_clock_of_a_function_moves_along_warm_or_cold(deployed: DeployedStack) -> None:
    cold = _function_clock(deployed)
    deployed.advance(2 * DAY)
    warm = _function_clock(deployed)
    deployed.advance(HOUR)
    warmer = _function_clock(deployed)

    assert _ahead(warm) - _ahead(cold) == pytest.approx(2 * DAY, abs=1)
    assert _ahead(warmer) - _ahead(warm) == pytest.approx(HOUR, abs=1)
    assert warmer["datetime"] == pytest.approx(warmer["time"], abs=1)
    platform_now = datetime.fromisoformat(deployed.control("GET", "clock")["now"])
    assert warmer["time"] == pytest.approx(platform_now.timestamp(), abs=5)
    # One process, whose own measure of time is left alone.
    assert warmer["process"] == warm["process"] == cold["process"]
    assert warmer["monotonic"] - cold["monotonic"] < A_MOMENT_SECONDS


def test_what_an_advance_sets_going_sees_the_time_that_it_was_due_at(
    deployed: DeployedStack,
) -> None:
    arn = _ask(deployed, "sees-the-time", {"wait": 12 * HOUR, "timeout": DAY})

    deployed.advance(2 * DAY)

    started = deployed.wait(arn)["StartTimestamp"].timestamp()
    item = deployed.effect("sees-the-time") or {}
    seen = [float(moment["N"]) - started for moment in item["at"]["L"]]
    assert seen == [pytest.approx(12 * HOUR, abs=60), pytest.approx(DAY, abs=60)]


def test_while_an_execution_waits_no_compute_is_recorded(deployed: DeployedStack) -> None:
    arn = _ask(deployed, "costs-nothing", {"wait": DAY})
    # At rest: the invocation that began to wait has ended.
    deployed.advance(0)

    before = _compute(deployed, "Patient")
    deployed.advance(DAY - MINUTE)
    waited = _compute(deployed, "Patient")
    deployed.advance(MINUTE)
    after = _compute(deployed, "Patient")

    assert waited == before
    assert after["invocations"] == before["invocations"] + 1
    assert 0 < after["billed_ms"] - before["billed_ms"] < A_MOMENT_SECONDS * 1000
    assert deployed.wait(arn)["Status"] == "SUCCEEDED"


def _ask(deployed: DeployedStack, name: str, event: dict[str, Any]) -> str:
    """Start an execution, and return its ARN once all that it was asked for waits."""
    arn = deployed.start("Patient", {"id": name, **event}, name)
    if "timeout" in event or "heartbeat" in event:
        _callback_id(deployed, name)
    return arn


def _callback_id(deployed: DeployedStack, name: str) -> str:
    item = eventually(lambda: item if "callback" in (item := deployed.effect(name) or {}) else None)
    callback: str = item["callback"]["S"]
    return callback


def _came(deployed: DeployedStack, name: str) -> list[str]:
    item = deployed.effect(name) or {}
    return [what["S"] for what in item.get("came", {"L": []})["L"]]


def _function_clock(deployed: DeployedStack) -> dict[str, Any]:
    answer = deployed.lambda_.invoke(FunctionName=deployed.outputs["Clock"], Payload=b"{}")
    told: dict[str, Any] = json.loads(answer["Payload"].read())
    return told


def _ahead(function_clock: dict[str, Any]) -> float:
    ahead: float = function_clock["time"] - time.time()
    return ahead


def _compute(deployed: DeployedStack, function: str) -> dict[str, Any]:
    told = deployed.control("GET", f"metrics?function={deployed.outputs[function]}")
    return {name: told[name] for name in ("invocations", "billed_ms", "duration_ms", "errors")}
