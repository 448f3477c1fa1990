"""What a pipeline's payload may say, and how it is told what is wrong."""

from typing import Any

import pytest

from functions.pipelines.objects import ObjectRef
from functions.pipelines.pipeline_request import (
    DatasetDestination,
    EndpointSource,
    ObjectSource,
    OffPeak,
    PipelineRequest,
    TableDestination,
)
from functions.pipelines.record_format import RecordFormat, UnknownFormatError
from functions.shared.errors import MalformedPayloadError
from tests.functions.pipelines.pipeline_jobs import any_payload


def parsed(**fields: Any) -> PipelineRequest:
    return PipelineRequest.from_payload(any_payload(**fields))


def test_a_short_payload_means_what_is_right_for_most() -> None:
    request = PipelineRequest.from_payload(
        {
            "source": "incoming/x.csv.gz",
            "transform": "normalize-products",
            "destination": {"table": "products"},
        }
    )

    assert request == PipelineRequest(
        source=ObjectSource(ObjectRef("incoming/x.csv.gz")),
        transform="normalize-products",
        destination=TableDestination("products"),
        tolerated_rejects_percent=0,
        off_peak=None,
        pause_seconds=None,
        allow_empty=False,
        part_records=10_000,
    )


SOURCES = {
    "s3": ("s3://theirs/a/x.jsonl", ObjectSource(ObjectRef("a/x.jsonl", "theirs"))),
    "key": ({"key": "incoming/x.parquet"}, ObjectSource(ObjectRef("incoming/x.parquet"))),
    "format": (
        {"key": "incoming/x", "format": "csv"},
        ObjectSource(ObjectRef("incoming/x"), format=RecordFormat.CSV),
    ),
    "prefix": (
        {"prefix": "incoming/day/"},
        ObjectSource(ObjectRef("incoming/day/"), is_prefix=True),
    ),
    "prefix elsewhere": (
        {"prefix": "s3://theirs/day"},
        ObjectSource(ObjectRef("day", "theirs"), is_prefix=True),
    ),
    "endpoint": ({"endpoint": "shop"}, EndpointSource("shop")),
    "path": (
        {"endpoint": "shop", "path": "/v1/products?limit=100"},
        EndpointSource("shop", "/v1/products?limit=100"),
    ),
}


@pytest.mark.parametrize(("value", "source"), SOURCES.values(), ids=SOURCES.keys())
def test_a_source_is_an_object_a_prefix_or_an_endpoint(value: Any, source: Any) -> None:
    assert parsed(source=value).source == source


def test_a_dataset_in_s3_is_a_destination() -> None:
    assert parsed(destination={"dataset": "products"}).destination == DatasetDestination("products")


@pytest.mark.parametrize(
    ("value", "off_peak"),
    [
        (None, None),
        (False, False),
        ({"hour": 0, "time_zone": "Europe/Berlin"}, OffPeak(0, "Europe/Berlin")),
    ],
)
def test_the_quiet_hour_is_the_stages_the_payloads_or_none(value: Any, off_peak: Any) -> None:
    assert parsed(off_peak=value).off_peak == off_peak


MALFORMED = {
    "unknown field": ({"sauce": 1}, "sauce"),
    "no source": ({"source": None}, "source must be a key"),
    "two sources": ({"source": {"key": "incoming/x.csv", "endpoint": "shop"}}, "exactly one of"),
    "another place": ({"source": "results/x.csv"}, "must begin with incoming/"),
    "dots": ({"source": "incoming/../x.csv"}, "empty, . or .."),
    "escaped dots": ({"source": "incoming/%2E%2e/results/x.csv"}, "empty, . or .."),
    "escaped slashes": ({"source": "incoming/a%2f..%2fx.csv"}, "empty, . or .."),
    "dots escaped twice": ({"source": "incoming/%252e%252e/x.csv"}, "empty, . or .."),
    "nothing between slashes": ({"source": "incoming//x.csv"}, "empty, . or .."),
    "dots elsewhere": ({"source": "s3://theirs/../x.csv"}, "empty, . or .."),
    "dots in a prefix": ({"source": {"prefix": "incoming/%2e%2e/"}}, "empty, . or .."),
    "no key": ({"source": {"key": "incoming/x.csv/"}}, "one object"),
    "bucket": ({"source": "s3://Nowhere_/x.csv"}, "a bucket and a key"),
    "bucket's arn": ({"source": "s3://arn:aws:s3:::nowhere/x.csv"}, "a bucket and a key"),
    "control characters": ({"source": "incoming/\n.csv"}, "control characters"),
    "half a surrogate": ({"source": "incoming/\ud800.csv"}, "control characters"),
    "long key": ({"source": f"incoming/{'x' * 1024}.csv"}, "1024 bytes"),
    "no bucket": ({"source": "s3:///x.csv"}, "a bucket and a key"),
    "s3 without scheme": ({"source": {"s3": "incoming/x.csv"}}, "a bucket and a key"),
    "format": ({"source": {"key": "incoming/x", "format": "xml"}}, "source.format"),
    "endpoint's address": ({"source": {"endpoint": "https://x.test/"}}, "source.endpoint"),
    "endpoint's field": ({"source": {"endpoint": "shop", "format": "csv"}}, "format"),
    "path elsewhere": ({"source": {"endpoint": "shop", "path": "//x.test/"}}, "source.path"),
    "path up": ({"source": {"endpoint": "shop", "path": "/a/../b"}}, "source.path"),
    "path of another kind": ({"source": {"endpoint": "shop", "path": 1}}, "source.path"),
    "transform": ({"transform": "Normalize"}, "transform"),
    "no destination": ({"destination": None}, "destination"),
    "two destinations": ({"destination": {"table": "a", "dataset": "b"}}, "destination"),
    "name": ({"destination": {"dataset": "a/b"}}, "destination.dataset"),
    "tolerance": ({"tolerated_rejects_percent": 101}, "tolerated_rejects_percent"),
    "tolerance that is none": ({"tolerated_rejects_percent": True}, "tolerated_rejects_percent"),
    "endless tolerance": ({"tolerated_rejects_percent": float("nan")}, "tolerated_rejects"),
    "hour": ({"off_peak": {"hour": 24, "time_zone": "UTC"}}, "off_peak.hour"),
    "zone": ({"off_peak": {"hour": 2, "time_zone": "Europe/Nowhere"}}, "off_peak.time_zone"),
    "half a quiet hour": ({"off_peak": {"hour": 2}}, "off_peak must be"),
    "always quiet": ({"off_peak": True}, "off_peak must be"),
    "pause": ({"pause_seconds": -1}, "pause_seconds"),
    "allow_empty": ({"allow_empty": 1}, "allow_empty"),
    "parts": ({"part_records": 999}, "part_records"),
}


@pytest.mark.parametrize(("fields", "told"), MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_wrong_is_told_by_its_field(fields: Any, told: str) -> None:
    with pytest.raises(MalformedPayloadError, match=told.replace(".", r"\.")) as error:
        parsed(**fields)

    assert "nowhere" not in str(error.value).lower()
    assert "x.test" not in str(error.value)


def test_an_object_of_which_nobody_knows_what_it_is_needs_a_format() -> None:
    with pytest.raises(UnknownFormatError, match=r"\.jsonl"):
        parsed(source="incoming/products.dat")
