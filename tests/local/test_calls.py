"""Every AWS call of a function is recorded with the function that makes it."""

from pathlib import Path

import pytest

from local.calls import Calls
from tests.local.deployed_stack import DeployedStack

pytestmark = pytest.mark.platform


def test_the_calls_of_a_function_are_recorded_under_its_name(deployed: DeployedStack) -> None:
    deployed.run("Effect", {"id": "recorded"})

    calls = deployed.control("GET", "calls?app=effect")

    assert {
        "app": "effect",
        "service": "dynamodb",
        "operation": "UpdateItem",
        "resources": {"TableName": deployed.outputs["Effects"]},
        "status": 200,
    } in calls
    assert {"lambda:CheckpointDurableExecution", "dynamodb:UpdateItem"} == {
        f"{call['service']}:{call['operation']}" for call in calls
    }


def test_calls_of_others_have_no_function(deployed: DeployedStack) -> None:
    deployed.sqs.get_queue_attributes(QueueUrl=deployed.outputs["StatusQueue"])

    calls = [call for call in deployed.control("GET", "calls") if call["app"] is None]

    # Whatever host the queue's URL names, the call came through the front door.
    assert any(
        call["operation"] == "GetQueueAttributes"
        and call["resources"]["QueueUrl"] == deployed.outputs["StatusQueue"]
        for call in calls
    )


def test_recorded_calls_can_be_forgotten(deployed: DeployedStack) -> None:
    deployed.run("Steps", {"steps": 1})

    deployed.control("DELETE", "calls")

    assert deployed.control("GET", "calls?app=steps") == []


def test_the_record_of_a_platform_begins_anew(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    file.write_text("of an earlier platform\n")

    Calls(file).close()

    assert file.read_text() == ""
