"""Datasets in DynamoDB: written again without harm, and read as they were written."""

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from moto import mock_aws

from functions.pipelines.dataset_table import (
    DatasetTable,
    Row,
    TableBusyError,
    TableCall,
    bucket_of,
    partition,
)
from functions.pipelines.processor import DownstreamThrottledError, SomeRefusedError, Task
from functions.pipelines.record_checksum import canonical
from functions.pipelines.records import RecordRefusedError
from functions.shared import names
from local.ministack import MiniStack

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE = "datasets"
DATASET = "products"


class Recording:
    """A client that remembers its calls, and answers as *between* wants where that is given."""

    def __init__(self, client: "DynamoDBClient") -> None:
        self._client = client
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.between: Callable[[str, dict[str, Any]], Any] = lambda _method, _request: None

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(**request: Any) -> Any:
            self.calls.append((name, request))
            return self.between(name, request) or method(**request)

        return call if name.startswith("batch_") else method


@pytest.fixture(scope="module")
def _moto() -> Iterator["DynamoDBClient"]:
    with mock_aws():
        yield with_table(boto3.client("dynamodb"))


@pytest.fixture(scope="module")
def _ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator["DynamoDBClient"]:
    """What the local platform runs on must not differ from DynamoDB."""
    with MiniStack(tmp_path_factory.mktemp("ministack")) as ministack:
        yield with_table(ministack.endpoint.client("dynamodb"))


def with_table(client: "DynamoDBClient") -> "DynamoDBClient":
    client.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": names.ITEM_KEY, "AttributeType": "S"},
            {"AttributeName": names.ITEM_SORT_KEY, "AttributeType": "S"},
        ],
        KeySchema=[
            {"AttributeName": names.ITEM_KEY, "KeyType": "HASH"},
            {"AttributeName": names.ITEM_SORT_KEY, "KeyType": "RANGE"},
        ],
    )
    return client


@pytest.fixture(
    scope="module", params=["moto", pytest.param("ministack", marks=pytest.mark.platform)]
)
def _client(request: pytest.FixtureRequest) -> "DynamoDBClient":
    client: DynamoDBClient = request.getfixturevalue(f"_{request.param}")
    return client


@pytest.fixture
def client(_client: "DynamoDBClient") -> Recording:
    for item in _client.scan(TableName=TABLE)["Items"]:
        keys = {name: item[name] for name in (names.ITEM_KEY, names.ITEM_SORT_KEY)}
        _client.delete_item(TableName=TABLE, Key=keys)
    return Recording(_client)


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def table(client: Recording, pauses: list[float]) -> DatasetTable:
    recording: Any = client
    return DatasetTable(recording, TABLE, sleep=pauses.append)


def kept(table: DatasetTable, keys: Iterable[str]) -> dict[str, Any]:
    """The records of *keys* as they are now."""
    return {key: row.record for key, row in table.rows(DATASET, keys).items()}


def any_rows(count: int) -> list[Row]:
    return [Row(f"sku-{n:04}", {"sku": f"sku-{n:04}", "n": n}, "job-1") for n in range(count)]


def all_of(table: DatasetTable, rows: list[Row], dataset: str = DATASET) -> list[Row]:
    """What is in the partitions that *rows* belong to: asking all takes seconds here."""
    buckets = sorted({bucket_of(row.key) for row in rows})
    found = [row for bucket in buckets for row in table.records_of(dataset, bucket)]
    return sorted(found, key=lambda row: row.key)


def test_what_is_written_is_read_back_once_however_often_it_is_written(table: DatasetTable) -> None:
    rows = any_rows(60)

    table.write(DATASET, rows)
    table.write(DATASET, rows[10:40])

    assert all_of(table, rows) == rows
    assert all_of(table, rows, "product") == []


def test_twenty_five_records_are_one_call(table: DatasetTable, client: Recording) -> None:
    table.write(DATASET, any_rows(60))

    assert [len(request["RequestItems"][TABLE]) for _, request in client.calls] == [25, 25, 10]


def test_the_last_record_of_a_key_stays(table: DatasetTable, client: Recording) -> None:
    """DynamoDB refuses a batch that has a key twice."""
    twice = [Row("a", {"n": 1}), Row("b", {"n": 2}), Row("a", {"n": 3})]

    table.write(DATASET, twice)

    assert [len(request["RequestItems"][TABLE]) for _, request in client.calls] == [2]
    assert kept(table, ["a", "b"]) == {"a": {"n": 3}, "b": {"n": 2}}


@pytest.mark.parametrize(
    "value",
    [
        0,
        -7,
        10**37 + 1,
        0.1,
        19.99,
        1e-130,
        9.9e125,
        -0.0,
        Decimal("0.12345678901234567890123456789012345678"),
        Decimal("1E+5"),
        True,
        None,
        "",
        "é\U0001f600\u0000",
        [],
        {},
        [1, [2, {"a": [None, 1.5]}]],
    ],
)
def test_a_value_comes_back_as_it_was_written(table: DatasetTable, value: Any) -> None:
    table.write(DATASET, [Row("a", {"value": value})])

    record = kept(table, ["a"])["a"]

    assert canonical(record) == canonical({"value": value})


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        Decimal("-Infinity"),
        10**38 + 1,
        1e126,
        1e-131,
        Decimal("0.123456789012345678901234567890123456789"),
        "half \ud83d of a pair",
        {"\ud83d": 1},
    ],
)
def test_what_dynamodb_cannot_keep_is_refused_before_it_is_asked(
    table: DatasetTable, client: Recording, value: Any
) -> None:
    with pytest.raises(RecordRefusedError) as refused:
        table.write(DATASET, [Row("a", {"secret-field": value})])

    assert refused.value.code == "unfit_for_table"
    assert "secret" not in str(refused.value)
    assert client.calls == []


def test_a_decimal_of_39_digits_is_refused_and_not_rounded() -> None:
    """The context of Python's decimals rounds to 28 digits where nobody asks it to."""
    with pytest.raises(RecordRefusedError):
        DatasetTable(None, TABLE).write(  # type: ignore[arg-type]  # it is not asked
            DATASET, [Row("a", {"n": Decimal("1." + "1" * 38)})]
        )


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_deep_nesting_is_refused(table: DatasetTable) -> None:
    table.write(DATASET, [Row("a", {"value": nested(30)})])

    with pytest.raises(RecordRefusedError, match="nested"):
        table.write(DATASET, [Row("a", {"value": nested(31)})])


@pytest.mark.parametrize("key", ["", "é" * 513, "\ud83d"])
def test_a_key_that_dynamodb_does_not_take_is_refused(table: DatasetTable, key: str) -> None:
    with pytest.raises(RecordRefusedError):
        table.write(DATASET, [Row(key, {})])


@pytest.mark.parametrize("record", [{}, {"sku": None}, {"sku": 7}, {"sku": ["a"]}])
def test_a_record_without_a_text_as_key_is_refused(
    table: DatasetTable, record: dict[str, Any]
) -> None:
    call = TableCall(table, DATASET, "sku")

    with pytest.raises(RecordRefusedError, match="sku must be a text"):
        call([Task("job-1-0", record)])


def test_a_call_writes_under_the_records_own_key(table: DatasetTable) -> None:
    call = TableCall(table, DATASET, "sku", source="job-1")

    call([Task("job-1-0", {"sku": "a", "n": 1}), Task("job-1-9", {"sku": "b", "n": 2})])

    rows = [Row("a", {"sku": "a", "n": 1}, "job-1"), Row("b", {"sku": "b", "n": 2}, "job-1")]
    assert all_of(table, rows) == rows
    assert call.batch_size == 25


def test_a_call_writes_what_fits_and_names_what_does_not(
    table: DatasetTable, client: Recording
) -> None:
    call = TableCall(table, DATASET, "sku")
    unfit = [Task("job-1-9", {"sku": "x", "n": nested(31)}), Task("job-1-20", {"sku": 7})]

    with pytest.raises(SomeRefusedError) as refused:
        call([Task("job-1-0", {"sku": "fits", "n": 1}), *unfit])

    assert refused.value.keys == {"job-1-9", "job-1-20"}
    assert kept(table, ["fits", "x"]) == {"fits": {"sku": "fits", "n": 1}}
    assert [method for method, _ in client.calls] == ["batch_write_item", "batch_get_item"]


def test_what_is_left_over_is_written_after_a_pause(
    table: DatasetTable, client: Recording, pauses: list[float]
) -> None:
    def leaves_ten_over(_method: str, request: dict[str, Any]) -> Any:
        puts = request["RequestItems"][TABLE]
        if len(puts) <= 10:
            return None
        client._client.batch_write_item(RequestItems={TABLE: puts[10:]})
        return {"UnprocessedItems": {TABLE: puts[:10]}}

    client.between = leaves_ten_over

    table.write(DATASET, any_rows(25))

    assert [len(request["RequestItems"][TABLE]) for _, request in client.calls] == [25, 10]
    assert len(kept(table, [row.key for row in any_rows(25)])) == 25
    assert len(pauses) == 1


def test_records_that_stay_left_over_ask_the_caller_to_slow_down(
    table: DatasetTable, client: Recording, pauses: list[float]
) -> None:
    client.between = lambda _method, request: {"UnprocessedItems": request["RequestItems"]}

    with pytest.raises(DownstreamThrottledError):
        table.write(DATASET, any_rows(3))

    assert len(client.calls) == len(pauses) == 7
    assert 3 < sum(pauses) < 7
    assert all(later > earlier / 2 for earlier, later in pairwise(pauses))


def refusal(code: str, status: int) -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": "the value secret-value is no good"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "AnyOperation")


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (refusal("ProvisionedThroughputExceededException", 400), DownstreamThrottledError),
        (refusal("ThrottlingException", 400), DownstreamThrottledError),
        (refusal("RequestLimitExceeded", 400), DownstreamThrottledError),
        (refusal("InternalServerError", 500), TableBusyError),
        (ReadTimeoutError(endpoint_url="https://dynamodb/secret-value"), TableBusyError),
        (refusal("ValidationException", 400), RecordRefusedError),
    ],
    ids=lambda value: str(value)[:40],
)
def test_each_refusal_of_dynamodb_says_what_to_do(
    table: DatasetTable, client: Recording, error: Exception, raised: type[Exception]
) -> None:
    def refuses(_method: str, _request: dict[str, Any]) -> Any:
        raise error

    client.between = refuses

    with pytest.raises(raised) as of_write:
        table.write(DATASET, any_rows(1))
    with pytest.raises(raised):
        kept(table, ["a"])
    assert "secret-value" not in str(of_write.value)


def test_a_refusal_that_is_nobodys_record_is_raised_as_it_is(
    table: DatasetTable, client: Recording
) -> None:
    def refuses(_method: str, _request: dict[str, Any]) -> Any:
        raise refusal("AccessDeniedException", 400)

    client.between = refuses

    with pytest.raises(ClientError, match="AccessDenied"):
        table.write(DATASET, any_rows(1))


def test_a_record_too_large_for_an_item_is_refused(table: DatasetTable) -> None:
    with pytest.raises(RecordRefusedError):
        table.write(DATASET, [Row("a", {"text": "a" * 410_000})])


def test_a_range_of_keys_has_both_its_ends(table: DatasetTable) -> None:
    rows = any_rows(60)
    table.write(DATASET, rows)
    buckets = sorted({bucket_of(row.key) for row in rows})

    def keys(first: str | None, last: str | None) -> set[str]:
        return {
            row.key for bucket in buckets for row in table.records_of(DATASET, bucket, first, last)
        }

    assert keys("sku-0010", "sku-0019") == {row.key for row in rows[10:20]}
    assert keys("sku-0050", None) == {row.key for row in rows[50:]}
    assert keys(None, "sku-0009") == {row.key for row in rows[:10]}
    assert keys("b", "a") == set()


def test_a_partition_is_read_in_the_order_of_its_keys_page_after_page(table: DatasetTable) -> None:
    bucket = bucket_of("sku-0000")
    text = "a" * 100_000
    keys = sorted(key for n in range(6000) if bucket_of(key := f"sku-{n:04}") == bucket)
    table.write(DATASET, [Row(key, {"text": text}) for key in keys])
    assert len(keys) * len(text) > 1024**2

    assert [row.key for row in table.records_of(DATASET, bucket)] == keys
    assert table.count(DATASET, bucket) == len(keys)
    assert table.count(DATASET, bucket, keys[1], keys[-2]) == len(keys) - 2


def test_reading_back_asks_for_a_hundred_at_once_and_leaves_out_what_is_not_there(
    table: DatasetTable, client: Recording
) -> None:
    rows = any_rows(150)
    table.write(DATASET, rows[:140])
    client.calls.clear()

    found = kept(table, [row.key for row in rows] + [rows[0].key])

    assert found == {row.key: row.record for row in rows[:140]}
    requests = [request["RequestItems"][TABLE] for _, request in client.calls]
    assert [len(each["Keys"]) for each in requests] == [100, 50]
    assert all(each["ConsistentRead"] for each in requests)


def test_keys_that_were_not_read_are_asked_for_again(
    table: DatasetTable, client: Recording, pauses: list[float]
) -> None:
    table.write(DATASET, any_rows(30))
    client.calls.clear()

    def one_at_a_time(_method: str, request: dict[str, Any]) -> Any:
        keys = request["RequestItems"][TABLE]["Keys"]
        answer: Any = client._client.batch_get_item(RequestItems={TABLE: {"Keys": keys[:1]}})
        left = {TABLE: {"Keys": keys[1:]}} if keys[1:] else {}
        return {**answer, "UnprocessedKeys": left}

    client.between = one_at_a_time

    assert len(kept(table, [row.key for row in any_rows(30)])) == 30
    assert pauses == []


def test_keys_that_stay_unread_ask_the_caller_to_slow_down(
    table: DatasetTable, client: Recording, pauses: list[float]
) -> None:
    client.between = lambda _method, request: {
        "Responses": {TABLE: []},
        "UnprocessedKeys": request["RequestItems"],
    }

    with pytest.raises(DownstreamThrottledError):
        kept(table, ["a"])

    assert len(pauses) == 7


def test_records_are_estimated_from_a_few_partitions(table: DatasetTable) -> None:
    counted: list[int] = []

    def count(bucket: int) -> int:
        counted.append(bucket)
        return 10 + bucket % 3

    table.count = lambda _dataset, bucket, *_range: count(bucket)  # type: ignore[method-assign]  # moto takes seconds

    estimate = table.estimated_records(DATASET)

    assert counted == [0, 64, 128, 192]
    assert estimate == 256 * (10 + 11 + 12 + 10) // 4


def test_what_others_wrote_by_hand_does_not_stop_the_reading(
    table: DatasetTable, client: Recording
) -> None:
    def item(key: str, **attributes: Any) -> None:
        name = partition(DATASET, bucket_of(key))
        keys = {names.ITEM_KEY: {"S": name}, names.ITEM_SORT_KEY: {"S": key}}
        client._client.put_item(TableName=TABLE, Item={**keys, **attributes})

    item("a", record={"M": {"b": {"B": b"\xff"}, "n": {"NS": ["1", "2"]}, "s": {"SS": ["x"]}}})
    item("b")
    item("c", record={"S": "text"}, source={"N": "7"})

    assert kept(table, ["a", "b", "c"]) == {
        "a": {"b": "/w==", "n": [1, 2], "s": ["x"]},
        "b": {},
        "c": {},
    }
