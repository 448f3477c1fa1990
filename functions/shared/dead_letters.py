"""Dead letters that Lambda would not write: of jobs that never started, or were started directly.

They look as Lambda's own do, so that whoever reads them needs one reader.
"""

from typing import TYPE_CHECKING

from functions.shared.job import MAX_ERROR_MESSAGE_BYTES, Job, JobError, cut, start_event

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


class DeadLetters:
    """The dead-letter topic."""

    def __init__(self, client: "SNSClient", topic_arn: str) -> None:
        self._client = client
        self._topic_arn = topic_arn

    def send(self, job: Job, error: JobError) -> None:
        """Tell that *job*'s attempt came to a bad end; nothing of its payload is told."""
        self._client.publish(
            TopicArn=self._topic_arn,
            Message=start_event(job),
            MessageAttributes={
                "ErrorCode": {"DataType": "String", "StringValue": error.type},
                "ErrorMessage": {"DataType": "String", "StringValue": _printable(error.message)},
            },
        )


def _printable(message: str) -> str:
    """An attribute's value may not be empty and knows no control characters."""
    text = "".join(letter if letter.isprintable() else " " for letter in message)
    return cut(text.encode(errors="replace").decode(), MAX_ERROR_MESSAGE_BYTES) or "-"
