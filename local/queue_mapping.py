"""The event source mapping of an SQS queue: receives, invokes, and deletes what succeeded.

MiniStack's own deletes a whole batch when the function reports an identifier that is not in
it, or an empty one; in AWS such a report is a complete failure. What failed is only left
alone: it comes back when its visibility timeout ends (the queue's, or the one that the
function gave it), and the queue's redrive policy ends that.
"""

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from typing import Any

from local.aws_json import AwsJson
from local.batch_item_failures import read_report
from local.event_filter import EventFilter
from local.invocation import Invoke

logger = logging.getLogger(__name__)

# The most that one ReceiveMessage gives (SQS API reference).
RECEIVE_LIMIT = 10
LONG_POLL_SECONDS = 5
# AWS scales to hundreds; a laptop should not start as many processes.
LOCAL_CONCURRENCY = 5


class QueueMapping:
    """One mapping of a queue to a function, as `ListEventSourceMappings` describes it."""

    def __init__(self, mapping: Mapping[str, Any], *, aws: AwsJson, invoke: Invoke) -> None:
        self._queue_arn: str = mapping["EventSourceArn"]
        self._function: str = mapping["FunctionArn"]
        self._batch_size: int = mapping.get("BatchSize", 10)
        self._window_seconds: float = mapping.get("MaximumBatchingWindowInSeconds", 0)
        self._reports_item_failures = "ReportBatchItemFailures" in mapping.get(
            "FunctionResponseTypes", []
        )
        self._filter = EventFilter.from_criteria(mapping.get("FilterCriteria"))
        maximum = (mapping.get("ScalingConfig") or {}).get("MaximumConcurrency")
        self._free = asyncio.Semaphore(maximum or LOCAL_CONCURRENCY)
        self._aws = aws
        self._invoke = invoke
        self._url = ""

    def wake(self) -> None:
        """Nothing to do: a long poll answers as soon as there is a message."""

    async def run(self) -> None:
        """Hand messages to the function until cancelled."""
        name = self._queue_arn.rpartition(":")[2]
        self._url = (
            await self._aws.call_until_answered("SQS", "GetQueueUrl", {"QueueName": name})
        )["QueueUrl"]
        async with asyncio.TaskGroup() as batches:
            while True:
                # Receiving more than can be worked on would use up visibility timeouts.
                await self._free.acquire()
                try:
                    messages = await self._gather()
                except BaseException:
                    self._free.release()
                    raise
                batches.create_task(self._process(messages))

    async def _gather(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        window_ends = 0.0
        while True:
            wait = LONG_POLL_SECONDS
            if messages:
                left = window_ends - time.monotonic()
                if len(messages) >= self._batch_size or left <= 0:
                    return messages
                # Whole seconds; the rest of a second is one short look.
                wait = min(LONG_POLL_SECONDS, int(left))
            received = await self._receive(min(RECEIVE_LIMIT, self._batch_size), wait)
            if received and not messages:
                window_ends = time.monotonic() + self._window_seconds
            messages += received[: self._batch_size - len(messages)]
            if messages and not received and not wait:
                await asyncio.sleep(0.1)

    async def _receive(self, at_most: int, wait_seconds: int) -> list[dict[str, Any]]:
        answer = await self._aws.call_until_answered(
            "SQS",
            "ReceiveMessage",
            {
                "QueueUrl": self._url,
                "MaxNumberOfMessages": at_most,
                "WaitTimeSeconds": wait_seconds,
                "MessageSystemAttributeNames": ["All"],
                "MessageAttributeNames": ["All"],
            },
        )
        messages: list[dict[str, Any]] = answer.get("Messages") or []
        return messages

    async def _process(self, messages: list[dict[str, Any]]) -> None:
        try:
            records = {message["MessageId"]: self._record(message) for message in messages}
            admitted = {
                key: record for key, record in records.items() if self._filter.admits(_view(record))
            }
            failed = await self._failed_of(admitted)
            # What the filter leaves out is deleted, as in AWS.
            await self._delete([m for m in messages if m["MessageId"] not in failed])
        except Exception:
            # The messages come back by themselves.
            logger.exception("a batch of %s was not processed", self._queue_arn)
        finally:
            self._free.release()

    async def _failed_of(self, records: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
        if not records:
            return frozenset()
        event = json.dumps({"Records": list(records.values())}).encode()
        outcome = await self._invoke(self._function, event)
        if not outcome.succeeded:
            return frozenset(records)
        if not self._reports_item_failures:
            return frozenset()
        return read_report(outcome.payload, records.keys()).failed

    async def _delete(self, messages: list[dict[str, Any]]) -> None:
        for first in range(0, len(messages), RECEIVE_LIMIT):
            entries = [
                {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
                for index, message in enumerate(messages[first : first + RECEIVE_LIMIT])
            ]
            await self._aws.call(
                "SQS", "DeleteMessageBatch", {"QueueUrl": self._url, "Entries": entries}
            )

    def _record(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """The message in the form of the event (Lambda developer guide, with-sqs)."""
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": {
                name: {
                    "stringListValues": [],
                    "binaryListValues": [],
                    **{key[0].lower() + key[1:]: value for key, value in attribute.items()},
                }
                for name, attribute in message.get("MessageAttributes", {}).items()
            },
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self._queue_arn,
            "awsRegion": self._queue_arn.split(":")[3],
        }


def _view(record: Mapping[str, Any]) -> dict[str, Any]:
    """A filter looks into a body that is JSON."""
    try:
        return {**record, "body": json.loads(record["body"])}
    except ValueError:
        return dict(record)
