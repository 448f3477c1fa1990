"""`jobctl retry-failed`: what failed, and only that, as a batch of its own."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from functions.shared.job import JobError, JobStatus, canonical_json
from functions.shared.job_table import JobTable
from jobctl.failed_records import id_of_retry
from tests.functions.job_table_rows import Rows, any_job
from tests.jobctl.conftest import Jobctl, refused

# The command line looks at the real clock.
NOW = datetime.now(UTC)
PAYLOAD = {
    "dataset": "incoming/x.jsonl",
    "processor": "post-records",
    "endpoint": "shop",
    "tolerated_failures_percent": 2,
}
FAILED_RECORDS = "results/job-1/attempt-1/failed.jsonl"
RESULT = {"outcome": "completed_with_failures", "failed": 7, "failed_records": FAILED_RECORDS}
TOO_MANY = JobError("too_many_failures", "7 of 10 records failed")


def batch(rows: Rows, job_type: str = "batch-processing", **fields: Any) -> None:
    rows.submit(any_job(job_type=job_type, **({"payload": canonical_json(PAYLOAD)} | fields)))


def claimed(rows: Rows, table: JobTable) -> None:
    batch(rows)
    assert table.claim("job-1", "batch-processing", 1, "arn:a", NOW).is_granted


def completed(rows: Rows, table: JobTable, result: Mapping[str, Any]) -> None:
    claimed(rows, table)
    assert table.complete("job-1", 1, "arn:a", canonical_json(result), NOW)


def ended(rows: Rows, table: JobTable, status: JobStatus, error: JobError) -> None:
    claimed(rows, table)
    assert table.end("job-1", 1, status, error, NOW, execution_arn="arn:a")


def test_the_failed_records_of_a_completed_batch_are_a_new_batch(
    rows: Rows, table: JobTable, jobctl: Jobctl
) -> None:
    completed(rows, table, RESULT)

    result = jobctl("retry-failed", "job-1")

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "submitted job-1-failed-1",
        "watch it: bin/jobctl watch job-1-failed-1 --stage test",
    ]
    row = rows.get("job-1-failed-1")
    assert row["job_type"] == "batch-processing"
    assert json.loads(row["payload"]) == PAYLOAD | {"dataset": FAILED_RECORDS, "wrapped": True}
    assert rows.get("job-1")["status"] == "completed"


def test_typing_it_twice_starts_nothing_twice(rows: Rows, table: JobTable, jobctl: Jobctl) -> None:
    completed(rows, table, RESULT)
    jobctl("retry-failed", "job-1")

    again = jobctl("retry-failed", "job-1")

    assert again.exit_code == 0
    assert again.stdout.startswith("was submitted before and is pending: job-1-failed-1\n")


@pytest.mark.parametrize(
    ("status", "commands"),
    [
        (JobStatus.FAILED, ["show", "retry"]),
        (JobStatus.CANCELLED, ["show", "retry"]),
        (JobStatus.COMPLETED, ["show"]),
    ],
)
def test_a_retry_that_has_ended_is_not_to_be_watched(
    status: JobStatus, commands: list[str], rows: Rows, table: JobTable, jobctl: Jobctl
) -> None:
    completed(rows, table, RESULT)
    jobctl("retry-failed", "job-1")
    table.claim("job-1-failed-1", "batch-processing", 1, "arn:b", NOW)
    if status is JobStatus.COMPLETED:
        table.complete("job-1-failed-1", 1, "arn:b", "{}", NOW)
    else:
        table.end("job-1-failed-1", 1, status, TOO_MANY, NOW, execution_arn="arn:b")

    first, *others = jobctl("retry-failed", "job-1").stdout.splitlines()

    assert first == f"was submitted before and is {status}: job-1-failed-1"
    assert [line.partition(": ")[2] for line in others] == [
        f"bin/jobctl {command} job-1-failed-1 --stage test" for command in commands
    ]


def test_a_batch_that_failed_for_too_many_failures_has_them_where_its_attempt_left_them(
    rows: Rows, table: JobTable, jobctl: Jobctl
) -> None:
    ended(rows, table, JobStatus.FAILED, TOO_MANY)

    jobctl("retry-failed", "job-1")

    payload = json.loads(rows.get("job-1-failed-1")["payload"])
    assert payload["dataset"] == FAILED_RECORDS


def test_each_attempt_has_failed_records_of_its_own(
    rows: Rows, table: JobTable, jobctl: Jobctl
) -> None:
    ended(rows, table, JobStatus.FAILED, TOO_MANY)
    jobctl("retry-failed", "job-1")
    table.retry("job-1", NOW)
    table.claim("job-1", "batch-processing", 2, "arn:b", NOW)
    table.end("job-1", 2, JobStatus.FAILED, TOO_MANY, NOW, execution_arn="arn:b")

    jobctl("retry-failed", "job-1")

    payload = json.loads(rows.get("job-1-failed-2")["payload"])
    assert payload["dataset"] == "results/job-1/attempt-2/failed.jsonl"


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        (
            JobStatus.FAILED,
            JobError("dataset_changed", "any"),
            "failed (dataset_changed): `jobctl retry` goes on",
        ),
        (JobStatus.CANCELLED, JobError("execution_stopped", "any"), "`jobctl retry` goes on"),
        (JobStatus.TIMED_OUT, JobError("execution_timed_out", "any"), "`jobctl retry` goes on"),
    ],
)
def test_a_batch_that_did_not_come_to_its_end_is_retried_instead(
    status: JobStatus, error: JobError, reason: str, rows: Rows, table: JobTable, jobctl: Jobctl
) -> None:
    ended(rows, table, status, error)

    assert reason in refused(jobctl("retry-failed", "job-1"), 2)


def test_a_batch_without_failed_records_says_so(
    rows: Rows, table: JobTable, jobctl: Jobctl
) -> None:
    completed(rows, table, {"outcome": "completed", "failed": 0, "failed_records": None})

    assert "has no failed records" in refused(jobctl("retry-failed", "job-1"), 2)


def test_a_batch_that_runs_is_waited_for(rows: Rows, table: JobTable, jobctl: Jobctl) -> None:
    claimed(rows, table)

    assert "is processing: wait until it has ended" in refused(jobctl("retry-failed", "job-1"), 2)


def test_a_job_of_another_type_has_none(rows: Rows, jobctl: Jobctl) -> None:
    batch(rows, "send-email")

    assert "only batch-processing jobs" in refused(jobctl("retry-failed", "job-1"), 2)


def test_a_payload_that_is_not_in_the_row_is_told_how_to_submit(
    rows: Rows, table: JobTable, jobctl: Jobctl
) -> None:
    batch(rows, payload=None, payload_ref="payloads/job-1/abc")
    table.claim("job-1", "batch-processing", 1, "arn:a", NOW)
    table.complete("job-1", 1, "arn:a", canonical_json(RESULT), NOW)

    assert f"dataset is {FAILED_RECORDS}" in refused(jobctl("retry-failed", "job-1"), 2)


def test_long_ids_that_begin_alike_have_retries_of_different_ids() -> None:
    ids = {id_of_retry(any_job(f"import-of-the-product-catalog-2026-01-{day}")) for day in (30, 31)}

    assert len(ids) == 2
    assert max(map(len, ids)) <= 48


def test_the_id_of_a_uuid_is_kept_whole() -> None:
    uuid = "0b4f5b1c-52f6-4b3a-9d0e-0f3a4d6c2b11"

    assert id_of_retry(any_job(uuid, attempt=3)) == f"{uuid}-failed-3"
