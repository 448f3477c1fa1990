"""What the channel was told of a question, beside the question itself.

The alerts remove what is told twice; the mark spares them the same message with every retry of a
batch, which SES may cause for hours. `pk` is `JOB#<job id>`, `sk` is
`CHANNEL#<attempt>#<question>#<asked at>#<event>`.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from functions.shared import names
from functions.shared.job import timestamp
from functions.shared.question import Question
from functions.shared.question_event import QuestionEvent
from functions.shared.question_table import KEPT_AFTER_END

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class ChannelMarks:
    """Marks in the question table."""

    def __init__(self, client: "DynamoDBClient", table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    def is_told(self, question: Question, event: QuestionEvent) -> bool:
        answer = self._client.get_item(
            TableName=self._table_name, Key=_key(question, event), ConsistentRead=True
        )
        return "Item" in answer

    def mark_told(self, question: Question, event: QuestionEvent, at: datetime) -> None:
        forgotten_at = int((at + KEPT_AFTER_END).timestamp())
        self._client.put_item(
            TableName=self._table_name,
            Item={**_key(question, event), "expires_at": {"N": str(forgotten_at)}},
        )


def _key(question: Question, event: QuestionEvent) -> dict[str, Any]:
    ref = question.ref
    asked_at = timestamp(question.asked_at)
    return {
        names.ITEM_KEY: {"S": f"JOB#{ref.job_id}"},
        names.ITEM_SORT_KEY: {
            "S": f"CHANNEL#{ref.attempt:06d}#{ref.name}#{asked_at}#{event.value}"
        },
    }
