"""Where Lambda puts what it gave up on: an SNS topic or an SQS queue."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from local.endpoint import Endpoint

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Attribute:
    """A message attribute, spelled the same for SNS and SQS."""

    data_type: str
    value: str


class FailureDestination(Protocol):
    """Takes a message for the topic or queue of an ARN."""

    async def send(
        self, arn: str, body: str, attributes: Mapping[str, Attribute] | None = None
    ) -> None: ...


class SnsOrSqs:
    """Delivers to topics and queues of one endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._sns: Any = endpoint.client("sns")
        self._sqs: Any = endpoint.client("sqs")

    async def send(
        self, arn: str, body: str, attributes: Mapping[str, Attribute] | None = None
    ) -> None:
        """Deliver *body*; a failed delivery drops it, as Lambda does (`DeadLetterErrors`)."""
        try:
            await asyncio.to_thread(self._send, arn, body, attributes or {})
        except Exception:
            logger.exception("nothing delivered to %s", arn)

    def _send(self, arn: str, body: str, attributes: Mapping[str, Attribute]) -> None:
        spelled = {
            name: {"DataType": attribute.data_type, "StringValue": attribute.value}
            for name, attribute in attributes.items()
        }
        service = arn.split(":")[2]
        if service == "sns":
            self._sns.publish(TopicArn=arn, Message=body, MessageAttributes=spelled)
        elif service == "sqs":
            url = self._sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
            self._sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=spelled)
        else:
            raise ValueError(f"the local platform delivers failures to SNS and SQS, not to {arn}")
