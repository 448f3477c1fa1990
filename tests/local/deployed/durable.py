"""Durable functions that the tests of the platform deploy; each does what its event says."""

import os
import signal
import time
from typing import Any

import boto3
from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import (
    CallbackConfig,
    Duration,
    StepConfig,
)
from aws_durable_execution_sdk_python.retries import RetryPresets

EFFECTS = boto3.client("dynamodb")


@durable_execution
def steps(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    """Count some steps, wait if asked to, and fail if asked to."""
    done = 0
    for number in range(event.get("steps", 3)):
        done += context.step(lambda _: 1, name=f"step-{number}")
    if "wait" in event:
        context.wait(Duration.from_seconds(event["wait"]), name="wait")
    if "fail" in event:
        raise ValueError(event["fail"])
    return {"done": done}


@durable_execution
def effect(event: dict[str, Any], context: DurableContext) -> str:
    """Write one item inside a step: an effect that leaves a trace for each time it happens."""

    def write(_: Any) -> str:
        EFFECTS.update_item(
            TableName=os.environ["EFFECTS"],
            Key={"id": {"S": event["id"]}},
            UpdateExpression="ADD times :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )
        return "written"

    config = StepConfig(retry_strategy=RetryPresets.none())
    result: str = context.step(write, name="write", config=config)
    return result


@durable_execution
def callback(event: dict[str, Any], context: DurableContext) -> str | None:
    """Publish a callback's id and return what it is completed with."""
    timeout = Duration.from_seconds(event.get("timeout", 60))
    waiting = context.create_callback("answer", CallbackConfig(timeout=timeout))

    def publish(_: Any) -> None:
        EFFECTS.put_item(
            TableName=os.environ["EFFECTS"],
            Item={"id": {"S": event["id"]}, "callback": {"S": waiting.callback_id}},
        )

    context.step(publish, name="publish")
    return waiting.result()


@durable_execution
def parent(event: dict[str, Any], context: DurableContext) -> Any:
    """Invoke another function and return what it returned."""
    return context.invoke(event["target"], event["payload"], name="child")


@durable_execution
def crashing(event: dict[str, Any], context: DurableContext) -> str:
    """Die in the first `crashes` invocations, as after running out of memory."""
    counted = EFFECTS.update_item(
        TableName=os.environ["EFFECTS"],
        Key={"id": {"S": event["id"]}},
        UpdateExpression="ADD times :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
        ReturnValues="UPDATED_NEW",
    )
    if int(counted["Attributes"]["times"]["N"]) <= event["crashes"]:
        if event.get("how") == "sleep":
            time.sleep(60)
        os.kill(os.getpid(), signal.SIGKILL)
    result: str = context.step(lambda _: "survived", name="survive")
    return result
