"""What the watchdog finds, and what it leaves alone."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.jobs import dispatcher, watchdog
from functions.shared.job import JobError, JobStatus, timestamp
from functions.shared.job_table import JobTable
from tests.functions.job_table_rows import ANY_TIME, Rows, any_job
from tests.functions.jobs.fake_aws import FakeLambda, FakeLambdaContext, FakeSsm, refusal

pytestmark = pytest.mark.usefixtures("fake_lambda", "ssm")

NOW = datetime.now(UTC)
LONG_AGO = timestamp(NOW - timedelta(hours=1))


def watch(context: FakeLambdaContext | None = None) -> dict[str, int]:
    return watchdog.handler({}, context or FakeLambdaContext())


def test_failure_1_a_job_whose_producer_died_after_the_row_is_started(
    rows: Rows, fake_lambda: FakeLambda
) -> None:
    rows.submit(any_job(created_at=LONG_AGO))

    assert watch() == {"restarted": 1}

    assert list(fake_lambda.executions) == ["job-1-1"]


def test_failure_1_a_direct_job_that_nobody_invoked_is_started(
    rows: Rows, fake_lambda: FakeLambda
) -> None:
    rows.submit(any_job(created_at=LONG_AGO, dispatch="direct"))

    watch()

    assert list(fake_lambda.executions) == ["job-1-1"]


def test_failure_2_it_starts_with_the_very_event_of_the_dispatcher(
    rows: Rows, fake_lambda: FakeLambda
) -> None:
    run_at = timestamp(NOW - timedelta(minutes=30))
    rows.submit(any_job(created_at=LONG_AGO, run_at=run_at))
    image = rows.client.get_item(TableName="jobs", Key={"job_id": {"S": "job-1"}})["Item"]
    dispatcher.dispatch(image)

    assert watch() == {"restarted": 1}

    # Another input under the name would have been a second entry in the way of a 409.
    assert len({invoke["Payload"] for invoke in fake_lambda.invokes}) == 1


def test_a_job_that_is_pending_for_less_than_the_bound_is_left_alone(
    rows: Rows, fake_lambda: FakeLambda
) -> None:
    rows.submit(any_job(created_at=timestamp(datetime.now(UTC))))

    assert watch() == {}
    assert fake_lambda.invokes == []


def test_pending_too_long_counts_from_run_at(rows: Rows, fake_lambda: FakeLambda) -> None:
    rows.submit(any_job(created_at=LONG_AGO, run_at=timestamp(NOW + timedelta(hours=5))))

    assert watch() == {"not due": 1}
    assert fake_lambda.invokes == []


def test_pending_too_long_counts_from_the_retry(
    rows: Rows, jobs: JobTable, fake_lambda: FakeLambda
) -> None:
    rows.submit(any_job(created_at=LONG_AGO))
    jobs.end("job-1", 1, JobStatus.FAILED, JobError("x", "y"), NOW, execution_arn=None)
    jobs.retry("job-1", datetime.now(UTC))

    assert watch() == {}
    assert fake_lambda.invokes == []


def test_a_retried_job_is_started_as_its_own_attempt(
    rows: Rows, jobs: JobTable, fake_lambda: FakeLambda
) -> None:
    rows.submit(any_job(created_at=LONG_AGO))
    jobs.end("job-1", 1, JobStatus.FAILED, JobError("x", "y"), NOW, execution_arn=None)
    jobs.retry("job-1", NOW - timedelta(minutes=30))

    watch()

    assert json.loads(fake_lambda.executions["job-1-2"])["attempt"] == 2


@pytest.mark.parametrize(
    "fields",
    [{"job_type": "send-fax"}, {"job_type": "../x"}, {"run_at": "tomorrow"}],
    ids=["unknown type", "illegal type", "run_at no time"],
)
def test_a_job_that_cannot_start_does_not_hold_up_the_next(
    rows: Rows, fake_lambda: FakeLambda, fields: dict[str, Any]
) -> None:
    rows.submit(any_job("job-1", created_at=ANY_TIME, **fields))
    rows.submit(any_job("job-2", created_at=LONG_AGO))

    assert watch() == {"unstartable": 1, "restarted": 1}
    assert list(fake_lambda.executions) == ["job-2-1"]


def test_a_row_that_cannot_be_read_does_not_hide_the_next(
    rows: Rows, fake_lambda: FakeLambda
) -> None:
    rows.submit(any_job("job-1", created_at=ANY_TIME))
    rows.submit(any_job("job-2", created_at=LONG_AGO))
    rows.client.update_item(
        TableName=rows.table_name,
        Key={"job_id": {"S": "job-1"}},
        UpdateExpression="SET attempt = :text",
        ExpressionAttributeValues={":text": {"S": "one"}},
    )

    assert watch() == {"unstartable": 1, "restarted": 1}
    assert list(fake_lambda.executions) == ["job-2-1"]


def test_failure_6_a_throttled_start_ends_the_run_and_the_next_one_goes_on(
    rows: Rows, fake_lambda: FakeLambda
) -> None:
    rows.submit(any_job("job-1", created_at=ANY_TIME))
    rows.submit(any_job("job-2", created_at=LONG_AGO))
    fake_lambda.refuse("job-1-1", refusal("TooManyRequestsException", 429))

    assert watch() == {"postponed": 1}
    assert fake_lambda.executions == {}

    assert watch() == {"restarted": 2}


def test_a_run_does_no_more_than_its_share(
    rows: Rows, fake_lambda: FakeLambda, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "MAX_STARTS", 2)
    for number in range(3):
        rows.submit(any_job(f"job-{number}", created_at=LONG_AGO))

    assert watch() == {"restarted": 2}
    assert len(fake_lambda.executions) == 2


def test_a_run_ends_in_time(rows: Rows, fake_lambda: FakeLambda) -> None:
    for number in range(3):
        rows.submit(any_job(f"job-{number}", created_at=LONG_AGO))

    watch(FakeLambdaContext(milliseconds=10_000, step=2_400))

    assert len(fake_lambda.executions) == 2


def test_what_was_found_is_counted_even_when_it_is_nothing(
    rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    watch()
    rows.submit(any_job(created_at=LONG_AGO))
    watch()

    none, one = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (none["StuckJobs"], none["RestartedJobs"]) == ([0.0], [0.0])
    assert (one["StuckJobs"], one["RestartedJobs"]) == ([1.0], [1.0])
    [published] = one["_aws"]["CloudWatchMetrics"]
    assert published["Namespace"] == "DurableJobs"
    assert sorted(published["Dimensions"][0]) == ["service", "stage"]


def test_jobs_that_are_not_pending_are_none_of_its_business(
    rows: Rows, jobs: JobTable, fake_lambda: FakeLambda, ssm: FakeSsm
) -> None:
    rows.submit(any_job(created_at=LONG_AGO))
    jobs.claim("job-1", "send-email", 1, "arn:someone", NOW - timedelta(minutes=30))

    assert watch() == {}
    assert (fake_lambda.invokes, ssm.reads) == ([], 0)
