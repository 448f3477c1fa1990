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


def _live_alias(function_name: str) -> str:
    return f"arn:aws:lambda:eu-west-1:123456789012:function:{function_name}:{names.LIVE_ALIAS}"


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
        names.CUSTOMER_TABLE_NAME: "customers",
        names.INVENTORY_TABLE_NAME: "inventory",
        names.PAYMENT_TABLE_NAME: "payments",
        names.SHIPMENT_TABLE_NAME: "shipments",
        names.VALIDATE_CUSTOMER_ARN: _live_alias("validate-customer"),
        names.CHECK_INVENTORY_ARN: _live_alias("check-inventory"),
        names.PROCESS_PAYMENT_ARN: _live_alias("process-payment"),
        names.CREATE_SHIPMENT_ARN: _live_alias("create-shipment"),
    }
)


@pytest.fixture(scope="module")
def job_table() -> Iterator[Rows]:
    """One table for a module's tests: making one takes longer than most tests do."""
    with mock_aws():
        yield Rows.create(boto3.client("dynamodb"), JOB_TABLE)


@pytest.fixture
def rows(job_table: Rows) -> Iterator[Rows]:
    """The job table, empty."""
    yield job_table
    job_table.clear()


@pytest.fixture
def jobs(rows: Rows) -> JobTable:
    return JobTable(rows.client, rows.table_name)
