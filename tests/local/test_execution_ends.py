"""Every end of an execution is told: dead letters for events, status events for all."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.local.deployed_stack import DeployedStack

pytestmark = pytest.mark.platform

End = Callable[[DeployedStack, str, str], None]


def _fail(deployed: DeployedStack, arn: str, name: str) -> None:
    """It fails by itself."""


def _stop(deployed: DeployedStack, arn: str, name: str) -> None:  # noqa: ARG001  # one shape for all
    deployed.lambda_.stop_durable_execution(DurableExecutionArn=arn)


def _expire(deployed: DeployedStack, arn: str, name: str) -> None:  # noqa: ARG001  # likewise
    deployed.expire("Steps", name)


ENDS = [("FAILED", _fail), ("STOPPED", _stop), ("TIMED_OUT", _expire)]


@pytest.mark.parametrize(("status", "end"), ENDS, ids=[status for status, _ in ENDS])
def test_an_event_whose_execution_dies_becomes_a_dead_letter_with_the_original_event(
    deployed: DeployedStack, status: str, end: End
) -> None:
    name = f"dies-{status}"
    event = {"id": name, "fail": "for good"} if end is _fail else {"id": name, "wait": 60}
    arn = deployed.start("Steps", event, name)
    end(deployed, arn, name)

    envelope = json.loads(deployed.message("DeadLetterQueue", name)["Body"])

    assert deployed.wait(arn)["Status"] == status
    # As it was sent, byte for byte, and nothing else: no error, no ARN.
    assert envelope["Message"] == json.dumps(event)
    attributes = envelope["MessageAttributes"]
    assert attributes["RequestID"]["Type"] == "String"
    assert attributes["ErrorCode"] == {"Type": "Number", "Value": "200"}
    assert attributes["ErrorMessage"]["Type"] == "String"


def test_a_failure_that_the_caller_waited_for_is_no_dead_letter(deployed: DeployedStack) -> None:
    event = {"fail": "seen by the caller"}
    deployed.lambda_.invoke(FunctionName=deployed.outputs["StepsAlias"], Payload=json.dumps(event))
    # The event after it has one, so that of the first would be there by then.
    deployed.start("Steps", {"fail": "seen by nobody"})
    deployed.message("DeadLetterQueue", "seen by nobody")

    with pytest.raises(AssertionError, match="nothing within"):
        deployed.message("DeadLetterQueue", "seen by the caller", seconds=1)


@pytest.mark.parametrize(("status", "end"), ENDS, ids=[status for status, _ in ENDS])
def test_a_status_event_has_the_shape_that_aws_documents(
    deployed: DeployedStack, status: str, end: End
) -> None:
    name = f"told-{status}"
    arn = deployed.start("Steps", {"fail": "x"} if end is _fail else {"wait": 60}, name)
    end(deployed, arn, name)

    event: dict[str, Any] = json.loads(deployed.message("StatusQueue", name)["Body"])

    function = deployed.outputs["StepsAlias"].removesuffix(":live")
    assert event["source"] == "aws.lambda"
    assert event["detail-type"] == "Durable Execution Status Change"
    assert event["account"] == deployed.endpoint.account
    assert event["region"] == deployed.endpoint.region
    assert event["resources"] == []
    detail = event["detail"]
    assert detail.pop("startTimestamp") <= detail.pop("endTimestamp")
    assert detail == {
        "durableExecutionArn": arn,
        "durableExecutionName": name,
        "functionArn": f"{function}:1",
        "status": status,
    }


def test_a_status_that_the_rule_does_not_ask_for_is_not_delivered(deployed: DeployedStack) -> None:
    deployed.run("Steps", {"steps": 0}, "succeeds-quietly")
    deployed.start("Steps", {"fail": "x"}, "fails-after-it")
    deployed.message("StatusQueue", "fails-after-it")

    with pytest.raises(AssertionError, match="nothing within"):
        deployed.message("StatusQueue", "succeeds-quietly", seconds=1)


def test_a_target_function_that_fails_is_tried_again_and_its_event_becomes_a_dead_letter(
    deployed: DeployedStack,
) -> None:
    deployed.start("Steps", {"fail": "x"}, "told-to-a-failing-target")

    letter = deployed.message("PlainDeadLetterQueue", "told-to-a-failing-target")

    assert json.loads(letter["Body"])["detail"]["durableExecutionName"] == (
        "told-to-a-failing-target"
    )
