"""The records of one chunk, wherever the dataset is: in a range of objects or in a table.

One `Entry` for each record and for each line that is none. What is told of it in the failed-records
file is enough to try it again from there.
"""

from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache, partial
from hashlib import sha256
from typing import NamedTuple, Protocol

from functions.pipelines.csv_format import CsvFormat, CsvHeaderError
from functions.pipelines.dataset import Dataset
from functions.pipelines.dataset_parts import DatasetParts
from functions.pipelines.dataset_table import DatasetTable
from functions.pipelines.failed_records import MAX_FAILED_LINE_BYTES, failed_record, part_of
from functions.pipelines.lines import MAX_LINE_BYTES, owned_lines
from functions.pipelines.objects import DatasetChangedError, ObjectMissingError, Objects
from functions.pipelines.record_format import json_record
from functions.pipelines.records import Line, Record, RecordRefusedError
from functions.shared.joined_parts import JoinedParts

_HEADERS_HELD = 16

ChunkRange = Callable[[int], tuple[int, int]]


class Entry(NamedTuple):
    """One record of a dataset, or why there is none.

    *offset* is where it begins; *key* what destinations know it by, None where the offset tells;
    *original* what arrived; *part* the object that it is in, where there are many. A tuple, since
    one is made for every record.
    """

    offset: int
    found: Record | RecordRefusedError
    original: Record | Line
    key: str | None = None
    part: int | None = None


class ChunkSource(Protocol):
    """Gives the entries of a chunk, in the same order each time."""

    def entries(self, chunk: int) -> Iterator[Entry]: ...


def source_of(
    dataset: Dataset, objects: Objects, table: DatasetTable, chunk_range: ChunkRange, root: str
) -> ChunkSource:
    """What reads *dataset*; *root* begins the keys of records that have no offset."""
    if dataset.table is not None:
        return _TableSource(dataset, table, root)
    if dataset.parts is not None:
        return _PartsSource(dataset, objects, chunk_range, root)
    if dataset.is_wrapped:
        return _FailedRecords(dataset, objects, chunk_range)
    return _Lines(dataset, objects, chunk_range)


class _Lines:
    """The lines of an object; a chunk is a range of its bytes."""

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
                yield Entry(again.offset, again.record, again.record, again.key, again.part)


def _still_failed(line: Line, wrapped: Record, refused: RecordRefusedError) -> Entry:
    """A line that held no record before holds none now; its text is not wrapped once more."""
    text, offset, key = wrapped.get("record"), wrapped.get("offset"), wrapped.get("key")
    if not isinstance(text, str) or not isinstance(offset, int) or not isinstance(key, str):
        return Entry(line.offset, refused, line)
    line = Line(offset, text.encode(errors="replace"))
    return Entry(offset, refused, line, key, part_of(wrapped))


class _PartsSource:
    """The lines of many objects; a chunk is a range of the bytes of all of them.

    No line goes on from one object into the next.
    """

    def __init__(
        self, dataset: Dataset, objects: Objects, chunk_range: ChunkRange, root: str
    ) -> None:
        self._dataset = dataset
        self._objects = objects
        self._chunk_range = chunk_range
        self._root = root
        # Chunks are neighbours, so that few headers are read more than once.
        self._header = lru_cache(_HEADERS_HELD)(self._read_header)

    def entries(self, chunk: int) -> Iterator[Entry]:
        for part, first, last in self._joined.segments(*self._chunk_range(chunk)):
            head = self._parts.parts[part]
            csv = None if self._dataset.csv is None else self._header(part)
            for line in owned_lines(self._reading(part), first, last, head.size_bytes):
                if csv is not None and csv.is_header(line):
                    continue
                found = _found(json_record if csv is None else csv.record, line)
                original = line if isinstance(found, RecordRefusedError) else found
                key = f"{self._root}-{part}-{line.offset}"
                yield Entry(line.offset, found, original, key, part)

    @cached_property
    def _parts(self) -> DatasetParts:
        dataset = self._dataset
        return DatasetParts.kept(self._objects, dataset.parts or "", dataset.etag or "")

    @cached_property
    def _joined(self) -> JoinedParts:
        return self._parts.joined

    def _reading(self, part: int) -> Callable[[int, int], Iterator[bytes]]:
        head = self._parts.parts[part]

        def read(first: int, last: int) -> Iterator[bytes]:
            try:
                yield from self._objects.read(head.ref, etag=head.etag, first=first, last=last)
            except ObjectMissingError:
                raise DatasetChangedError(f"part {part} was removed while it was read") from None
            except DatasetChangedError:
                raise DatasetChangedError(
                    f"part {part} is not the object any more that was looked at first"
                ) from None

        return read

    def _read_header(self, part: int) -> CsvFormat | None:
        size = self._parts.parts[part].size_bytes
        try:
            return CsvFormat.of_pieces(self._reading(part)(0, min(size, MAX_LINE_BYTES) - 1))
        except CsvHeaderError as error:
            raise CsvHeaderError(f"part {part} of the dataset: {error}") from None


def _found(read: Callable[[Line], Record], line: Line) -> Record | RecordRefusedError:
    try:
        return read(line)
    except RecordRefusedError as refused:
        return refused


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
