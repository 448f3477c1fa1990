"""Alerts that waited a day for Slack in vain: back into the queue that the notifier reads."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from jobctl.connection import Connection
from jobctl.errors import NotDeployedError
from jobctl.translation import aws_errors_as_ours

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

_BATCH = 10
# Long polling asks all of SQS's servers, so that an empty answer means an empty queue.
_LONG_POLL_SECONDS = 2

_QUEUE_OUTPUT = "AlertQueueUrl"
_UNDELIVERED_OUTPUT = "UndeliveredAlertsQueueArn"


def redrive_alerts(connection: Connection, stage: str, on_batch: Callable[[int], None]) -> int:
    """Move every undelivered alert back and return how many there were.

    An alert that is moved twice is told once: the notifier claims its key. So each is sent
    before it is deleted, and dying in between loses none.
    """
    with aws_errors_as_ours():
        queue_url, undelivered_url = _queues(connection, stage)
        sqs = connection.sqs
        moved = 0
        while True:
            messages = sqs.receive_message(
                QueueUrl=undelivered_url,
                MaxNumberOfMessages=_BATCH,
                WaitTimeSeconds=_LONG_POLL_SECONDS,
            ).get("Messages", [])
            if not messages:
                return moved
            for message in messages:
                _move(connection, message, queue_url, undelivered_url)
                moved += 1
            on_batch(moved)


def _move(
    connection: Connection, message: "MessageTypeDef", queue_url: str, undelivered_url: str
) -> None:
    connection.sqs.send_message(QueueUrl=queue_url, MessageBody=message["Body"])
    connection.sqs.delete_message(QueueUrl=undelivered_url, ReceiptHandle=message["ReceiptHandle"])


def _queues(connection: Connection, stage: str) -> tuple[str, str]:
    """The two queues, as the stack puts them out."""
    stack_name = f"Alerts-{stage}"
    try:
        stacks = connection.cloudformation.describe_stacks(StackName=stack_name)["Stacks"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        stacks = []
    outputs = {
        output["OutputKey"]: output["OutputValue"]
        for stack in stacks
        for output in stack.get("Outputs", [])
    }
    if _QUEUE_OUTPUT not in outputs or _UNDELIVERED_OUTPUT not in outputs:
        raise NotDeployedError(
            f"stack {stack_name} is not deployed in {connection.place}: "
            f"check --stage, AWS_PROFILE and AWS_REGION, or `make deploy STAGE={stage}`"
        )
    name = outputs[_UNDELIVERED_OUTPUT].rpartition(":")[2]
    undelivered_url = connection.sqs.get_queue_url(QueueName=name)["QueueUrl"]
    return outputs[_QUEUE_OUTPUT], undelivered_url
