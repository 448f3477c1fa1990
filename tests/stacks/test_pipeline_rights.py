"""What the adapters of datasets ask of AWS, and what the stack lets their functions ask.

The other half of `test_pipelines_stack.py`: there the rights are as they were meant, here they are
those that the code uses, on a table and a bucket as the stack makes them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from moto import mock_aws

from functions.pipelines.dataset_table import DatasetTable, Row, bucket_of
from functions.pipelines.endpoints import Endpoints
from functions.pipelines.objects import ObjectMissingError, ObjectRef
from functions.pipelines.s3_objects import PART_BYTES, S3Objects
from functions.shared import names
from tests.stacks.rights import Right, rights
from tests.stacks.synthesis import Templates
from tests.stacks.test_pipelines_stack import ALLOWED

BUCKET, TABLE = "data", "datasets"
# What S3 authorizes under another name than that of the call.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions
S3_ACTIONS = {
    "HeadObject": "GetObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "ListObjectsV2": "ListBucket",
}
ROWS = [Row("sku-1", {"sku": "sku-1"}), Row("sku-2", {"sku": "sku-2"})]


@dataclass
class Watched:
    """Clients of the stack's stores, and the rights that calls of them have taken."""

    dynamodb: Any
    s3: Any
    ssm: Any
    secrets: Any
    used: set[Right] = field(default_factory=set)

    @classmethod
    def of(cls, templates: Templates) -> "Watched":
        made = cls(
            boto3.client("dynamodb"),
            boto3.client("s3", region_name="us-east-1"),
            boto3.client("ssm"),
            boto3.client("secretsmanager"),
        )
        _, table = templates.pipelines.only("AWS::DynamoDB::GlobalTable")
        made.dynamodb.create_table(
            TableName=TABLE,
            BillingMode=table["BillingMode"],
            KeySchema=table["KeySchema"],
            AttributeDefinitions=table["AttributeDefinitions"],
        )
        made.s3.create_bucket(Bucket=BUCKET)
        made.ssm.put_parameter(
            Name=f"{names.endpoints_path('dev')}/shop",
            Type="String",
            Value=json.dumps(
                {
                    "url": "https://shop.example",
                    "for": "source",
                    "secret": "durable-jobs/dev/endpoints/shop",
                }
            ),
        )
        made.secrets.create_secret(Name="durable-jobs/dev/endpoints/shop", SecretString="any")
        for client in (made.dynamodb, made.s3, made.ssm, made.secrets):
            client.meta.events.register("provide-client-params.*", made._note)
        return made

    def _note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        match model.service_model.service_name:
            case "dynamodb":
                self.used.add((f"dynamodb:{model.name}", "DatasetsTable"))
            case "s3":
                action = S3_ACTIONS.get(model.name, model.name)
                folder = f"/{params['Key'].partition('/')[0]}/*" if "Key" in params else ""
                self.used.add((f"s3:{action}", f"DataBucket{folder}"))
            case "ssm":
                self.used.add((f"ssm:{model.name}", f"ssm:parameter{_below(params['Name'])}"))
            case "secretsmanager":
                secret = f"secretsmanager:secret:{_below(params['SecretId'])}"
                self.used.add((f"secretsmanager:{model.name}", secret))


def _below(name: str) -> str:
    return f"{name.rpartition('/')[0]}/*"


@pytest.fixture
def watched(dev: Templates) -> Iterator[Watched]:
    with mock_aws():
        yield Watched.of(dev)


def of_service(rights_: set[Right], service: str, *, resource: str = "") -> set[Right]:
    return {
        right for right in rights_ if right[0].startswith(f"{service}:") and resource in right[1]
    }


def test_a_pipeline_loads_and_verifies_with_exactly_its_rights_on_the_table(
    watched: Watched,
) -> None:
    table = DatasetTable(watched.dynamodb, TABLE)

    table.write("products", ROWS)
    table.rows("products", [row.key for row in ROWS])

    assert watched.used == of_service(
        ALLOWED["data-pipeline"], "dynamodb", resource="DatasetsTable"
    )


@pytest.mark.parametrize("function", ["batch-processing", "batch-shard"])
def test_a_batch_reads_and_loads_with_exactly_its_rights_on_the_table(
    watched: Watched, function: str
) -> None:
    table = DatasetTable(watched.dynamodb, TABLE)

    table.write("products", ROWS)
    table.estimated_records("products", "sku-1", "sku-2")
    list(table.records_of("products", bucket_of("sku-1")))

    assert watched.used == of_service(ALLOWED[function], "dynamodb", resource="DatasetsTable")


def test_objects_are_kept_with_exactly_the_rights_of_a_pipeline(watched: Watched) -> None:
    watched.s3.put_object(Bucket=BUCKET, Key="incoming/any.jsonl", Body=b"{}")
    watched.used.clear()
    objects = S3Objects(watched.s3, BUCKET)

    objects.head(ObjectRef("incoming/any.jsonl"))
    for folder in ("work", "datasets"):
        objects.put_if(f"{folder}/any", b"any", etag=None)
        list(objects.read(ObjectRef(f"{folder}/any")))
    objects.put("results/any", b"any")
    list(objects.in_prefix("incoming/"))
    objects.put_joined("results/long", [b"a" * PART_BYTES, b"b"])
    with pytest.raises(ZeroDivisionError):
        objects.put_joined("results/cut-off", (b"a" * PART_BYTES * (1 // n) for n in (1, 1, 0)))

    assert watched.used == of_service(ALLOWED["data-pipeline"], "s3", resource="DataBucket")


def test_a_part_that_is_not_there_is_told_from_one_that_is_forbidden_by_the_right_to_list(
    dev: Templates, watched: Watched
) -> None:
    with pytest.raises(ObjectMissingError):
        S3Objects(watched.s3, BUCKET).head(ObjectRef("results/any"))

    for function in ALLOWED:
        assert ("s3:ListBucket", "DataBucket") in rights(dev, function)


@pytest.mark.parametrize("function", ALLOWED)
def test_an_endpoint_and_its_token_are_found_with_exactly_the_rights_of_who_calls_it(
    watched: Watched, function: str
) -> None:
    endpoints = Endpoints(names.endpoints_path("dev"), lambda: watched.ssm, lambda: watched.secrets)

    endpoints.token(endpoints.find("shop"))

    assert watched.used == of_service(ALLOWED[function], "ssm") | of_service(
        ALLOWED[function], "secretsmanager"
    )
