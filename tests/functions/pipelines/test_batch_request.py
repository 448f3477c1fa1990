from typing import Any

import pytest

from functions.pipelines.batch_request import (
    BatchRequest,
    DatasetNotSplittableError,
    ObjectDataset,
    TableDataset,
)
from functions.pipelines.record_format import RecordFormat
from functions.shared.errors import MalformedPayloadError


def request(**fields: Any) -> BatchRequest:
    known = {"dataset": "incoming/x.jsonl", "processor": "normalize-products"}
    return BatchRequest.from_payload(known | fields)


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("incoming/x.jsonl", ObjectDataset("incoming/x.jsonl")),
        ("incoming/a/b.csv", ObjectDataset("incoming/a/b.csv", format=RecordFormat.CSV)),
        ("s3://theirs/deep/x.ndjson", ObjectDataset("deep/x.ndjson", "theirs")),
        (
            {"s3": "s3://theirs/x"} | {"format": "csv"},
            ObjectDataset("x", "theirs", RecordFormat.CSV),
        ),
        ({"key": "incoming/x", "format": "jsonl"}, ObjectDataset("incoming/x")),
        ({"table": "products"}, TableDataset("products")),
        ({"table": "products", "from": "a", "to": "m"}, TableDataset("products", "a", "m")),
    ],
)
def test_a_dataset_is_an_object_or_a_range_of_a_table(dataset: Any, expected: Any) -> None:
    assert request(dataset=dataset).dataset == expected


def test_what_is_not_said_is_as_the_stage_has_it() -> None:
    asked = request()

    assert (asked.tolerated_failures_percent, asked.target_minutes) == (0, 15)
    assert (asked.max_workers, asked.records_per_second, asked.is_wrapped) == (None, None, False)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"dataset": None}, "dataset"),
        ({"dataset": {}}, "key, s3, prefix, manifest, table"),
        (
            {"dataset": {"key": "incoming/x.csv", "s3": "s3://a/b.csv"}},
            "key, s3, prefix, manifest, table",
        ),
        ({"dataset": {"key": "secret/x.jsonl"}}, "dataset.key must begin"),
        ({"dataset": "incoming/"}, "key of one object"),
        ({"dataset": "incoming/../work/x.jsonl"}, "empty, . or .."),
        ({"dataset": "incoming/%2e%2e/work/x.jsonl"}, "empty, . or .."),
        ({"dataset": "incoming//x.jsonl"}, "empty, . or .."),
        ({"dataset": {"prefix": "results/%2E./work/"}}, "empty, . or .."),
        ({"dataset": {"manifest": "datasets/../work/m.json"}}, "empty, . or .."),
        ({"dataset": "s3://No_Bucket/x.jsonl"}, "a bucket and a key"),
        ({"dataset": "s3://arn:aws:s3:::b/x.jsonl"}, "a bucket and a key"),
        ({"dataset": "incoming/x"}, "say its format"),
        ({"dataset": {"key": "incoming/x", "format": "xml"}}, "dataset.format"),
        ({"dataset": "s3://bucket"}, "dataset.s3"),
        ({"dataset": {"s3": "https://a/b"}}, "dataset.s3"),
        ({"dataset": "incoming/x\n.csv"}, "dataset.key"),
        ({"dataset": f"incoming/{'x' * 1020}.csv"}, "1024 bytes"),
        ({"dataset": {"table": "products", "from": "m", "to": "a"}}, "dataset.from"),
        ({"dataset": {"table": "products", "key": "x"}}, "dataset must have one of"),
        ({"dataset": {"table": "products", "format": "csv"}}, "unknown field"),
        ({"dataset": {"prefix": "work/x/"}}, "dataset.prefix"),
        ({"dataset": {"prefix": 5}}, "dataset.prefix"),
        ({"dataset": {"prefix": "s3://"}}, "dataset.prefix"),
        ({"dataset": {"prefix": "incoming/x/", "format": "parque"}}, "dataset.format"),
        ({"dataset": {"manifest": "work/x.json"}}, "dataset.manifest"),
        ({"dataset": {"manifest": "incoming/x.json", "format": "csv"}}, "unknown field"),
        ({"dataset": {"prefix": "incoming/x/"}, "wrapped": True}, "wrapped"),
        ({"dataset": {"table": "no spaces"}}, "dataset.table"),
        ({"dataset": {"table": "products", "from": ""}}, "dataset.from"),
        ({"processor": 1}, "processor"),
        ({"endpoint": "https://evil"}, "endpoint"),
        ({"tolerated_failures_percent": 101}, "tolerated_failures_percent"),
        ({"tolerated_failures_percent": True}, "tolerated_failures_percent"),
        ({"target_minutes": 0}, "target_minutes"),
        ({"max_workers": 0}, "max_workers"),
        ({"records_per_second": 1.5}, "records_per_second"),
        ({"wrapped": "yes"}, "wrapped"),
        ({"wrapped": True, "dataset": "incoming/x.csv"}, "wrapped"),
        ({"wraped": True}, "unknown field"),
    ],
)
def test_bad_input_names_the_field(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(MalformedPayloadError, match=named):
        request(**fields)


@pytest.mark.parametrize("key", ["incoming/x.jsonl.gz", "incoming/x.parquet", "incoming/x.csv.gz"])
def test_what_cannot_be_split_is_refused_with_the_way_to_go(key: str) -> None:
    with pytest.raises(DatasetNotSplittableError, match="data-pipeline"):
        request(dataset=key)
