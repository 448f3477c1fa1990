"""Datasets in a DynamoDB table: one item per record, spread over partitions by the record's key.

Writing a record again changes nothing, so whoever does not know whether it was written writes it.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    ClientError,
    ConnectionError,  # noqa: A004  # botocore's
    HTTPClientError,
)

from functions.pipelines.dataset_item import KEY_BYTES, UNFIT, from_attribute, to_attribute
from functions.pipelines.processor import DownstreamThrottledError, SomeRefusedError, Task
from functions.pipelines.records import Record, RecordRefusedError
from functions.shared import names
from functions.shared.aws_errors import is_server_error, is_throttle
from functions.shared.errors import TransientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.literals import SelectType

BUCKETS = 256
RECORD = "record"
SOURCE = "source"

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
WRITTEN_AT_ONCE = 25
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
READ_AT_ONCE = 100
# What DynamoDB leaves over is brought again so often, within three seconds; then the caller slows
# down for longer than a call may take.
_ROUNDS = 7
_FIRST_PAUSE_SECONDS = 0.05


class TableBusyError(TransientError):
    """DynamoDB gave no answer, or failed; what it did is not known."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record under its *key*; *source* tells people which job wrote it."""

    key: str
    record: Record
    source: str = ""


def bucket_of(key: str) -> int:
    """Which of the 256 partitions of its dataset holds the record of *key*."""
    return sha256(key.encode()).digest()[0]


def partition(dataset: str, bucket: int) -> str:
    return f"{dataset}#{bucket:02x}"


class DatasetTable:
    """All datasets of a stage."""

    def __init__(
        self,
        client: "DynamoDBClient",
        table_name: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._table_name = table_name
        self._sleep = sleep

    def write(self, dataset: str, rows: Iterable[Row]) -> None:
        """Write *rows*; where a key comes twice, what comes last stays.

        Raises:
            DownstreamThrottledError: Not all were written; write them again later.
            RecordRefusedError: DynamoDB cannot keep one of them; others may have been written.
            TableBusyError: Nobody knows what was written.
        """
        remaining = iter(rows)
        while chunk := list(islice(remaining, WRITTEN_AT_ONCE)):
            # DynamoDB refuses a batch that has a key twice.
            puts = {row.key: {"PutRequest": {"Item": _item(dataset, row)}} for row in chunk}
            self._write_batch(list(puts.values()))

    def records_of(
        self, dataset: str, bucket: int, first: str | None = None, last: str | None = None
    ) -> Iterator[Row]:
        """The records of one partition with keys from *first* to *last*, in their order.

        A page (1 MB) is held at a time.
        """
        for page in self._pages(dataset, bucket, first, last, select="ALL_ATTRIBUTES"):
            for item in page.get("Items", ()):
                yield _row(item)

    def count(
        self, dataset: str, bucket: int, first: str | None = None, last: str | None = None
    ) -> int:
        """How many records one partition has with keys from *first* to *last*."""
        pages = self._pages(dataset, bucket, first, last, select="COUNT")
        return sum(page["Count"] for page in pages)

    def estimated_records(
        self, dataset: str, first: str | None = None, last: str | None = None, *, buckets: int = 4
    ) -> int:
        """About how many records there are in all, from counting in a few *buckets*."""
        sample = range(0, BUCKETS, BUCKETS // buckets)
        counted = sum(self.count(dataset, bucket, first, last) for bucket in sample)
        return counted * BUCKETS // len(sample)

    def rows(self, dataset: str, keys: Iterable[str]) -> dict[str, Row]:
        """What is under *keys* now; a key that has no record is left out.

        Raises:
            DownstreamThrottledError: DynamoDB wants to be asked more slowly.
            TableBusyError: It gave no answer.
        """
        found: dict[str, Row] = {}
        remaining = iter(dict.fromkeys(keys))
        while chunk := list(islice(remaining, READ_AT_ONCE)):
            found.update((row.key, row) for row in self._read_batch(dataset, chunk))
        return found

    def _write_batch(self, puts: list[Any]) -> None:
        for pause in _pauses():
            with _translated():
                answer = self._client.batch_write_item(RequestItems={self._table_name: puts})
            puts = list(answer.get("UnprocessedItems", {}).get(self._table_name, ()))
            if not puts:
                return
            self._sleep(pause)
        raise DownstreamThrottledError(f"DynamoDB left {len(puts)} records over")

    def _read_batch(self, dataset: str, keys: Sequence[str]) -> Iterator[Row]:
        wanted: list[Any] = [_key(dataset, key) for key in keys]
        pauses = _pauses()
        while wanted:
            request: Any = {self._table_name: {"Keys": wanted, "ConsistentRead": True}}
            with _translated():
                answer = self._client.batch_get_item(RequestItems=request)
            items = answer.get("Responses", {}).get(self._table_name, ())
            yield from map(_row, items)
            left: Any = answer.get("UnprocessedKeys", {})
            wanted = list(left.get(self._table_name, {}).get("Keys", ()))
            # An answer holds 16 MB, and then the rest is asked for at once.
            if wanted and not items:
                pause = next(pauses, None)
                if pause is None:
                    raise DownstreamThrottledError(f"DynamoDB left {len(wanted)} keys unread")
                self._sleep(pause)

    def _pages(
        self,
        dataset: str,
        bucket: int,
        first: str | None,
        last: str | None,
        *,
        select: "SelectType",
    ) -> Iterator[Any]:
        # DynamoDB calls this a mistake; it is a range without keys.
        if first is not None and last is not None and first.encode() > last.encode():
            return
        pages = iter(
            self._client.get_paginator("query").paginate(
                TableName=self._table_name,
                ConsistentRead=True,
                Select=select,
                **_condition(dataset, bucket, first, last),
            )
        )
        while True:
            with _translated():
                page = next(pages, None)
            if page is None:
                return
            yield page


@dataclass(frozen=True, slots=True)
class TableCall:
    """The call of a processor that loads what it gives into a dataset of the table.

    The record's own *key_field* is its key there, not the task's: a product that is loaded again
    by another job is the same product.
    """

    table: DatasetTable
    dataset: str
    key_field: str
    source: str = ""

    @property
    def batch_size(self) -> int:
        return WRITTEN_AT_ONCE

    def __call__(self, tasks: Sequence[Task]) -> None:
        try:
            self._write(tasks)
        except RecordRefusedError:
            unfit = [task.key for task in tasks if not self._fits(task.record)]
            if not unfit or len(tasks) == 1:
                raise
            self._write([task for task in tasks if task.key not in unfit])
            raise SomeRefusedError(unfit) from None

    def _write(self, tasks: Sequence[Task]) -> None:
        self.table.write(self.dataset, [self._row(task.record) for task in tasks])

    def _fits(self, record: Record) -> bool:
        try:
            _item(self.dataset, self._row(record))
        except RecordRefusedError:
            return False
        return True

    def _row(self, record: Record) -> Row:
        key = record.get(self.key_field)
        if not isinstance(key, str):
            raise RecordRefusedError(UNFIT, f"{self.key_field} must be a text: it is the key")
        return Row(key, record, self.source)


def _item(dataset: str, row: Row) -> dict[str, Any]:
    attributes = to_attribute({RECORD: row.record})["M"]
    item = {**_key(dataset, row.key), **attributes}
    return {**item, SOURCE: {"S": row.source}} if row.source else item


def _key(dataset: str, key: str) -> dict[str, Any]:
    sort_key = to_attribute(key)
    if not 0 < len(key.encode()) <= KEY_BYTES:
        raise RecordRefusedError(UNFIT, f"its key must be a text of 1 to {KEY_BYTES} bytes")
    name = partition(dataset, bucket_of(key))
    return {names.ITEM_KEY: {"S": name}, names.ITEM_SORT_KEY: sort_key}


def _row(item: Mapping[str, Any]) -> Row:
    source = from_attribute(item.get(SOURCE, {"S": ""}))
    record = from_attribute(item.get(RECORD, {"NULL": True}))
    # What others wrote by hand may hold none: an empty one is refused by its schema, and it alone.
    known = record if isinstance(record, Mapping) else {}
    return Row(item[names.ITEM_SORT_KEY]["S"], known, str(source))


def _condition(dataset: str, bucket: int, first: str | None, last: str | None) -> dict[str, Any]:
    terms = ["#pk = :pk"]
    attributes = {"#pk": names.ITEM_KEY}
    values = {":pk": {"S": partition(dataset, bucket)}}
    for name, bound in ((":first", first), (":last", last)):
        if bound is not None:
            values[name] = {"S": bound}
    if first is not None and last is not None:
        terms.append("#sk BETWEEN :first AND :last")
    elif first is not None:
        terms.append("#sk >= :first")
    elif last is not None:
        terms.append("#sk <= :last")
    if len(terms) > 1:
        attributes["#sk"] = names.ITEM_SORT_KEY
    return {
        "KeyConditionExpression": " AND ".join(terms),
        "ExpressionAttributeNames": attributes,
        "ExpressionAttributeValues": values,
    }


def _pauses() -> Iterator[float]:
    """Pauses that double; at random, so that workers that were turned away do not meet again."""
    for round_ in range(_ROUNDS):
        yield _FIRST_PAUSE_SECONDS * 2**round_ * random.uniform(0.5, 1)  # noqa: S311  # no secret


@contextmanager
def _translated() -> Iterator[None]:
    """Say what DynamoDB says in the words of a call; its messages may quote the record."""
    try:
        yield
    except ClientError as error:
        if is_throttle(error):
            raise DownstreamThrottledError("DynamoDB wants to be called more slowly") from None
        if is_server_error(error):
            raise TableBusyError("DynamoDB failed") from None
        if error.response["Error"].get("Code") == "ValidationException":
            raise RecordRefusedError(UNFIT, "the table of datasets does not take it") from None
        raise
    except (ConnectionError, HTTPClientError) as error:
        raise TableBusyError(f"DynamoDB gave no answer: {type(error).__name__}") from None
