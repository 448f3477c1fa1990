from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from functions.alerts.alert_table import KEPT, AlertTable
from functions.shared import names
from tests.functions.alerts.fakes import NOW

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LEASE = timedelta(seconds=60)


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> "Iterator[DynamoDBClient]":
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    with mock_aws():
        client = boto3.client("dynamodb", region_name="eu-west-1")
        client.create_table(
            TableName="told",
            KeySchema=[{"AttributeName": names.ALERT_KEY, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": names.ALERT_KEY, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client


@pytest.fixture
def table(dynamodb: "DynamoDBClient") -> AlertTable:
    return AlertTable(dynamodb, "told", sleep=lambda _: None)


def item(dynamodb: "DynamoDBClient", key: str) -> Any:
    return dynamodb.get_item(TableName="told", Key={names.ALERT_KEY: {"S": key}})["Item"]


def test_an_alert_is_claimed_by_one(table: AlertTable) -> None:
    assert table.claim("a", NOW, LEASE).is_granted

    second = table.claim("a", NOW + timedelta(seconds=20), LEASE)

    assert not second.is_granted
    assert not second.is_told
    assert second.busy_seconds == 40


def test_a_lease_that_ran_out_is_claimed_by_the_next(table: AlertTable) -> None:
    table.claim("a", NOW, LEASE)

    assert table.claim("a", NOW + timedelta(seconds=61), LEASE).is_granted


def test_an_alert_given_back_is_claimed_at_once(table: AlertTable) -> None:
    table.claim("a", NOW, LEASE)
    table.give_back("a")

    assert table.claim("a", NOW, LEASE).is_granted


def test_a_told_alert_is_never_claimed_again(table: AlertTable) -> None:
    table.claim("a", NOW, LEASE)
    table.mark_told("a", NOW)

    claim = table.claim("a", NOW + timedelta(days=5), LEASE)

    assert claim.is_told
    assert not claim.is_granted


def test_an_alert_is_counted_once_however_often_it_is_claimed(table: AlertTable) -> None:
    table.claim("a", NOW, LEASE)
    table.count("a", "cause", NOW)
    table.give_back("a")
    table.claim("a", NOW + timedelta(hours=1), LEASE)

    again = table.count("a", "cause", NOW + timedelta(hours=1))

    assert again.count == 1
    assert again.last_seen == "2026-01-31T09:00:05.000Z"


def test_alerts_of_one_cause_are_counted_from_the_first_to_the_last(table: AlertTable) -> None:
    for number in range(3):
        now = NOW + timedelta(minutes=number)
        table.claim(f"a{number}", now, LEASE)
        seen = table.count(f"a{number}", "cause", now)

    assert (seen.count, seen.first_seen, seen.last_seen) == (
        3,
        "2026-01-31T09:00:05.000Z",
        "2026-01-31T09:02:05.000Z",
    )


def test_everything_expires_a_month_later(table: AlertTable, dynamodb: "DynamoDBClient") -> None:
    table.claim("a", NOW, LEASE)
    table.count("a", "cause", NOW)

    expiry = {"N": str(int((NOW + KEPT).timestamp()))}
    assert item(dynamodb, "a")["expires_at"] == expiry
    assert item(dynamodb, "cause")["expires_at"] == expiry


def test_two_notifiers_counting_at_once_both_count(
    table: AlertTable, dynamodb: "DynamoDBClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    real = dynamodb.transact_write_items
    conflicts = [1, 2]

    def conflicting(**arguments: Any) -> Any:
        if conflicts:
            conflicts.pop()
            raise dynamodb.exceptions.TransactionCanceledException(
                {"CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}]},
                "TransactWriteItems",
            )
        return real(**arguments)

    monkeypatch.setattr(dynamodb, "transact_write_items", conflicting)
    table.claim("a", NOW, LEASE)

    assert table.count("a", "cause", NOW).count == 1
    assert conflicts == []
