"""A job as it should not be: a step's effect is not keyed, so that doing it again does it twice.

The rig must see that, or it proves nothing about jobs that are done right.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import boto3
from aws_durable_execution_sdk_python import DurableContext, StepContext
from aws_durable_execution_sdk_python.config import Duration

from functions.shared import names
from functions.shared.durable_job import durable_job, job_run

client = boto3.client("dynamodb")


@dataclass(frozen=True)
class Nothing:
    """A payload that is not looked at."""

    @classmethod
    def from_payload(cls, _payload: Mapping[str, Any]) -> Self:
        return cls()


@durable_job
def handler(_request: Nothing, context: DurableContext) -> dict[str, int]:
    """Count to one, or so it seems."""
    counter = f"COUNTER#{job_run(context).job_id}"

    def count(_step: StepContext) -> int:
        answer = client.update_item(
            TableName=os.environ[names.INVENTORY_TABLE_NAME],
            Key={names.ITEM_KEY: {"S": counter}, names.ITEM_SORT_KEY: {"S": "COUNTER"}},
            UpdateExpression="ADD times :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
            ReturnValues="UPDATED_NEW",
        )
        return int(answer["Attributes"]["times"]["N"])

    context.step(count, name="count")
    context.wait(Duration.from_seconds(5), name="rest")
    return {"counted": 1}
