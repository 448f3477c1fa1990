"""Bringing alerts back, against a mocked SQS."""

from collections.abc import Iterator

import pytest
from botocore.stub import Stubber
from typer.testing import CliRunner

from jobctl import cli, undelivered_alerts
from jobctl.connection import Connection
from jobctl.errors import NotDeployedError
from jobctl.undelivered_alerts import redrive_alerts
from tests.jobctl.conftest import STAGE, START

STACK = f"Alerts-{STAGE}"


@pytest.fixture
def stacks(connection: Connection) -> Iterator[Stubber]:
    """CloudFormation, answering as told."""
    with Stubber(connection.cloudformation) as stubber:
        yield stubber


@pytest.fixture
def queue_urls(
    connection: Connection, stacks: Stubber, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, str]:
    """The deployed queues: where alerts were set aside, and where they go."""
    monkeypatch.setattr(undelivered_alerts, "_LONG_POLL_SECONDS", 0)
    undelivered, queue = (
        connection.sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("set-aside", "alerts")
    )
    arn = "arn:aws:sqs:eu-west-1:123456789012:set-aside"
    outputs = {"AlertQueueUrl": queue, "UndeliveredAlertsQueueArn": arn}
    stack = {
        "StackName": STACK,
        "StackStatus": "CREATE_COMPLETE",
        "CreationTime": START,
        "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
    }
    stacks.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": STACK})
    return undelivered, queue


def drained(connection: Connection, queue_url: str) -> list[str]:
    bodies: list[str] = []
    while messages := connection.sqs.receive_message(
        QueueUrl=queue_url, MaxNumberOfMessages=10
    ).get("Messages"):
        bodies += [message["Body"] for message in messages]
    return bodies


def test_every_undelivered_alert_goes_back_to_the_queue(
    connection: Connection, queue_urls: tuple[str, str]
) -> None:
    undelivered, queue = queue_urls
    alerts = [f"alert {number}" for number in range(23)]
    for alert in alerts:
        connection.sqs.send_message(QueueUrl=undelivered, MessageBody=alert)
    told: list[int] = []

    moved = redrive_alerts(connection, STAGE, told.append)

    assert moved == 23
    assert told[-1] == 23
    assert sorted(drained(connection, queue)) == sorted(alerts)
    assert drained(connection, undelivered) == []


def test_a_stage_without_alerts_is_named_with_the_fix(
    connection: Connection, stacks: Stubber
) -> None:
    stacks.add_client_error("describe_stacks", "ValidationError", "does not exist")

    with pytest.raises(NotDeployedError, match="Alerts-nope is not deployed in eu-west-1: check"):
        redrive_alerts(connection, "nope", print)


@pytest.mark.usefixtures("queue_urls")
def test_the_command_says_that_nothing_was_waiting(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Connection, "to_aws", lambda: connection)

    result = CliRunner().invoke(cli.app, ["--stage", STAGE, "redrive-alerts"])

    assert result.exit_code == 0
    assert result.stdout == "no alert is waiting\n"
