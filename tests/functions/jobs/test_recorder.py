"""How the end of an execution reaches its row and the dead-letter topic."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.jobs import recorder
from functions.shared.job import JobError, JobStatus
from functions.shared.job_table import JobTable
from tests.functions.job_table_rows import Rows, any_job
from tests.functions.jobs.fake_aws import FakeLambda, FakeSns, refusal

pytestmark = pytest.mark.usefixtures("fake_lambda", "topic")

NOW = datetime.now(UTC)
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:f:7/durable-execution/job-1-1/id"
START = {"attempt": 1, "job_id": "job-1", "job_type": "send-email"}


def status_event(status: str, *, name: str = "job-1-1", arn: str = ARN) -> dict[str, Any]:
    """As AWS documents it: https://docs.aws.amazon.com/lambda/latest/dg/durable-monitoring.html"""
    return {
        "source": "aws.lambda",
        "detail-type": "Durable Execution Status Change",
        "detail": {
            "durableExecutionArn": arn,
            "durableExecutionName": name,
            "functionArn": "arn:aws:lambda:eu-west-1:123456789012:function:f:7",
            "status": status,
            "startTimestamp": "2026-01-31T09:00:00Z",
            "endTimestamp": "2026-01-31T09:01:00Z",
        },
    }


def execution(error_type: str | None = None, message: str = "said why", **event: Any) -> Any:
    """What GetDurableExecution tells."""
    error = {"Error": {"ErrorType": error_type, "ErrorMessage": message}} if error_type else {}
    return {"InputPayload": json.dumps(START | event), **error}


def record(event: dict[str, Any]) -> None:
    recorder.handler(event, None)


ENDINGS = {
    "FAILED": ("failed", "checkpoint"),
    "TIMED_OUT": ("timed_out", "execution_timed_out"),
    "STOPPED": ("cancelled", "execution_stopped"),
}


@pytest.mark.parametrize(("ending", "expected"), ENDINGS.items(), ids=ENDINGS.keys())
@pytest.mark.parametrize("is_claimed", [True, False], ids=["running", "code never ran"])
def test_failure_3_an_execution_that_could_not_write_its_end_gets_it_written(
    rows: Rows,
    jobs: JobTable,
    fake_lambda: FakeLambda,
    topic: FakeSns,
    ending: str,
    expected: tuple[str, str],
    is_claimed: bool,  # noqa: FBT001  # a parameter of the test's table
) -> None:
    rows.submit(any_job())
    if is_claimed:
        jobs.claim("job-1", "send-email", 1, ARN, NOW)
    fake_lambda.described[ARN] = execution("sdk.exceptions.CheckpointError")

    record(status_event(ending))

    row = rows.get()
    assert (row["status"], row["error"]["type"]) == expected
    assert row["error"]["message"] == "said why"
    assert row["execution_arn"] == ARN
    assert topic.told == [(START, expected[1])]


def test_a_status_event_that_comes_twice_changes_nothing_more(
    rows: Rows, jobs: JobTable, fake_lambda: FakeLambda, topic: FakeSns
) -> None:
    rows.submit(any_job())
    jobs.claim("job-1", "send-email", 1, ARN, NOW)
    fake_lambda.described[ARN] = execution("Broken")

    record(status_event("FAILED"))
    once = rows.get()
    record(status_event("FAILED"))

    assert rows.get() == once
    assert fake_lambda.descriptions == 1
    # The key of the alert is the same, so that it is told once.
    assert topic.told == [(START, "broken")] * 2


def test_what_the_execution_wrote_itself_is_told_without_reading_the_execution(
    rows: Rows, jobs: JobTable, fake_lambda: FakeLambda, topic: FakeSns
) -> None:
    rows.submit(any_job())
    jobs.claim("job-1", "send-email", 1, ARN, NOW)
    error = JobError("mail_rejected", "no such address", "send-email")
    jobs.end("job-1", 1, JobStatus.FAILED, error, NOW, execution_arn=ARN)
    before = rows.get()

    record(status_event("FAILED"))

    assert rows.get() == before
    assert fake_lambda.descriptions == 0
    assert topic.told == [(START, "mail_rejected")]


def test_a_completed_job_stays_completed_whatever_became_of_its_execution(
    rows: Rows, jobs: JobTable, topic: FakeSns
) -> None:
    rows.submit(any_job())
    jobs.claim("job-1", "send-email", 1, ARN, NOW)
    jobs.complete("job-1", 1, ARN, "{}", NOW)

    record(status_event("FAILED"))

    assert rows.get()["status"] == "completed"
    assert topic.told == []


def test_the_end_of_an_older_attempt_does_not_touch_a_newer_one(
    rows: Rows, jobs: JobTable, fake_lambda: FakeLambda, topic: FakeSns
) -> None:
    rows.submit(any_job())
    jobs.claim("job-1", "send-email", 1, ARN, NOW)
    jobs.end("job-1", 1, JobStatus.CANCELLED, JobError("x", "y"), NOW, execution_arn=ARN)
    jobs.retry("job-1", NOW)
    fake_lambda.described[ARN] = execution("Broken")

    record(status_event("TIMED_OUT"))

    assert (rows.get()["status"], rows.get()["attempt"]) == ("pending", 2)
    assert topic.told == []


def test_an_execution_that_lost_the_claim_does_not_end_the_job(
    rows: Rows, jobs: JobTable, fake_lambda: FakeLambda, topic: FakeSns
) -> None:
    rows.submit(any_job())
    jobs.claim("job-1", "send-email", 1, "arn:the-winner", NOW)
    fake_lambda.described[ARN] = execution()

    record(status_event("STOPPED"))

    assert rows.get()["status"] == "processing"
    assert topic.told == []


REFUSALS = {
    "functions.shared.errors.PayloadMismatchError": "payload_mismatch",
    "functions.shared.errors.JobNotFoundError": "job_not_found",
}


@pytest.mark.parametrize(("error_type", "code"), REFUSALS.items())
@pytest.mark.parametrize(
    ("name", "event"),
    [("freely-chosen", {}), ("job-1-1", {"job_type": "send-fax"}), ("job-1-2", {"attempt": 2})],
    ids=["another name", "another type", "another attempt"],
)
def test_a_refused_start_is_told_and_leaves_the_job_as_it_is(
    rows: Rows,
    fake_lambda: FakeLambda,
    topic: FakeSns,
    error_type: str,
    code: str,
    name: str,
    event: dict[str, Any],
) -> None:
    rows.submit(any_job())
    before = rows.get()
    fake_lambda.described[ARN] = execution(error_type, **event, payload={"password": "hunter2"})

    record(status_event("FAILED", name=name))

    assert rows.get() == before
    assert topic.told == [(START | event, code)]


@pytest.mark.parametrize(("error_type", "code"), REFUSALS.items())
def test_a_refused_start_that_took_the_jobs_own_name_fails_the_job_so_that_it_can_be_retried(
    rows: Rows, jobs: JobTable, fake_lambda: FakeLambda, topic: FakeSns, error_type: str, code: str
) -> None:
    rows.submit(any_job())
    fake_lambda.described[ARN] = execution(error_type, payload={"password": "hunter2"})

    record(status_event("FAILED"))

    row = rows.get()
    assert (row["status"], row["error"]["type"]) == ("failed", code)
    assert topic.told == [(START, code)]
    assert jobs.retry("job-1", NOW).attempt == 2


def test_a_refused_start_does_not_fail_a_job_that_somebody_else_has_claimed(
    rows: Rows, jobs: JobTable, fake_lambda: FakeLambda, topic: FakeSns
) -> None:
    rows.submit(any_job())
    jobs.claim("job-1", "send-email", 1, "arn:of-a-direct-invoke", NOW)
    fake_lambda.described[ARN] = execution("PayloadMismatchError")

    record(status_event("FAILED"))

    assert rows.get()["status"] == "processing"
    assert topic.told == [(START, "payload_mismatch")]


def test_a_refused_start_of_a_job_without_a_row_is_told(
    rows: Rows, fake_lambda: FakeLambda, topic: FakeSns
) -> None:
    fake_lambda.described[ARN] = execution("functions.shared.errors.JobNotFoundError")

    record(status_event("FAILED"))

    assert rows.get() == {}
    assert topic.told == [(START, "job_not_found")]


@pytest.mark.parametrize("name", ["", "freely-chosen", "other-1", "job-2-1"])
def test_a_freely_named_execution_finds_its_job_by_its_input(
    rows: Rows, fake_lambda: FakeLambda, name: str
) -> None:
    rows.submit(any_job())
    rows.submit(any_job("job-2"))
    fake_lambda.described[ARN] = execution("Broken")

    record(status_event("FAILED", name=name))

    assert rows.get()["status"] == "failed"
    assert rows.get("job-2")["status"] == "pending"


def test_an_execution_with_an_unreadable_input_finds_its_job_by_its_name(
    rows: Rows, fake_lambda: FakeLambda, topic: FakeSns
) -> None:
    rows.submit(any_job())
    fake_lambda.described[ARN] = execution("InvalidStartEventError") | {"InputPayload": "[]"}

    record(status_event("FAILED"))

    assert rows.get()["error"]["type"] == "invalid_start_event"
    assert topic.told == [(START, "invalid_start_event")]


def test_an_execution_of_no_job_is_left_alone(
    rows: Rows, fake_lambda: FakeLambda, topic: FakeSns
) -> None:
    rows.submit(any_job())
    fake_lambda.described[ARN] = {"InputPayload": "no JSON"}

    record(status_event("FAILED", name="somebody-elses"))

    assert rows.get()["status"] == "pending"
    assert topic.told == []


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED"])
def test_an_execution_that_did_not_end_badly_is_none_of_the_recorders_business(
    rows: Rows, topic: FakeSns, status: str
) -> None:
    rows.submit(any_job())

    record(status_event(status))

    assert rows.get()["status"] == "pending"
    assert topic.told == []


def test_a_throttled_read_of_the_execution_is_left_to_lambdas_retry(
    rows: Rows, fake_lambda: FakeLambda
) -> None:
    rows.submit(any_job())
    fake_lambda.described[ARN] = refusal("TooManyRequestsException", 429, "GetDurableExecution")

    with pytest.raises(ClientError):
        record(status_event("FAILED"))

    fake_lambda.described[ARN] = execution("Broken")
    record(status_event("FAILED"))
    assert rows.get()["status"] == "failed"


def test_secrets_in_an_executions_error_stay_out_of_the_row_and_the_dead_letter(
    rows: Rows, fake_lambda: FakeLambda, topic: FakeSns
) -> None:
    rows.submit(any_job())
    fake_lambda.described[ARN] = execution("Broken", "password=hunter2 " + "x" * 5_000)

    record(status_event("FAILED"))

    message = rows.get()["error"]["message"]
    assert "hunter2" not in message + json.dumps(topic.published)
    assert len(message.encode()) <= 1_024


def test_the_dead_letter_of_a_delayed_job_is_its_start_event(
    rows: Rows, jobs: JobTable, topic: FakeSns
) -> None:
    job = replace(any_job(), run_at="2026-01-31T10:00:00Z")
    rows.submit(job)
    jobs.claim("job-1", "send-email", 1, ARN, NOW)
    jobs.end("job-1", 1, JobStatus.FAILED, JobError("x", "y"), NOW, execution_arn=ARN)

    record(status_event("FAILED"))

    assert topic.told == [(START | {"run_at": "2026-01-31T10:00:00Z"}, "x")]
