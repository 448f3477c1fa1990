"""Batches over a key range of the table of datasets."""

import boto3
import pytest

from functions.pipelines import batch_steps
from functions.pipelines.batch_request import BatchRequest
from functions.pipelines.dataset import Dataset, SchemaMismatchError, measure
from functions.pipelines.dataset_table import (
    BUCKETS,
    DatasetTable,
    Row,
    bucket_of,
    partition,
)
from functions.pipelines.digest import KeyDigest
from functions.pipelines.record_format import record_line
from functions.pipelines.records import Record
from functions.pipelines.transforms.normalize_products import NORMALIZE_PRODUCTS
from functions.shared import batch_plan
from tests.functions.conftest import DATASET_TABLE
from tests.functions.job_table_rows import Rows
from tests.functions.pipelines.batch_jobs import BatchJobs, Destination, product
from tests.functions.pipelines.fake_objects import FakeObjects

RANGE = {"table": "products", "from": "sku-1", "to": "sku-2"}


@pytest.fixture
def jobs(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> BatchJobs:
    return BatchJobs(rows, monkeypatch)


def load(table: DatasetTable, *records: Record, dataset: str = "products") -> None:
    table.write(dataset, [Row(record["sku"], record, "") for record in records])


def measured(table: DatasetTable, **dataset: str) -> Dataset:
    payload = {"dataset": {"table": "products"} | dataset, "processor": "normalize-products"}
    request = BatchRequest.from_payload(payload)
    return measure(FakeObjects(), table, request, NORMALIZE_PRODUCTS, kept_as="")


def test_a_table_is_measured_by_a_few_of_its_partitions(table: DatasetTable) -> None:
    records = [product(number) for number in range(3_000)]
    load(table, *records)

    dataset = measured(table)

    bytes_of_all = sum(len(record_line(record)) for record in records)
    assert dataset.fixed_chunks == BUCKETS
    assert dataset.record_bytes == pytest.approx(bytes_of_all / len(records), rel=0.05)
    # Four partitions of 256 tell it, with some 12 records each.
    assert dataset.size_bytes == pytest.approx(bytes_of_all, rel=0.4)


def test_a_range_without_keys_is_empty(table: DatasetTable) -> None:
    load(table, product(1))

    assert measured(table, **{"from": "x"}).is_empty
    assert not measured(table).is_empty


def test_a_few_records_that_no_counted_partition_has_are_no_empty_dataset(
    table: DatasetTable,
) -> None:
    key = next(n for n in range(999) if bucket_of(f"sku-{n}") == BUCKETS - 1)
    load(table, product(key))

    assert measured(table).size_bytes > 0


def test_a_table_of_which_nothing_would_pass_is_a_schema_mismatch(table: DatasetTable) -> None:
    load(table, {"sku": "a"}, {"sku": "b"})

    with pytest.raises(SchemaMismatchError, match="none of its first 2 records"):
        measured(table)


@pytest.mark.parametrize("shards", [0, 3])
def test_the_records_of_a_key_range_are_processed_once(
    jobs: BatchJobs, table: DatasetTable, shards: int
) -> None:
    jobs.cut(1, shards=shards, at_once=2)
    jobs.destination = Destination()
    load(table, *(product(number) for number in range(40)), product(15, price=-1))
    load(table, product(100), dataset="others")

    ended = jobs.run(dataset=RANGE, tolerated_failures_percent=20)

    # As texts: 1, 10 to 19, and 2.
    wanted = {"sku-1", "sku-2", *(f"sku-{number}" for number in range(10, 20))}
    assert ended.succeeded
    assert jobs.result["records"] == len(wanted)
    assert jobs.destination.skus == dict.fromkeys(wanted - {"sku-15"}, 1)
    assert jobs.result["digest"] == str(KeyDigest.of(wanted - {"sku-15"}))
    [failed] = jobs.failed_records()
    assert failed["record"]["sku"] == "sku-15"
    assert len(jobs.parts("processed")) == BUCKETS


def test_a_retry_reads_a_table_anew_and_its_records_keep_their_keys(
    jobs: BatchJobs, table: DatasetTable
) -> None:
    jobs.destination = Destination()
    load(table, *(product(number) for number in range(20)), product(15, price=-1))
    jobs.run(dataset={"table": "products"})
    assert jobs.error["type"] == "too_many_failures"
    load(table, product(15), *(product(number) for number in range(20, 30)))

    ended = jobs.retry()

    assert ended.succeeded
    assert jobs.result["records"] == 30
    assert jobs.result["digest"] == str(KeyDigest.of(f"sku-{number}" for number in range(30)))
    # The destination knows them again that it took before.
    assert jobs.destination.skus == {f"sku-{number}": 1 for number in range(30)}


def test_a_range_that_became_empty_is_an_empty_dataset_for_the_next_attempt(
    jobs: BatchJobs, table: DatasetTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_steps, "plan", batch_plan.plan)
    load(table, product(1), product(2, price=-1))
    jobs.run(dataset={"table": "products"})
    assert jobs.error["type"] == "too_many_failures"
    for number in (1, 2):
        boto3.client("dynamodb").delete_item(
            TableName=DATASET_TABLE,
            Key={
                "pk": {"S": partition("products", bucket_of(f"sku-{number}"))},
                "sk": {"S": f"sku-{number}"},
            },
        )

    ended = jobs.retry()

    assert ended.succeeded
    assert jobs.result["outcome"] == "empty"
