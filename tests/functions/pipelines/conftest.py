"""The table of datasets, in the same moto as the job table."""

from collections.abc import Iterator

import boto3
import pytest

from functions.pipelines.dataset_table import DatasetTable
from functions.shared.dynamodb_client import client as dynamodb
from tests.functions.conftest import DATASET_TABLE
from tests.functions.job_table_rows import Rows


@pytest.fixture
def table(job_table: Rows) -> Iterator[DatasetTable]:
    del job_table
    client = boto3.client("dynamodb")
    client.create_table(
        TableName=DATASET_TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
    )
    yield DatasetTable(dynamodb, DATASET_TABLE)
    client.delete_table(TableName=DATASET_TABLE)
