"""Where files are is told as a command to copy, and nothing that could act in a shell."""

from datetime import UTC, datetime
from typing import Any

import pytest

from functions.shared import names
from functions.shared.job import Job, JobError, JobStatus, canonical_json
from functions.shared.job_table import JobTable
from jobctl.connection import Connection
from jobctl.dataset_files import DataBucket, file_lines
from tests.functions.job_table_rows import Rows, any_job
from tests.jobctl.conftest import STAGE, Jobctl

NOW = datetime.now(UTC)
BUCKET = DataBucket("data")
RESULTS = "results/job-1/attempt-1"


def told(
    job_type: str, result: dict[str, Any] | None = None, error: str | None = None
) -> dict[str, str]:
    job = any_job(
        job_type=job_type,
        status=JobStatus.COMPLETED if error is None else JobStatus.FAILED,
        error=None if error is None else JobError(error, "why"),
    )
    return {line.label: line.text for line in file_lines(job, result or {}, BUCKET)}


def test_failed_records_of_a_batch_are_where_its_result_says() -> None:
    key = f"{RESULTS}/failed.jsonl"

    assert told("batch-processing", {"failed_records": key}) == {
        "failed": f"aws s3 cp s3://data/{key} -"
    }
    assert told("batch-processing", {"failed_records": None}) == {}


def test_failed_records_of_a_failed_batch_are_where_its_attempt_left_them() -> None:
    assert told("batch-processing", error="too_many_failures") == {
        "failed": f"aws s3 cp s3://data/{RESULTS}/failed.jsonl -"
    }
    assert told("batch-processing", error="dataset_changed") == {}


def test_what_a_pipeline_loaded_rejected_and_replaced_is_told() -> None:
    result = {
        "rejects": f"{RESULTS}/rejects.jsonl",
        "difference": f"{RESULTS}/difference.json",
        "destination": {"dataset": "products"},
    }

    assert told("data-pipeline", result) == {
        "rejects": f"aws s3 cp s3://data/{RESULTS}/rejects.jsonl -",
        "replaced": f"aws s3 cp s3://data/{RESULTS}/difference.json -",
        "loaded to": "aws s3 ls s3://data/datasets/products/",
    }
    assert told("data-pipeline", {"destination": {"table": "products"}}) == {
        "loaded to": "products, in the table of datasets"
    }


@pytest.mark.parametrize(
    ("error", "label", "file"),
    [
        ("too_many_rejects", "rejects", "rejects.jsonl"),
        ("verification_failed", "difference", "difference.json"),
    ],
)
def test_what_a_pipeline_failed_of_is_told(error: str, label: str, file: str) -> None:
    assert told("data-pipeline", error=error) == {label: f"aws s3 cp s3://data/{RESULTS}/{file} -"}


def test_what_is_no_key_of_ours_is_not_shown() -> None:
    strange = {"rejects": "x; reboot", "destination": {"dataset": "$(reboot)"}, "difference": 7}

    assert told("data-pipeline", strange) == {}
    assert told("send-email", {"failed_records": "results/x"}) == {}


def test_on_this_machine_the_command_asks_the_local_platform() -> None:
    assert DataBucket("data", "http://127.0.0.1:1", "123456789012").command("ls", "x") == (
        "AWS_ACCESS_KEY_ID=123456789012 AWS_SECRET_ACCESS_KEY=any"
        " aws --endpoint-url http://127.0.0.1:1 s3 ls s3://data/x"
    )


def failed_batch(rows: Rows, table: JobTable) -> Job:
    job = any_job(job_type="batch-processing", payload=canonical_json({"dataset": "incoming/x"}))
    rows.submit(job)
    table.claim("job-1", "batch-processing", 1, "arn:a", NOW)
    table.end(
        "job-1",
        1,
        JobStatus.FAILED,
        JobError("too_many_failures", "why"),
        NOW,
        execution_arn="arn:a",
    )
    return job


def test_show_looks_the_bucket_up_and_does_without_where_there_is_none(
    rows: Rows, table: JobTable, jobctl: Jobctl, connection: Connection
) -> None:
    failed_batch(rows, table)
    without = jobctl("show", "job-1")
    connection.ssm.put_parameter(
        Name=names.data_bucket_parameter(STAGE), Value="data", Type="String"
    )

    found = jobctl("show", "job-1")

    line = "failed     aws s3 cp s3://data/results/job-1/attempt-1/failed.jsonl -"
    assert (without.exit_code, found.exit_code) == (0, 0)
    assert line in found.stdout.splitlines()
    assert "aws s3" not in without.stdout
    # The account is that of whoever types it; `testing` is the connection's.
    assert "testing" not in found.stdout
