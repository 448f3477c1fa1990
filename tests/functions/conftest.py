"""Function modules build their settings and clients when they are imported, as in Lambda."""

import os
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from functions.shared import names
from functions.shared.job_table import JobTable
from functions.shared.question_table import QuestionTable
from tests.functions.job_table_rows import Rows
from tests.functions.question_items import KeyedTable

JOB_TABLE = "jobs"
PAYLOAD_BUCKET = "payloads"
QUESTION_TABLE = "questions"
DATA_BUCKET = "data"
DATASET_TABLE = "datasets"


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
        names.QUESTION_TABLE_NAME: QUESTION_TABLE,
        names.LINK_KEYS: '{"1": "arn:aws:kms:eu-west-1:123456789012:key/one"}',
        names.LINK_BASE_URL: "https://links.example.com",
        names.MAIL_CONFIGURATION_SET: "mail-events",
        names.MAIL_DOUBT_SECONDS: "60",
        names.REQUEST_TOPIC_ARN: "arn:aws:sns:eu-west-1:123456789012:requests",
        names.DOCUMENT_BUCKET_NAME: "documents",
        names.ACCOUNT_TABLE_NAME: "accounts",
        names.DATA_BUCKET_NAME: DATA_BUCKET,
        names.DATASET_TABLE_NAME: DATASET_TABLE,
        names.ENDPOINTS_PATH: names.endpoints_path("test"),
        names.OFF_PEAK_HOUR: "2",
        names.OFF_PEAK_TIME_ZONE: "Europe/Berlin",
        names.BATCH_SHARD_ARN: _live_alias("batch-shard"),
        names.BATCH_MAX_WORKERS: "50",
        names.EXECUTION_HISTORY_DAYS: "7",
    }
)


@pytest.fixture(scope="module")
def job_table() -> Iterator[Rows]:
    """One table for a module's tests: making one takes longer than most tests do."""
    with mock_aws():
        yield Rows.create(boto3.client("dynamodb"), JOB_TABLE)


@pytest.fixture(scope="module")
def _question_table(job_table: Rows) -> KeyedTable:
    return KeyedTable.create(job_table.client, QUESTION_TABLE)


@pytest.fixture
def question_items(_question_table: KeyedTable) -> Iterator[KeyedTable]:
    """The question table, empty."""
    yield _question_table
    _question_table.clear()


@pytest.fixture
def questions(question_items: KeyedTable) -> QuestionTable:
    return QuestionTable(question_items.client, question_items.name)


@pytest.fixture
def rows(job_table: Rows) -> Iterator[Rows]:
    """The job table, empty."""
    yield job_table
    job_table.clear()


@pytest.fixture
def jobs(rows: Rows) -> JobTable:
    return JobTable(rows.client, rows.table_name)
