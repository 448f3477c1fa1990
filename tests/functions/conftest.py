"""Function modules build their settings and clients when they are imported, as in Lambda."""

import os
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from functions.shared import names
from functions.shared.job_table import JobTable
from tests.functions.job_table_rows import Rows

JOB_TABLE = "jobs"
PAYLOAD_BUCKET = "payloads"

os.environ.update(
    {
        names.STAGE: "test",
        names.JOB_TYPE: "send-email",
        names.JOB_TABLE_NAME: JOB_TABLE,
        names.JOB_TYPES_PATH: names.job_types_path("test"),
        names.JOB_LIMITS_PATH: names.job_limits_path("test"),
        names.PAYLOAD_BUCKET_NAME: PAYLOAD_BUCKET,
        names.DEAD_LETTER_TOPIC_ARN: "arn:aws:sns:eu-west-1:123456789012:dead-letters",
        names.RETENTION_COMPLETED_DAYS: "30",
        names.RETENTION_FAILED_DAYS: "90",
        names.PENDING_BOUND_SECONDS: "300",
        names.MAIL_FROM: "jobs@example.com",
    }
)


@pytest.fixture
def aws() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture
def rows(aws: None) -> Rows:  # noqa: ARG001  # the table is in the mocked account
    """The job table, empty."""
    client = boto3.client("dynamodb")
    return Rows.create(client, JOB_TABLE)


@pytest.fixture
def jobs(rows: Rows) -> JobTable:
    return JobTable(rows.client, rows.table_name)
