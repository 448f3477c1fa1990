"""The records of one chunk, wherever the dataset is: in a range of an object or in a table.

One `Entry` for each record and for each line that is none. What is told of it in the failed-records
file is enough to try it again from there.
"""

from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from typing import NamedTuple, Protocol

from functions.pipelines.dataset import Dataset
from functions.pipelines.dataset_table import DatasetTable
from functions.pipelines.failed_records import MAX_FAILED_LINE_BYTES, failed_record
from functions.pipelines.lines import owned_lines
from functions.pipelines.objects import DatasetChangedError, ObjectMissingError, Objects
from functions.pipelines.record_format import json_record
from functions.pipelines.records import Line, Record, RecordRefusedError

ChunkRange = Callable[[int], tuple[int, int]]


class Entry(NamedTuple):
    """One record of a dataset, or why there is none.

    *offset* is where it begins; *key* what destinations know it by, None where the offset tells;
    *original* what arrived. A tuple, since one is made for every record.
    """

    offset: int
    found: Record | RecordRefusedError
    original: Record | Line
    key: str | None = None


class ChunkSource(Protocol):
    """Gives the entries of a chunk, in the same order each time."""

    def entries(self, chunk: int) -> Iterator[Entry]: ...


def source_of(
    dataset: Dataset, objects: Objects, table: DatasetTable, chunk_range: ChunkRange, root: str
) -> ChunkSource:
    """What reads *dataset*; *root* begins the keys of records that have no offset."""
    if dataset.table is not None:
        return _TableSource(dataset, table, root)
    if dataset.is_wrapped:
        return _FailedRecords(dataset, objects, chunk_range)
    return _Lines(dataset, objects, chunk_range)


class _Lines:
    """The lines of an object; a chunk is a range of its bytes."""

    longest: int | None = None

    def __init__(self, dataset: Dataset, objects: Objects, chunk_range: ChunkRange) -> None:
        self._dataset = dataset
        self._objects = objects
        self._chunk_range = chunk_range

    def entries(self, chunk: int) -> Iterator[Entry]:
        read = self._dataset.record
        for line in self._lines(chunk):
            try:
                record = read(line)
            except RecordRefusedError as refused:
                yield Entry(line.offset, refused, line)
            else:
                yield Entry(line.offset, record, record)

    def _lines(self, chunk: int) -> Iterator[Line]:
        dataset = self._dataset
        first, last = self._chunk_range(chunk)
        lines = owned_lines(self._read, first, last, dataset.size_bytes)
        csv = dataset.csv
        if csv is None or not first <= csv.header_offset <= last:
            return lines
        return (line for line in lines if not csv.is_header(line))

    def _read(self, first: int, last: int) -> Iterator[bytes]:
        dataset = self._dataset
        try:
            yield from self._objects.read(dataset.ref, etag=dataset.etag, first=first, last=last)
        except ObjectMissingError:
            raise DatasetChangedError("the dataset was removed while it was read") from None


class _FailedRecords(_Lines):
    """The lines of a failed-records file, each with the key that its record had before."""

    def _lines(self, chunk: int) -> Iterator[Line]:
        first, last = self._chunk_range(chunk)
        size = self._dataset.size_bytes
        return owned_lines(self._read, first, last, size, longest=MAX_FAILED_LINE_BYTES)

    def entries(self, chunk: int) -> Iterator[Entry]:
        for line in self._lines(chunk):
            try:
                wrapped = json_record(line)
            except RecordRefusedError as refused:
                yield Entry(line.offset, refused, line)
                continue
            try:
                again = failed_record(wrapped)
            except RecordRefusedError as refused:
                yield _still_failed(line, wrapped, refused)
            else:
                yield Entry(again.offset, again.record, again.record, again.key)


def _still_failed(line: Line, wrapped: Record, refused: RecordRefusedError) -> Entry:
    """A line that held no record before holds none now; its text is not wrapped once more."""
    text, offset, key = wrapped.get("record"), wrapped.get("offset"), wrapped.get("key")
    if not isinstance(text, str) or not isinstance(offset, int) or not isinstance(key, str):
        return Entry(line.offset, refused, line)
    return Entry(offset, refused, Line(offset, text.encode(errors="replace")), key)


class _TableSource:
    """The records of a table; a chunk is one of its partitions."""

    def __init__(self, dataset: Dataset, table: DatasetTable, root: str) -> None:
        self._read = partial(table.records_of, dataset.table or "")
        self._range = (dataset.first, dataset.last)
        self._root = root

    def entries(self, chunk: int) -> Iterator[Entry]:
        for number, row in enumerate(self._read(chunk, *self._range)):
            # Visible ASCII and short, which a key of a table need not be.
            name = sha256(row.key.encode()).hexdigest()[:32]
            yield Entry(number, row.record, row.record, f"{self._root}-{name}")
