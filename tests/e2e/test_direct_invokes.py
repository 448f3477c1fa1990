"""The classic way: the producer writes the row, invokes by itself, and waits for the answer."""

import json
from typing import Any

import pytest

from functions.shared.job import JobStatus
from tests.e2e.deployed_jobs import SEND_EMAIL, STRANGER, DeployedJobs, mail

pytestmark = pytest.mark.platform


def test_a_producer_that_waits_gets_the_result(deployed: DeployedJobs) -> None:
    deployed.submit_mail("waits", dispatch="direct")

    answer = _invoke_and_wait(deployed, "waits", mail("waits"))

    job = deployed.jobs.get("waits")
    assert job.status is JobStatus.COMPLETED
    assert answer == json.loads(job.result or "")
    assert answer.keys() == {"message_id"}
    assert deployed.mails("waits") == 1


def test_a_producer_that_waits_gets_the_error_and_slack_is_told_too(
    deployed: DeployedJobs,
) -> None:
    deployed.submit_mail("waits-in-vain", to=STRANGER, dispatch="direct")

    error = _invoke_and_wait(deployed, "waits-in-vain", mail("waits-in-vain", to=STRANGER))

    job = deployed.jobs.get("waits-in-vain")
    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert job.error.type == "mail_rejected"
    assert error["errorMessage"].startswith("MessageRejected")
    assert len(deployed.alerts_once_quiet("waits-in-vain")) == 1


def test_an_event_with_another_payload_than_the_row_is_refused_and_the_job_goes_on(
    deployed: DeployedJobs,
) -> None:
    deployed.submit_mail("differs", dispatch="direct")
    before = _row(deployed, "differs")

    error = _invoke_and_wait(deployed, "differs", mail("differs", subject="Another subject"))

    after = _row(deployed, "differs")
    assert error["errorType"].endswith("PayloadMismatchError")
    assert _without_admission(after) == _without_admission(before)
    assert len(deployed.alerts_once_quiet("differs")) == 1
    # The watchdog may have been faster; either way the job is done once.
    _invoke_and_wait(deployed, "differs", mail("differs"))
    assert deployed.ended("differs").status is JobStatus.COMPLETED
    assert deployed.mails("differs") == 1


def test_an_event_without_a_row_is_refused_and_told(deployed: DeployedJobs) -> None:
    error = _invoke_and_wait(deployed, "rowless", mail("rowless"))

    assert error["errorType"].endswith("JobNotFoundError")
    assert len(deployed.alerts_once_quiet("rowless")) == 1
    assert deployed.mails("rowless") == 0


def test_an_event_that_names_no_job_is_refused_before_anything_happens(
    deployed: DeployedJobs,
) -> None:
    answer = deployed.invoke({"hello": "world"})

    assert answer["FunctionError"] == "Unhandled"
    error = json.loads(answer["Payload"].read())
    assert error["errorType"].endswith("InvalidStartEventError")


def _invoke_and_wait(deployed: DeployedJobs, job_id: str, payload: Any) -> Any:
    answer = deployed.invoke({"job_id": job_id, "job_type": SEND_EMAIL, "payload": payload})
    return json.loads(answer["Payload"].read())


def _row(deployed: DeployedJobs, job_id: str) -> dict[str, Any]:
    row: dict[str, Any] = deployed.dynamodb.get_item(
        TableName=deployed.table_name, Key={"job_id": {"S": job_id}}, ConsistentRead=True
    )["Item"]
    return row


def _without_admission(row: dict[str, Any]) -> dict[str, Any]:
    """Without what the dispatcher adds to every row, at whatever moment."""
    added = {"attempt", "type_bucket", "updated_at"}
    return {name: value for name, value in row.items() if name not in added}
