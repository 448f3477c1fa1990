"""`jobctl plan`: what a batch would come to, by hand or by a look at its dataset."""

import gzip
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.pipelines import dataset_parts as job_parts
from functions.pipelines.batch_request import BatchRequest
from functions.pipelines.dataset import measure
from functions.pipelines.dataset_parts import MixedFormatsError
from functions.pipelines.dataset_table import DatasetTable
from functions.pipelines.record_format import UnknownFormatError
from functions.pipelines.s3_objects import S3Objects
from functions.pipelines.transforms.normalize_products import NORMALIZE_PRODUCTS
from functions.shared import batch_plan, names
from functions.shared.batch_plan import DatasetSize
from jobctl import dataset_parts
from jobctl.connection import Connection
from jobctl.plan_view import dollars_text, size_text
from tests.jobctl.conftest import REGION, STAGE, Jobctl, refused

DATA_BUCKET = "data"
# 150 bytes with its line break.
LINE = b'{"sku":"%s"}\n' % (b"x" * 139)


@pytest.fixture
def datasets(connection: Connection) -> Connection:
    """A stage whose bucket of datasets is empty."""
    connection.s3.create_bucket(
        Bucket=DATA_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    connection.ssm.put_parameter(
        Name=names.data_bucket_parameter(STAGE), Value=DATA_BUCKET, Type="String"
    )
    return connection


def put(connection: Connection, body: bytes, key: str = "incoming/x.jsonl") -> None:
    connection.s3.put_object(Bucket=DATA_BUCKET, Key=key, Body=body)


def payload(**fields: Any) -> str:
    return json.dumps({"dataset": "incoming/x.jsonl", "processor": "normalize-products"} | fields)


def lines(text: str) -> dict[str, str]:
    return {line[:11].strip(): line[11:] for line in text.splitlines() if line[:1] != " "}


def test_a_plan_by_hand_asks_nobody(monkeypatch: pytest.MonkeyPatch, jobctl: Jobctl) -> None:
    def refuse() -> Connection:
        raise AssertionError("nothing is to be asked")

    monkeypatch.setattr(Connection, "to_aws", refuse)

    result = jobctl("plan", "--records", "10000000", "--record-bytes", "200")

    assert result.exit_code == 0
    told = lines(result.stdout)
    assert told["records"] == "about 10,000,000 records of about 200 bytes, 2.0 GB"
    assert told["executions"] == "9: one parent and 8 shards, 4 workers at once"
    assert told["chunks"] == "2,500 of 800.0 kB, about 4,000 records"
    assert told["operations"] == "2,530; at most 315 in one execution (limit 3,000)"
    assert told["written"].endswith("in one execution (limit 100 MB)")
    assert told["time"].endswith("within the 15 min 00 s wished for")
    assert told["cost"] == "$0.10, list prices of us-east-1"


def test_the_plan_fits_80_columns(jobctl: Jobctl) -> None:
    result = jobctl("plan", "--records", "10000000000", "--record-bytes", "200")

    assert max(map(len, result.stdout.splitlines())) <= 80


def test_a_target_that_is_missed_says_what_to_do(jobctl: Jobctl) -> None:
    slow = ("--record-bytes", "200", "--max-workers", "2", "--records-per-second", "100")

    missed = jobctl("plan", "--records", "1000000", *slow)
    for_days = jobctl("plan", "--records", "100000000", *slow)

    assert "more workers or more minutes" in " ".join(missed.stdout.split())
    assert "`jobctl retry` goes on where it stopped" in " ".join(for_days.stdout.split())


def test_more_time_needs_fewer_workers(jobctl: Jobctl) -> None:
    result = jobctl(
        "plan", "--records", "5000000", "--record-bytes", "200", "--target-minutes", "60"
    )

    assert lines(result.stdout)["executions"] == "1"


def test_a_script_gets_json(jobctl: Jobctl) -> None:
    result = jobctl("plan", "--records", "1000000", "--record-bytes", "150", "--json")

    told = json.loads(result.stdout)
    assert (told["records"], told["chunks"], told["predicted"]["operations"]) == (
        1_000_000,
        250,
        256,
    )


@pytest.mark.usefixtures("datasets")
def test_a_dataset_is_measured_by_a_few_small_reads(
    datasets: Connection, jobctl: Jobctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(datasets, LINE * 100_000)
    read: list[str] = []
    get_object = datasets.s3.get_object

    def counted(**asked: Any) -> Any:
        read.append(asked["Range"])
        return get_object(**asked)

    monkeypatch.setattr(datasets.s3, "get_object", counted)

    result = jobctl("plan", "--payload", payload())

    assert result.exit_code == 0
    assert lines(result.stdout)["records"] == "about 100,000 records of about 150 bytes, 15.0 MB"
    assert len(read) == 5


def test_the_wishes_of_the_payload_are_those_of_the_plan(
    datasets: Connection, jobctl: Jobctl
) -> None:
    put(datasets, LINE * 10_000)
    wished = payload(target_minutes=1, max_workers=3, records_per_second=50)

    told = lines(jobctl("plan", "--payload", wished).stdout)
    overridden = lines(jobctl("plan", "--payload", wished, "--max-workers", "7").stdout)

    assert told["assumed"] == "50 records a second and worker, at most 3 workers"
    assert overridden["assumed"] == "50 records a second and worker, at most 7 workers"


def test_what_nobody_wishes_for_is_as_the_stage_has_it(
    datasets: Connection, jobctl: Jobctl
) -> None:
    put(datasets, LINE * 100_000)
    of_the_planner = json.loads(jobctl("plan", "--payload", payload(), "--json").stdout)
    limits = {"max_workers": 3, "memory_mib": 3538, "history_days": 1}
    datasets.ssm.put_parameter(
        Name=f"{names.job_limits_path(STAGE)}/batch-processing",
        Value=json.dumps({"max_delay_seconds": 1, "run_timeout_seconds": 1} | limits),
        Type="String",
    )

    told = lines(jobctl("plan", "--payload", payload()).stdout)
    overridden = lines(jobctl("plan", "--payload", payload(max_workers=2)).stdout)
    of_the_stage = json.loads(jobctl("plan", "--payload", payload(), "--json").stdout)

    assert told["assumed"].endswith("at most 3 workers")
    assert overridden["assumed"].endswith("at most 2 workers")
    # Twice the memory, at nearly twice the price.
    dollars = [plan["predicted"]["dollars"] for plan in (of_the_planner, of_the_stage)]
    assert 1.5 < dollars[1] / dollars[0] < 2


def test_writing_every_record_into_a_table_is_in_the_cost(
    datasets: Connection, jobctl: Jobctl
) -> None:
    put(datasets, LINE * 100_000)

    told = lines(jobctl("plan", "--payload", payload(processor="load-products")).stdout)

    assert told["cost"].startswith("$0.06")


def test_another_bucket_is_looked_at_where_the_address_says(
    datasets: Connection, jobctl: Jobctl
) -> None:
    put(datasets, LINE * 10, "elsewhere/x.jsonl")

    result = jobctl(
        "plan", "--payload", payload(dataset={"s3": f"s3://{DATA_BUCKET}/elsewhere/x.jsonl"})
    )

    assert lines(result.stdout)["records"].startswith("about 10 records of")


@pytest.mark.parametrize("kind", ["prefix", "manifest"])
def test_many_objects_are_planned_as_one_dataset(
    kind: str, datasets: Connection, jobctl: Jobctl
) -> None:
    folder = "datasets/products/"
    for number in range(3):
        put(datasets, LINE * 4_000, f"{folder}0123/part-0000{number}.jsonl")
    parts = [
        {"key": f"{folder}0123/part-0000{number}.jsonl", "bytes": 4_000 * len(LINE)}
        for number in range(3)
    ]
    put(datasets, json.dumps({"parts": parts}).encode(), f"{folder}_manifest.json")
    named = {"prefix": folder, "manifest": f"{folder}_manifest.json"}[kind]

    told = lines(jobctl("plan", "--payload", payload(dataset={kind: named})).stdout)

    assert told["records"] == "about 12,000 records of about 150 bytes, 1.8 MB"


@pytest.mark.parametrize("kind", ["an object", "a prefix"])
def test_the_job_itself_makes_the_same_plan(
    kind: str, datasets: Connection, jobctl: Jobctl
) -> None:
    """Of a dataset that is not at its end as at its beginning."""
    body = b"".join(
        json.dumps(
            {"sku": str(n), "name": "x" * (n // 100), "price": 1, "currency": "EUR"}
        ).encode()
        + b"\n"
        for n in range(20_000)
    )
    cut = body.index(b"\n", len(body) // 3) + 1
    if kind == "an object":
        put(datasets, body)
        dataset: Any = "incoming/x.jsonl"
    else:
        put(datasets, body[:cut], "incoming/x/0.jsonl")
        put(datasets, body[cut:], "incoming/x/1.jsonl")
        dataset = {"prefix": "incoming/x/"}
    request = BatchRequest.from_payload({"dataset": dataset, "processor": "normalize-products"})

    measured = measure(
        S3Objects(datasets.s3, DATA_BUCKET),
        DatasetTable.__new__(DatasetTable),
        request,
        NORMALIZE_PRODUCTS,
        kept_as="results/x/attempt-1/dataset.json",
    )
    told = json.loads(jobctl("plan", "--payload", payload(dataset=dataset), "--json").stdout)

    planned = batch_plan.plan(
        DatasetSize(measured.size_bytes, measured.record_bytes), batch_plan.Wishes()
    )
    assert {name: told[name] for name in planned.to_dict()} == planned.to_dict()
    # The first lines alone would have told a fifth of the truth.
    assert measured.record_bytes > 120


def test_an_empty_dataset_is_no_chunk(datasets: Connection, jobctl: Jobctl) -> None:
    put(datasets, b"")

    told = lines(jobctl("plan", "--payload", payload()).stdout)

    assert told["records"] == "none: the dataset is empty"
    assert "chunks" not in told


@pytest.mark.usefixtures("datasets")
@pytest.mark.parametrize(
    ("fields", "exit_code", "reason"),
    [
        ({}, 3, "payload.dataset: nothing is under this key"),
        ({"dataset": "s3://no-such-bucket/x.jsonl"}, 3, "there is no such bucket"),
        ({"dataset": None}, 2, "payload.dataset is missing"),
        ({"dataset": {"s3": "https://private"}}, 2, "payload.dataset must be a key"),
        ({"dataset": {"table": "products"}}, 2, "--records and --record-bytes"),
        ({"dataset": {"prefix": "incoming/private/"}}, 3, "no object is below it"),
        ({"dataset": {"prefix": 5}}, 2, "payload.dataset.prefix must be a text"),
        ({"dataset": {"manifest": "incoming/private.json"}}, 3, "nothing is under this key"),
        ({"dataset": "incoming/private.jsonl.gz"}, 2, "compressed or Parquet"),
        ({"target_minutes": "private"}, 2, "payload.target_minutes must be a whole number"),
        ({"max_workers": 0}, 2, "payload.max_workers must be a whole number"),
    ],
)
def test_what_cannot_be_planned_is_one_line_that_names_the_field(
    fields: dict[str, Any], exit_code: int, reason: str, jobctl: Jobctl
) -> None:
    line = refused(jobctl("plan", "--payload", payload(**fields)), exit_code)

    assert reason in line
    assert "private" not in line


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        (["b.jsonl", "c.csv"], "object 2 is not written as the first one is"),
        (["b.jsonl.gz"], "object 1 is not written as the first one is"),
        (["b.txt"], "its objects must end with .jsonl, .ndjson or .csv"),
    ],
)
def test_a_prefix_that_the_job_refuses_is_refused_for_the_same_reason(
    others: list[str], reason: str, datasets: Connection, jobctl: Jobctl
) -> None:
    for name in ["a.jsonl", *others]:
        put(datasets, LINE, f"incoming/mixed/{name}")

    told = refused(jobctl("plan", "--payload", payload(dataset={"prefix": "incoming/mixed/"})), 2)

    assert reason in told
    request = BatchRequest.from_payload(
        {"dataset": {"prefix": "incoming/mixed/"}, "processor": "normalize-products"}
    )
    with pytest.raises((MixedFormatsError, UnknownFormatError)):
        measure(
            S3Objects(datasets.s3, DATA_BUCKET),
            DatasetTable.__new__(DatasetTable),
            request,
            NORMALIZE_PRODUCTS,
            kept_as="results/x/attempt-1/dataset.json",
        )


def test_more_objects_than_a_job_reads_are_not_planned(
    datasets: Connection, jobctl: Jobctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dataset_parts.MAX_PARTS == job_parts.MAX_PARTS
    monkeypatch.setattr(dataset_parts, "MAX_PARTS", 2)
    for number in range(3):
        put(datasets, LINE, f"incoming/many/{number}.jsonl")
    parts = [{"key": f"incoming/many/{number}.jsonl", "bytes": 150} for number in range(3)]
    put(datasets, json.dumps({"parts": parts}).encode(), "incoming/many/_manifest.json")

    for named in ({"prefix": "incoming/many/"}, {"manifest": "incoming/many/_manifest.json"}):
        told = refused(jobctl("plan", "--payload", payload(dataset=named)), 2)

        assert "more than 2 objects" in told


def test_a_prefix_of_compressed_objects_is_for_a_pipeline(
    datasets: Connection, jobctl: Jobctl
) -> None:
    put(datasets, LINE, "incoming/packed/a.jsonl.gz")

    told = refused(jobctl("plan", "--payload", payload(dataset={"prefix": "incoming/packed/"})), 2)

    assert "compressed or Parquet" in told


def test_a_plan_says_what_of_the_payload_it_did_not_look_at(
    datasets: Connection, jobctl: Jobctl
) -> None:
    put(datasets, LINE * 10)
    unfit = payload(processor="nope", tolerated_failures_percent=101)

    looked_at = " ".join(jobctl("plan", "--payload", unfit).stdout.split())
    by_hand = jobctl("plan", "--records", "10", "--record-bytes", "10").stdout

    assert "the job checks the payload's other fields" in looked_at
    assert "checked" not in by_hand


def test_one_of_a_kind_is_told_as_one(jobctl: Jobctl) -> None:
    result = jobctl("plan", "--records", "1", "--record-bytes", "1", "--max-workers", "1")

    told = lines(result.stdout)
    assert told["records"] == "about 1 record of about 1 byte, 1 byte"
    assert told["assumed"].endswith("at most 1 worker")


@pytest.mark.parametrize("body", [gzip.compress(LINE * 10), b"PAR1" + LINE])
def test_what_only_looks_like_lines_is_told_by_its_beginning(
    body: bytes, datasets: Connection, jobctl: Jobctl
) -> None:
    put(datasets, body)

    assert "data-pipeline" in refused(jobctl("plan", "--payload", payload()), 2)


def test_a_dataset_that_may_not_be_read_is_told_with_the_fix(
    datasets: Connection, jobctl: Jobctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deny(**_asked: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")

    monkeypatch.setattr(datasets.s3, "get_object", deny)

    assert "operator policy" in refused(jobctl("plan", "--payload", payload()), 4)


def test_a_stage_without_datasets_says_so(jobctl: Jobctl) -> None:
    assert "has no data bucket" in refused(jobctl("plan", "--payload", payload()), 3)


@pytest.mark.parametrize(
    "arguments",
    [(), ("--records", "10"), ("--payload", "{}", "--records", "10", "--record-bytes", "10")],
)
def test_a_plan_of_nothing_in_particular_is_refused(
    arguments: tuple[str, ...], jobctl: Jobctl
) -> None:
    assert "plan needs --payload, or both" in refused(jobctl("plan", *arguments), 2)


def test_what_is_too_large_for_any_tree_is_refused(jobctl: Jobctl) -> None:
    result = jobctl("plan", "--records", "100000000000000", "--record-bytes", "3")

    assert "split it into several" in refused(result, 2)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (2.5e9, "2.5 GB"),
        (9e17, "900.0 PB"),
    ],
)
def test_a_size_is_told_in_the_unit_that_a_person_would_take(size: float, text: str) -> None:
    assert size_text(size) == text


def test_less_than_a_cent_is_told_too() -> None:
    assert (dollars_text(0.0098), dollars_text(141.093)) == ("$0.0098", "$141.09")
