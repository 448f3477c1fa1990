"""Whether a job still waits for an answer: of its row, only the two columns that say so."""

from typing import TYPE_CHECKING

from functions.shared.job import JobStatus
from functions.shared.question import QuestionRef

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class WaitingJobs:
    """Looks at rows of the job table; payloads and results are not read."""

    def __init__(self, client: "DynamoDBClient", table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    def is_waiting(self, ref: QuestionRef) -> bool:
        """Whether the attempt that asked is the one that runs."""
        row = self._client.get_item(
            TableName=self._table_name,
            Key={"job_id": {"S": ref.job_id}},
            ProjectionExpression="#status, #attempt",
            ExpressionAttributeNames={"#status": "status", "#attempt": "attempt"},
            ConsistentRead=True,
        ).get("Item", {})
        return row.get("status") == {"S": JobStatus.PROCESSING.value} and row.get("attempt") == {
            "N": str(ref.attempt)
        }
