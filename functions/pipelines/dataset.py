"""What a batch has to know of its dataset before it is cut into chunks: a look at a sample.

What is wrong with all of it shows at its beginning: that it is missing, that it cannot be read in
ranges, that the processor takes none of its records. Whoever reads on reads the same bytes, by
their ETag.
"""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

from functions.pipelines.batch_request import (
    BatchRequest,
    DatasetNotSplittableError,
    ObjectDataset,
    PartsDataset,
    TableDataset,
    check_splittable,
)
from functions.pipelines.csv_format import CsvFormat
from functions.pipelines.dataset_parts import DatasetParts, common_encoding, find_parts
from functions.pipelines.dataset_table import BUCKETS, DatasetTable
from functions.pipelines.failed_records import MAX_FAILED_LINE_BYTES, failed_record, is_failed_line
from functions.pipelines.lines import MAX_LINE_BYTES, all_lines
from functions.pipelines.objects import (
    ObjectAccessError,
    ObjectHead,
    ObjectMissingError,
    ObjectRef,
    Objects,
)
from functions.pipelines.processor import Transform
from functions.pipelines.record_format import (
    GZIP_MAGIC,
    PARQUET_MAGIC,
    RecordFormat,
    json_record,
    record_line,
)
from functions.pipelines.records import Line, Record, RecordRefusedError
from functions.pipelines.transforms.transforming import transforming
from functions.shared.dataset_sample import mean_record_bytes, sample_ranges
from functions.shared.errors import PermanentError
from functions.shared.joined_parts import JoinedParts

SAMPLE_BYTES = 1024 * 1024
SAMPLE_RECORDS = 1_000
# How many kinds of refusal an error names.
_SHOWN_KINDS = 3
_EVERYTHING = 100
_FAILED_RECORDS = (
    "dataset: this is a file of failed records, each of which is wrapped in why it failed: try them"
    ' again with jobctl retry-failed ID, or submit the file with "wrapped": true'
)


class DatasetNotFoundError(PermanentError):
    """Nothing is where the payload says."""


class DatasetAccessError(PermanentError):
    """The stage does not let its functions read there."""


class SchemaMismatchError(PermanentError):
    """The dataset does not hold what the processor takes."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset as it was measured: an object of *size_bytes*, many, or the records of a table.

    *record_bytes* is the mean of a sample. Of CSV *csv* has the columns. *parts* is where the list
    of many objects is kept, and *etag* is then that of all of them.
    """

    size_bytes: int
    record_bytes: float
    key: str | None = None
    bucket: str | None = None
    etag: str | None = None
    csv: CsvFormat | None = None
    is_wrapped: bool = False
    table: str | None = None
    first: str | None = None
    last: str | None = None
    parts: str | None = None

    @property
    def is_empty(self) -> bool:
        return self.size_bytes == 0

    @property
    def fixed_chunks(self) -> int | None:
        """A table has its partitions; None: an object is cut as wanted."""
        return None if self.table is None else BUCKETS

    @property
    def is_snapshot(self) -> bool:
        """Whether its identity tells what it holds: of a table, it tells only where that is."""
        return self.table is None

    @property
    def identity(self) -> list[str | None]:
        """Tells it from every other one, and an object from what it may become."""
        return [self.bucket, self.key, self.etag, self.table, self.first, self.last]

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef(self.key or "", self.bucket)

    def to_event(self) -> dict[str, Any]:
        event: dict[str, Any] = {"size_bytes": self.size_bytes, "record_bytes": self.record_bytes}
        event["csv"] = None if self.csv is None else self.csv.to_event()
        for name in ("key", "bucket", "etag", "table", "first", "last", "parts"):
            event[name] = getattr(self, name)
        told = {name: value for name, value in event.items() if value is not None}
        return {**told, "is_wrapped": True} if self.is_wrapped else told

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        csv = event.get("csv")
        return cls(**{**event, "csv": None if csv is None else CsvFormat.from_event(csv)})

    def record(self, line: Line) -> Record:
        """The record in *line*, unwrapped.

        Raises:
            RecordRefusedError: It holds none.
        """
        if self.csv is not None:
            return self.csv.record(line)
        record = json_record(line)
        return failed_record(record).record if self.is_wrapped else record


def measure(
    objects: Objects,
    table: DatasetTable,
    request: BatchRequest,
    transform: Transform,
    *,
    kept_as: str,
) -> Dataset:
    """Look at the dataset; where it has many objects, their list is kept as *kept_as*.

    Raises:
        DatasetNotFoundError: Nothing is there.
        DatasetAccessError: It may not be read.
        DatasetNotSplittableError: It can be read from its beginning only.
        SchemaMismatchError: The processor takes none of the first records.
        InvalidManifestError: What should be its manifest is none.
        MixedFormatsError: Its objects are not written alike.
    """
    asked = request.dataset
    if isinstance(asked, TableDataset):
        return _measured_table(table, asked, request, transform)
    try:
        if isinstance(asked, PartsDataset):
            return _measured_parts(objects, asked, request, transform, kept_as)
        return _measured_object(objects, asked, request, transform)
    except ObjectMissingError as error:
        raise DatasetNotFoundError(f"dataset: {error}") from None
    except ObjectAccessError:
        raise DatasetAccessError(
            "dataset: this stage may not read it; a bucket of others must be in its source_buckets"
        ) from None


def _measured_table(
    table: DatasetTable, asked: TableDataset, request: BatchRequest, transform: Transform
) -> Dataset:
    records = table.estimated_records(asked.table, asked.first, asked.last)
    rows = itertools.chain.from_iterable(
        table.records_of(asked.table, bucket, asked.first, asked.last) for bucket in range(BUCKETS)
    )
    sample = [row.record for row in itertools.islice(rows, SAMPLE_RECORDS)]
    _check((partial(_same, record) for record in sample), request, transform)
    mean = sum(map(len, map(record_line, sample))) / len(sample) if sample else 1.0
    return Dataset(
        math.ceil(max(records, len(sample)) * mean) if sample else 0,
        mean,
        table=asked.table,
        first=asked.first,
        last=asked.last,
    )


def _measured_object(
    objects: Objects, asked: ObjectDataset, request: BatchRequest, transform: Transform
) -> Dataset:
    head = objects.head(ObjectRef(asked.key, asked.bucket))
    dataset = Dataset(
        head.size_bytes,
        1.0,
        key=asked.key,
        bucket=asked.bucket,
        etag=head.etag,
        is_wrapped=request.is_wrapped,
    )
    return _looked_into(objects, dataset, [head], asked.format, request, transform)


def _measured_parts(
    objects: Objects,
    asked: PartsDataset,
    request: BatchRequest,
    transform: Transform,
    kept_as: str,
) -> Dataset:
    found = find_parts(objects, asked)
    if not found and not asked.is_manifest:
        raise DatasetNotFoundError("dataset.prefix: no object is below it")
    parts = DatasetParts(tuple(part for part in found if part.size_bytes))
    if not parts.parts:
        return Dataset(0, 1.0, key=asked.key, bucket=asked.bucket, etag=parts.digest)
    encoding = common_encoding(parts.parts, asked.format)
    check_splittable(encoding)
    parts.keep(objects, kept_as)
    dataset = Dataset(
        parts.joined.size_bytes,
        1.0,
        key=asked.key,
        bucket=asked.bucket,
        etag=parts.digest,
        parts=kept_as,
    )
    return _looked_into(objects, dataset, parts.parts, encoding.format, request, transform)


def _looked_into(
    objects: Objects,
    dataset: Dataset,
    parts: Sequence[ObjectHead],
    written_as: RecordFormat,
    request: BatchRequest,
    transform: Transform,
) -> Dataset:
    """*dataset* with what a sample of it tells."""
    beginning = _beginning(objects, parts[0])
    if beginning.startswith((GZIP_MAGIC, PARQUET_MAGIC)):
        raise DatasetNotSplittableError(
            "dataset is compressed or Parquet, whatever its key says: let a data-pipeline job with "
            '"transform": "as-is" load it into {"dataset": name}, and process its {"manifest": key}'
        )
    csv = CsvFormat.of_pieces([beginning]) if written_as is RecordFormat.CSV else None
    if csv is not None and (lacking := csv.lacks(transform.takes.required)):
        raise SchemaMismatchError(
            f"dataset: its header lacks {', '.join(lacking)}, which {transform.name} needs"
        )
    longest = MAX_FAILED_LINE_BYTES if dataset.is_wrapped else MAX_LINE_BYTES
    lines = list(_sampled_lines(beginning, dataset.size_bytes, longest))
    if csv is not None:
        lines = [line for line in lines if not csv.is_header(line)]
    is_empty = not lines and len(beginning) == dataset.size_bytes
    measured = replace(
        dataset,
        # Without a record there is nothing to cut.
        size_bytes=0 if is_empty else dataset.size_bytes,
        record_bytes=_record_bytes(objects, parts),
        csv=csv,
    )
    # What failed once may fail again, and is told record by record.
    if not request.is_wrapped:
        try:
            _check((partial(measured.record, line) for line in lines), request, transform)
        except SchemaMismatchError:
            if csv is None and all(map(is_failed_line, lines)):
                raise SchemaMismatchError(_FAILED_RECORDS) from None
            raise
    return measured


def _beginning(objects: Objects, head: ObjectHead) -> bytes:
    if not head.size_bytes:
        return b""
    last = min(SAMPLE_BYTES, head.size_bytes) - 1
    return b"".join(objects.read(head.ref, etag=head.etag, first=0, last=last))


def _sampled_lines(beginning: bytes, size_bytes: int, longest: int) -> Iterator[Line]:
    lines = all_lines([beginning], longest=longest)
    for line in itertools.islice(lines, SAMPLE_RECORDS):
        # The sample's end cuts its last line, unless it is the end of everything.
        if line.is_terminated or len(beginning) == size_bytes:
            yield line


def _record_bytes(objects: Objects, parts: Sequence[ObjectHead]) -> float:
    """As `jobctl plan` takes it, so that both plan the same."""
    joined = JoinedParts([part.size_bytes for part in parts])
    return mean_record_bytes(
        [
            b"".join(
                piece
                for part, first, last in joined.segments(*sampled)
                for piece in objects.read(
                    parts[part].ref, etag=parts[part].etag, first=first, last=last
                )
            )
            for sampled in sample_ranges(joined.size_bytes)
        ]
    )


def _same(record: Record) -> Record:
    return record


def _check(
    sample: Iterable[Callable[[], Record]], request: BatchRequest, transform: Transform
) -> None:
    """Refuse a dataset of which nothing would come through, before anything is done with it."""
    transformed = transforming(transform)
    codes: Counter[str] = Counter()
    reasons: dict[str, str] = {}
    for read in sample:
        try:
            transformed(read())
        except RecordRefusedError as refused:
            codes[refused.code] += 1
            reasons.setdefault(refused.code, refused.reason)
        else:
            return
    if not codes or request.tolerated_failures_percent >= _EVERYTHING:
        return
    told = [f"{code} ({reasons[code]})" for code, _ in codes.most_common(_SHOWN_KINDS)]
    raise SchemaMismatchError(
        f"dataset: {transform.name} takes none of its first {codes.total()} records: "
        + "; ".join(told)
    )
