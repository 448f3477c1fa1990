"""What the job table promises beyond the life of one job: reading, listing, forgetting."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from functions.shared.job import (
    MAX_PAYLOAD_BYTES,
    MAX_RESULT_BYTES,
    JobError,
    JobStatus,
    Progress,
    timestamp,
)
from functions.shared.job_table import JobExistsError, JobNotRetryableError, JobTable, Retention
from tests.functions.job_table_rows import Rows, any_job

NOW = datetime.now(UTC)
ERROR = JobError("any_error", "any message")


def completed(rows: Rows, jobs: JobTable, job_id: str = "job-1") -> None:
    rows.submit(any_job(job_id))
    jobs.claim(job_id, "send-email", 1, "arn:a", NOW)
    jobs.complete(job_id, 1, "arn:a", '"done"', NOW)


def failed(rows: Rows, jobs: JobTable, job_id: str = "job-1") -> None:
    rows.submit(any_job(job_id))
    jobs.claim(job_id, "send-email", 1, "arn:a", NOW)
    jobs.end(job_id, 1, JobStatus.FAILED, ERROR, NOW, execution_arn="arn:a")


def test_a_job_is_read_as_it_was_submitted(rows: Rows, jobs: JobTable) -> None:
    job = rows.submit(any_job(run_at="2030-01-01T00:00:00Z", dispatch="direct"))

    assert jobs.get("job-1") == job


def test_a_job_id_is_taken_once(rows: Rows, jobs: JobTable) -> None:
    rows.submit(any_job())

    with pytest.raises(JobExistsError):
        jobs.submit(any_job(payload='{"another": 1}'))


def test_failure_11_the_largest_payload_and_result_fit_one_item(rows: Rows, jobs: JobTable) -> None:
    rows.submit(any_job("j" * 48, job_type="t" * 40, payload="x" * MAX_PAYLOAD_BYTES))
    jobs.claim("j" * 48, "t" * 40, 1, "arn:" + "a" * 1_000, NOW)

    assert jobs.complete("j" * 48, 1, "arn:" + "a" * 1_000, "x" * MAX_RESULT_BYTES, NOW)


def test_failure_13_every_attribute_can_be_written_whatever_dynamodb_reserves(
    rows: Rows, jobs: JobTable
) -> None:
    """`status`, `result`, `error` and others are reserved words."""
    rows.submit(any_job())
    jobs.admit(any_job(), NOW)
    jobs.claim("job-1", "send-email", 1, "arn:a", NOW)
    jobs.note_progress("job-1", 1, "arn:a", Progress(1, 2, "half"), NOW)
    jobs.end("job-1", 1, JobStatus.TIMED_OUT, ERROR, NOW, execution_arn="arn:a")

    job = jobs.get("job-1")

    assert job is not None
    assert (job.status, job.error, job.progress) == (
        JobStatus.TIMED_OUT,
        ERROR,
        Progress(1, 2, "half"),
    )


def test_failure_16_only_an_ended_job_expires_and_a_failed_one_later(
    rows: Rows, jobs: JobTable
) -> None:
    rows.submit(any_job("open"))
    completed(rows, jobs, "good")
    failed(rows, jobs, "bad")

    assert "expires_at" not in rows.get("open")
    assert rows.get("good")["expires_at"] == Retention().expires_at(JobStatus.COMPLETED, NOW)
    assert rows.get("bad")["expires_at"] > rows.get("good")["expires_at"]


def test_failure_16_an_expired_row_is_not_read_though_dynamodb_still_has_it(
    rows: Rows, jobs: JobTable
) -> None:
    completed(rows, jobs)

    assert jobs.get("job-1", now=NOW + timedelta(days=29)) is not None
    assert jobs.get("job-1", now=NOW + timedelta(days=31)) is None
    assert rows.get("job-1")


def test_failure_16_a_retried_job_expires_no_more(rows: Rows, jobs: JobTable) -> None:
    failed(rows, jobs)

    jobs.retry("job-1", NOW)

    assert "expires_at" not in rows.get()


def test_a_retry_forgets_everything_of_the_attempt_before(rows: Rows, jobs: JobTable) -> None:
    failed(rows, jobs)

    jobs.retry("job-1", NOW)

    row = rows.get()
    assert (row["status"], row["attempt"]) == ("pending", 2)
    forgotten = {"error", "result", "execution_arn", "progress", "started_at", "finished_at"}
    assert not forgotten & row.keys()


@pytest.mark.parametrize("status", ["missing", "pending", "completed"])
def test_only_a_badly_ended_job_can_be_retried(rows: Rows, jobs: JobTable, status: str) -> None:
    if status == "pending":
        rows.submit(any_job())
    if status == "completed":
        completed(rows, jobs)

    with pytest.raises(JobNotRetryableError, match="job-1"):
        jobs.retry("job-1", NOW)


def test_what_a_failed_job_undid_is_in_its_row(rows: Rows, jobs: JobTable) -> None:
    undone = ("charge refunded", "stock released")
    rows.submit(any_job())
    error = replace(ERROR, undone=undone)
    jobs.end("job-1", 1, JobStatus.FAILED, error, NOW, execution_arn="arn:a")

    assert rows.get()["error"]["undone"] == list(undone)
    job = jobs.get("job-1", now=NOW)
    assert job is not None
    assert job.error == error


def test_a_row_whose_error_tells_more_than_this_version_knows_is_read(
    rows: Rows, jobs: JobTable
) -> None:
    rows.submit(any_job())
    rows.client.update_item(
        TableName=rows.table_name,
        Key={"job_id": {"S": "job-1"}},
        UpdateExpression="SET #error = :error",
        ExpressionAttributeNames={"#error": "error"},
        ExpressionAttributeValues={
            ":error": {
                "M": {"type": {"S": "x"}, "message": {"S": "y"}, "since_tomorrow": {"S": "z"}}
            }
        },
    )

    job = jobs.get("job-1", now=NOW)

    assert job is not None
    assert job.error == JobError("x", "y")


def test_completed_is_no_way_to_end_badly(rows: Rows, jobs: JobTable) -> None:
    rows.submit(any_job())

    with pytest.raises(ValueError, match="completed"):
        jobs.end("job-1", 1, JobStatus.COMPLETED, ERROR, NOW, execution_arn=None)


def test_open_jobs_are_listed_longest_first_and_only_those_from_before(
    rows: Rows, jobs: JobTable
) -> None:
    for minutes in (1, 30, 10):
        created = timestamp(NOW - timedelta(minutes=minutes))
        rows.submit(any_job(f"job-{minutes}", created_at=created))

    found = jobs.open_jobs(JobStatus.PENDING, before=NOW - timedelta(minutes=5))

    assert [job.job_id for job in found] == ["job-30", "job-10"]


def test_a_finished_job_leaves_the_index_of_open_ones(rows: Rows, jobs: JobTable) -> None:
    completed(rows, jobs, "good")
    failed(rows, jobs, "bad")

    assert list(jobs.open_jobs(JobStatus.PROCESSING)) == []
    assert [job.job_id for job in jobs.open_jobs(JobStatus.FAILED)] == ["bad"]


def test_the_newest_jobs_of_a_type_come_from_all_its_partitions(rows: Rows, jobs: JobTable) -> None:
    for number in range(12):
        created = timestamp(NOW + timedelta(seconds=number))
        job = rows.submit(any_job(f"job-{number}", created_at=created))
        jobs.admit(job, NOW)

    newest = jobs.jobs_of_type("send-email", limit=5)

    assert [job.job_id for job in newest] == [f"job-{number}" for number in (11, 10, 9, 8, 7)]
    assert {job.job_type for job in newest} == {"send-email"}
