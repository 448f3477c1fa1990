"""Which alerts have been told, and how often each cause was seen.

A message arrives at least once, and one failure has several sources. So an alert is claimed by a
conditional write before it is told, under a lease: whoever crashes between the claim and Slack's
answer loses it when the lease runs out, and the alert is told by the next one who reads it.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from functions.alerts.notice import Sightings
from functions.shared import names
from functions.shared.job import timestamp

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEPT = timedelta(days=30)

_SENDING = "sending"
_WAITING = "waiting"
_TOLD = "told"

# Two notifiers may count the same cause in the same moment; then one of them tries again.
_COUNT_TRIES = 6
_CONFLICT_WAIT_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Claim:
    """The answer to a claim; *busy_seconds* is how long someone else may still be telling it."""

    is_granted: bool
    is_told: bool = False
    busy_seconds: float = 0.0


class ToldAlerts(Protocol):
    """The memory of the notifier."""

    def claim(self, key: str, now: datetime, lease: timedelta) -> Claim: ...

    def count(self, key: str, fingerprint: str, now: datetime) -> Sightings: ...

    def give_back(self, key: str) -> None: ...

    def mark_told(self, key: str, now: datetime) -> None: ...


class AlertTable:
    """The memory of the notifier, in DynamoDB."""

    def __init__(
        self,
        client: "DynamoDBClient",
        table_name: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._table_name = table_name
        self._sleep = sleep

    def claim(self, key: str, now: datetime, lease: timedelta) -> Claim:
        """Ask for the right to tell the alert, until *lease* is over."""
        try:
            self._client.update_item(
                TableName=self._table_name,
                Key=_key(key),
                UpdateExpression=(
                    "SET #status = :sending, lease_until = :until, expires_at = :expires"
                ),
                ConditionExpression=(
                    "attribute_not_exists(#status) OR #status = :waiting"
                    " OR (#status = :sending AND lease_until < :now)"
                ),
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={
                    ":sending": {"S": _SENDING},
                    ":waiting": {"S": _WAITING},
                    ":now": _instant(now),
                    ":until": _instant(now + lease),
                    ":expires": _expiry(now),
                },
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._client.exceptions.ConditionalCheckFailedException as refused:
            held: Any = refused.response.get("Item", {})
            if held.get("status", {}).get("S") == _TOLD:
                return Claim(is_granted=False, is_told=True)
            until = float(held.get("lease_until", {}).get("N", "0"))
            return Claim(is_granted=False, busy_seconds=max(0.0, until - now.timestamp()))
        return Claim(is_granted=True)

    def count(self, key: str, fingerprint: str, now: datetime) -> Sightings:
        """Count a claimed alert under its cause, once however often it is claimed."""
        for attempt in range(1, _COUNT_TRIES + 1):
            try:
                self._client.transact_write_items(
                    TransactItems=[
                        {"Update": self._mark_counted(key, fingerprint)},
                        {"Update": self._add_sighting(fingerprint, now)},
                    ]
                )
                break
            except self._client.exceptions.TransactionCanceledException as cancelled:
                reasons = cancelled.response.get("CancellationReasons", [])
                if any(reason.get("Code") == "ConditionalCheckFailed" for reason in reasons):
                    break
                if attempt == _COUNT_TRIES:
                    raise
                self._sleep(_CONFLICT_WAIT_SECONDS * attempt * random.random())  # noqa: S311  # spreads tries; hides nothing
        item = self._client.get_item(
            TableName=self._table_name, Key=_key(fingerprint), ConsistentRead=True
        ).get("Item", {})
        return Sightings(
            count=int(item.get("sightings", {}).get("N", "1")),
            first_seen=item.get("first_seen", {}).get("S", timestamp(now)),
            last_seen=item.get("last_seen", {}).get("S", timestamp(now)),
        )

    def give_back(self, key: str) -> None:
        """Let the alert be claimed at once by whoever reads it next: it was not told."""
        self._set_status(key, _WAITING, "")

    def mark_told(self, key: str, now: datetime) -> None:
        self._set_status(key, _TOLD, ", told_at = :told_at", {":told_at": {"S": timestamp(now)}})

    def _set_status(
        self, key: str, status: str, more: str, values: dict[str, Any] | None = None
    ) -> None:
        self._client.update_item(
            TableName=self._table_name,
            Key=_key(key),
            UpdateExpression=f"SET #status = :status{more}",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":status": {"S": status}, **(values or {})},
        )

    def _mark_counted(self, key: str, fingerprint: str) -> Any:
        return {
            "TableName": self._table_name,
            "Key": _key(key),
            "UpdateExpression": "SET counted_under = :fingerprint",
            "ConditionExpression": "attribute_not_exists(counted_under)",
            "ExpressionAttributeValues": {":fingerprint": {"S": fingerprint}},
        }

    def _add_sighting(self, fingerprint: str, now: datetime) -> Any:
        return {
            "TableName": self._table_name,
            "Key": _key(fingerprint),
            "UpdateExpression": (
                "SET first_seen = if_not_exists(first_seen, :now), last_seen = :now,"
                " expires_at = :expires ADD sightings :one"
            ),
            "ExpressionAttributeValues": {
                ":now": {"S": timestamp(now)},
                ":expires": _expiry(now),
                ":one": {"N": "1"},
            },
        }


def _key(key: str) -> Any:
    return {names.ALERT_KEY: {"S": key}}


def _instant(moment: datetime) -> Any:
    return {"N": f"{moment.timestamp():.3f}"}


def _expiry(now: datetime) -> Any:
    """Whole seconds, as DynamoDB's time to live wants them."""
    return {"N": str(int((now + KEPT).timestamp()))}
