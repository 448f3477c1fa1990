"""Durable functions that the tests of the platform deploy; each does what its event says."""

import os
import signal
import time
from typing import Any

import boto3
from aws_durable_execution_sdk_python import (
    CallbackTimeoutError,
    DurableContext,
    StepContext,
    durable_execution,
)
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


@durable_execution
def patient(event: dict[str, Any], context: DurableContext) -> list[str]:
    """Wait for everything that the event asks for, at once, and note what comes in which order.

    `wait`, `timeout` and `heartbeat` are seconds, `failures` how often the step fails, each
    attempt a minute after the one before.
    """

    def note(what: str) -> None:
        EFFECTS.update_item(
            TableName=os.environ["EFFECTS"],
            Key={"id": {"S": event["id"]}},
            UpdateExpression="SET came = list_append(if_not_exists(came, :none), :what),"
            " #at = list_append(if_not_exists(#at, :none), :at)",
            ExpressionAttributeNames={"#at": "at"},
            ExpressionAttributeValues={
                ":none": {"L": []},
                ":what": {"L": [{"S": what}]},
                ":at": {"L": [{"N": str(time.time())}]},
            },
        )

    def answer(branch: DurableContext) -> None:
        waiting = branch.create_callback(
            "answer",
            CallbackConfig(
                timeout=Duration.from_seconds(event.get("timeout", 0)),
                heartbeat_timeout=Duration.from_seconds(event.get("heartbeat", 0)),
            ),
        )

        def publish(_: Any) -> None:
            EFFECTS.update_item(
                TableName=os.environ["EFFECTS"],
                Key={"id": {"S": event["id"]}},
                UpdateExpression="SET callback = :callback",
                ExpressionAttributeValues={":callback": {"S": waiting.callback_id}},
            )

        branch.step(publish, name="publish")
        try:
            came = f"answer {waiting.result()}"
        except CallbackTimeoutError as error:
            came = str(error)
        branch.step(lambda _: note(came), name="note-answer")

    def pause(branch: DurableContext) -> None:
        branch.wait(Duration.from_seconds(event["wait"]), name="pause")
        branch.step(lambda _: note("wait"), name="note-wait")

    def retry(branch: DurableContext) -> None:
        def fail(step: StepContext) -> None:
            if step.attempt <= event["failures"]:
                raise ValueError("not yet")
            note("retry")

        every_minute = RetryPresets.fixed(Duration.from_minutes(1))
        branch.step(fail, name="fail", config=StepConfig(retry_strategy=every_minute))

    branches = [
        branch
        for branch, asked in (
            (answer, "timeout" in event or "heartbeat" in event),
            (pause, "wait" in event),
            (retry, "failures" in event),
        )
        if asked
    ]
    context.parallel(branches, name="all").throw_if_error()
    result: list[str] = context.step(lambda _: [branch.__name__ for branch in branches], name="end")
    return result
