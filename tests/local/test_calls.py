"""Every AWS call of a function is recorded with the function that makes it."""

import pytest

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
