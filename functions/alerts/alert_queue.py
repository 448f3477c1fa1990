"""The queue that alerts come from, and how long one that could not be told stays away."""

import random
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_sqs import SQSClient

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
_MAX_VISIBILITY_SECONDS = 43_200


class Returns(Protocol):
    """Where a message waits until it is tried again."""

    def hide(self, receipt_handle: str, seconds: float) -> None: ...


class AlertQueue:
    """Hides messages; the queue itself moves one to its dead-letter queue after a day of tries."""

    def __init__(self, client: "Callable[[], SQSClient]", queue_url: str) -> None:
        """Keep what it takes; *client* makes the client when a message first has to go back."""
        self._client = client
        self._queue_url = queue_url

    def hide(self, receipt_handle: str, seconds: float) -> None:
        self._client().change_message_visibility(
            QueueUrl=self._queue_url,
            ReceiptHandle=receipt_handle,
            VisibilityTimeout=min(max(round(seconds), 0), _MAX_VISIBILITY_SECONDS),
        )


def wait_before_retry(receives: int, base_seconds: float, max_seconds: float) -> float:
    """Twice as long after each receive, up to *max_seconds*, and never in step with others."""
    doubled: float = base_seconds * 2.0 ** min(max(receives - 1, 0), 30)
    return min(doubled, max_seconds) * random.uniform(0.8, 1.2)  # noqa: S311  # spreads tries; hides nothing
