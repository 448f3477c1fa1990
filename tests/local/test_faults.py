"""Faults strike the chosen call, in the chosen way, as often as asked."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.local.deployed_stack import DeployedStack, refusal

pytestmark = pytest.mark.platform

WRITE = {"app": "effect", "service": "dynamodb", "operation": "UpdateItem"}


@pytest.fixture(autouse=True)
def _no_fault_remains(deployed: DeployedStack) -> Iterator[None]:
    yield
    deployed.control("DELETE", "faults")


def test_a_refused_call_is_never_applied(deployed: DeployedStack) -> None:
    _fault(deployed, action="refuse", contains="refused", status=400, error="AccessDenied")

    arn = deployed.start("Effect", {"id": "refused"})

    assert deployed.wait(arn)["Status"] == "FAILED"
    assert deployed.times("refused") == 0


def test_a_call_whose_answer_is_dropped_is_applied(deployed: DeployedStack) -> None:
    _fault(deployed, action="drop-answer", contains="dropped")

    arn = deployed.start("Effect", {"id": "dropped"})

    # botocore calls again after the reset: the effect happens twice.
    assert deployed.wait(arn)["Status"] == "SUCCEEDED"
    assert deployed.times("dropped") == 2


def test_a_reset_call_is_not_applied(deployed: DeployedStack) -> None:
    _fault(deployed, action="reset", contains="reset-once")

    arn = deployed.start("Effect", {"id": "reset-once"})

    assert deployed.wait(arn)["Status"] == "SUCCEEDED"
    assert deployed.times("reset-once") == 1


def test_a_delayed_call_is_applied_later(deployed: DeployedStack) -> None:
    _fault(deployed, action="delay", contains="delayed", seconds=1)

    execution = deployed.wait(deployed.start("Effect", {"id": "delayed"}))

    assert (execution["EndTimestamp"] - execution["StartTimestamp"]).total_seconds() > 1
    assert deployed.times("delayed") == 1


def test_a_process_killed_before_its_call_is_replaced_and_the_effect_happens_once(
    deployed: DeployedStack,
) -> None:
    _fault(deployed, action="kill-before", contains="killed-before")

    arn = deployed.start("Effect", {"id": "killed-before"})

    assert deployed.wait(arn)["Status"] == "SUCCEEDED"
    assert deployed.times("killed-before") == 1


def test_a_process_killed_after_its_call_leaves_an_effect_that_its_successor_repeats(
    deployed: DeployedStack,
) -> None:
    _fault(deployed, action="kill-after", contains="killed-after")

    arn = deployed.start("Effect", {"id": "killed-after"})

    assert deployed.wait(arn)["Status"] == "SUCCEEDED"
    assert deployed.times("killed-after") == 2


@pytest.mark.parametrize("action", ["kill-before", "kill-after"])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_process_killed_at_a_checkpoint_is_replaced(
    deployed: DeployedStack, action: str, nth: int
) -> None:
    name = f"{action}-checkpoint-{nth}"
    deployed.control(
        "POST",
        "faults",
        {
            "action": action,
            "operation": "CheckpointDurableExecution",
            "contains": name,
            "nth": nth,
        },
    )

    arn = deployed.start("Steps", {"steps": 3}, name)

    [rule] = deployed.control("GET", "faults")
    assert deployed.wait(arn)["Status"] == "SUCCEEDED"
    assert rule["applied"] in (0, 1)
    [rule] = deployed.control("GET", "faults")
    assert rule["applied"] == 1


def test_an_invocation_that_died_is_an_operation_of_the_execution(
    deployed: DeployedStack,
) -> None:
    deployed.control(
        "POST",
        "faults",
        {"action": "kill-before", "operation": "CheckpointDurableExecution", "contains": "counted"},
    )

    arn = deployed.start("Steps", {"steps": 3}, "counted")
    deployed.wait(arn)

    usage = deployed.control("GET", f"usage?execution={quote(arn, safe='')}")
    assert usage["operations"] == 1 + 3 + 1


def test_the_second_call_is_struck_when_the_rule_says_so(deployed: DeployedStack) -> None:
    item = {"TableName": deployed.outputs["Effects"], "Item": {"id": {"S": "second-call"}}}
    deployed.control(
        "POST",
        "faults",
        {
            "action": "refuse",
            "operation": "PutItem",
            "nth": 2,
            "status": 400,
            "error": "ProvisionedThroughputExceededException",
        },
    )

    deployed.dynamodb.put_item(**item)
    struck = refusal(deployed.dynamodb.put_item, **item)
    deployed.dynamodb.put_item(**item)

    assert struck == ("ProvisionedThroughputExceededException", 400)


def test_a_refusal_speaks_the_query_protocol_too(deployed: DeployedStack) -> None:
    sns = deployed.endpoint.client("sns")
    deployed.control(
        "POST",
        "faults",
        {"action": "refuse", "service": "sns", "status": 429, "error": "Throttled"},
    )

    assert refusal(sns.list_topics) == ("Throttled", 429)


def _fault(deployed: DeployedStack, **rule: Any) -> None:
    deployed.control("POST", "faults", WRITE | rule)
