"""The intent to send a mail, written into the job's row before the mail is handed over.

It stays in the row through retries of the job: what one attempt sent, the next must know.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from functions.shared.start_event import JobRun

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True, slots=True)
class Intent:
    """What stands in the row: whose intent, and SES's message id once it has answered."""

    token: str
    message_id: str | None = None


class DeliveryIntents(Protocol):
    """Intents to send, one at a time for a job."""

    def declare(self, run: JobRun, token: str, *, instead_of: str | None = None) -> Intent | None:
        """Write the intent *token* where there is none, or in place of *instead_of*.

        Returns:
            The intent that stands now, which may be another one; None where *run* does
            not own the job any more.
        """
        ...

    def withdraw(self, run: JobRun, token: str) -> None:
        """Remove the intent *token*: the mail surely did not go out."""
        ...

    def answer(self, run: JobRun, token: str, message_id: str) -> None:
        """Note that the mail of the intent *token* went out."""
        ...


class RowDeliveryIntents:
    """`DeliveryIntents` in the attribute `delivery` of the job's row."""

    def __init__(self, client: "DynamoDBClient", table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    def declare(self, run: JobRun, token: str, *, instead_of: str | None = None) -> Intent | None:
        free = "attribute_not_exists(delivery)"
        values: dict[str, Any] = {
            ":delivery": {"M": {"token": {"S": token}, "execution_arn": {"S": run.execution_arn}}},
            ":attempt": {"N": str(run.attempt)},
            ":execution_arn": {"S": run.execution_arn},
            ":processing": {"S": "processing"},
        }
        if instead_of is not None:
            free = f"({free} OR (delivery.#token = :before AND {_UNANSWERED}))"
            values[":before"] = {"S": instead_of}
        try:
            self._client.update_item(
                TableName=self._table_name,
                Key={"job_id": {"S": run.job_id}},
                UpdateExpression="SET delivery = :delivery",
                ConditionExpression=f"{_OWNED} AND {free}",
                ExpressionAttributeNames={
                    "#status": "status",
                    **({"#token": "token"} if instead_of is not None else {}),
                },
                ExpressionAttributeValues=values,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            return _standing_intent(error.response.get("Item"), run)
        return Intent(token)

    def withdraw(self, run: JobRun, token: str) -> None:
        self._update(run, "REMOVE delivery", {":token": {"S": token}})

    def answer(self, run: JobRun, token: str, message_id: str) -> None:
        self._update(
            run,
            "SET delivery.message_id = :message_id",
            {":token": {"S": token}, ":message_id": {"S": message_id}},
        )

    def _update(self, run: JobRun, expression: str, values: dict[str, Any]) -> None:
        """Where the intent still stands; not only for the owner, since it tells what happened."""
        try:
            self._client.update_item(
                TableName=self._table_name,
                Key={"job_id": {"S": run.job_id}},
                UpdateExpression=expression,
                ConditionExpression=f"delivery.#token = :token AND {_UNANSWERED}",
                ExpressionAttributeNames={"#token": "token"},
                ExpressionAttributeValues=values,
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            # Already answered by the same call's first try, or replaced by a newer intent.
            return


_OWNED = "attempt = :attempt AND execution_arn = :execution_arn AND #status = :processing"
_UNANSWERED = "attribute_not_exists(delivery.message_id)"


def _standing_intent(item: Any, run: JobRun) -> Intent | None:
    """The intent in a row that refused ours.

    An answered one counts whoever owns the row; an unanswered one only where *run* may act on it.
    """
    if not item or "delivery" not in item:
        return None
    delivery = item["delivery"]["M"]
    intent = Intent(delivery["token"]["S"], delivery.get("message_id", {}).get("S"))
    is_owned = (
        item["status"]["S"] == "processing"
        and item.get("attempt", {}).get("N") == str(run.attempt)
        and item.get("execution_arn", {}).get("S") == run.execution_arn
    )
    return intent if is_owned or intent.message_id is not None else None
