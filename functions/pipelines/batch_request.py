"""What a `batch-processing` job is asked for, and how its payload is checked.

Messages name the field and the rule, never the value: keys and names are the submitter's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from functions.pipelines.objects import ObjectRef
from functions.pipelines.record_format import (
    Encoding,
    RecordFormat,
    UnknownFormatError,
    encoding_of,
)
from functions.pipelines.request_fields import (
    is_s3,
    name,
    own_ref,
    percent,
    refuse_own_bucket,
    s3_ref,
)
from functions.shared.errors import MalformedPayloadError, PermanentError
from functions.shared.payload_fields import refuse_unknown, whole_number

# Where in the data bucket datasets lie: what producers put, and what earlier jobs left.
DATASET_PREFIXES = ("incoming/", "datasets/", "results/")
# A DynamoDB sort key.
MAX_RECORD_KEY_BYTES = 1024
DEFAULT_TARGET_MINUTES = 15
MAX_TARGET_MINUTES = 24 * 60
# Shards that can be told apart; a stage's own bound is lower.
MAX_WORKERS = 1000
MAX_RECORDS_PER_SECOND = 1_000_000

_FIELDS = frozenset(
    {
        "dataset",
        "processor",
        "endpoint",
        "tolerated_failures_percent",
        "target_minutes",
        "max_workers",
        "records_per_second",
        "wrapped",
    }
)
_OBJECT_FIELDS = frozenset({"key", "s3", "format"})
_PREFIX_FIELDS = frozenset({"prefix", "format"})
_MANIFEST_FIELDS = frozenset({"manifest"})
_KINDS = ("key", "s3", "prefix", "manifest", "table")
_TABLE_FIELDS = frozenset({"table", "from", "to"})


class DatasetNotSplittableError(PermanentError):
    """It can only be read from its beginning, so it cannot be shared out among workers."""


@dataclass(frozen=True, slots=True)
class ObjectDataset:
    """An object with one record a line; without a *bucket* it is in the data bucket."""

    key: str
    bucket: str | None = None
    format: RecordFormat = RecordFormat.JSONL


@dataclass(frozen=True, slots=True)
class PartsDataset:
    """Objects that are one dataset: below the prefix *key*, or named by the manifest of this key.

    *format* is for a prefix where the names do not tell.
    """

    key: str
    bucket: str | None = None
    is_manifest: bool = False
    format: RecordFormat | None = None

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef(self.key, self.bucket)


@dataclass(frozen=True, slots=True)
class TableDataset:
    """The records of a table whose keys are from *first* to *last*, both included."""

    table: str
    first: str | None = None
    last: str | None = None


AnyDataset = ObjectDataset | PartsDataset | TableDataset


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRequest:
    """Which records are to be processed by what, and how fast; None: as the stage has it.

    *is_wrapped*: the dataset is the failed-records file of another batch.
    """

    dataset: AnyDataset
    processor: str
    endpoint: str | None = None
    tolerated_failures_percent: float = 0
    target_minutes: int = DEFAULT_TARGET_MINUTES
    max_workers: int | None = None
    records_per_second: int | None = None
    is_wrapped: bool = False

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """Read `{dataset, processor, endpoint?, tolerated_failures_percent?, ...}`.

        Raises:
            MalformedPayloadError: A field is missing, unknown or not what it should be.
            DatasetNotSplittableError: The dataset is compressed, or Parquet.
        """
        refuse_unknown(payload, _FIELDS, "a batch")
        is_wrapped = _flag(payload.get("wrapped", False), "wrapped")
        dataset = _dataset(payload.get("dataset"))
        if is_wrapped and dataset != _as_jsonl(dataset):
            raise MalformedPayloadError("wrapped is for one failed-records file, which is jsonl")
        return cls(
            dataset=dataset,
            processor=name(payload.get("processor"), "processor"),
            endpoint=_optional_name(payload.get("endpoint"), "endpoint"),
            tolerated_failures_percent=percent(
                payload.get("tolerated_failures_percent", 0), "tolerated_failures_percent"
            ),
            target_minutes=whole_number(
                payload.get("target_minutes", DEFAULT_TARGET_MINUTES),
                "target_minutes",
                1,
                MAX_TARGET_MINUTES,
            ),
            max_workers=_optional_number(payload.get("max_workers"), "max_workers", MAX_WORKERS),
            records_per_second=_optional_number(
                payload.get("records_per_second"), "records_per_second", MAX_RECORDS_PER_SECOND
            ),
            is_wrapped=is_wrapped,
        )


def check_bucket(dataset: AnyDataset, own_bucket: str) -> None:
    """Let pass what does not name the data bucket as if it were another one.

    Raises:
        MalformedPayloadError: It does.
    """
    if not isinstance(dataset, TableDataset):
        refuse_own_bucket(dataset.bucket, own_bucket, "dataset")


def _dataset(value: Any) -> AnyDataset:
    if isinstance(value, str):
        fields: dict[str, Any] = {"s3" if is_s3(value) else "key": value}
    elif isinstance(value, dict):
        fields = value
    else:
        raise MalformedPayloadError(
            'dataset must be a key, an "s3://bucket/key", or an object with one of '
            + ", ".join(_KINDS)
        )
    kinds = [kind for kind in _KINDS if kind in fields]
    if len(kinds) != 1:
        raise MalformedPayloadError(f"dataset must have one of {', '.join(_KINDS)}")
    [kind] = kinds
    if kind == "table":
        refuse_unknown(fields, _TABLE_FIELDS, "a dataset in a table")
        return _table(fields)
    if kind == "manifest":
        refuse_unknown(fields, _MANIFEST_FIELDS, "a dataset with a manifest")
        ref = own_ref(fields[kind], "dataset.manifest", DATASET_PREFIXES)
        return PartsDataset(ref.key, is_manifest=True)
    if kind == "prefix":
        refuse_unknown(fields, _PREFIX_FIELDS, "a dataset below a prefix")
        return _prefix(fields)
    refuse_unknown(fields, _OBJECT_FIELDS, "a dataset in S3")
    if kind == "key":
        ref = own_ref(fields["key"], "dataset.key", DATASET_PREFIXES)
    else:
        ref = s3_ref(fields["s3"], "dataset.s3")
    return ObjectDataset(ref.key, ref.bucket, _format(fields.get("format"), ref.key))


def _prefix(fields: Mapping[str, Any]) -> PartsDataset:
    stated, where = fields.get("format"), "dataset.prefix"
    # The objects' names tell more than that of the prefix.
    stated = None if stated is None else _format(stated, "")
    ref = _ref(fields["prefix"], where, is_prefix=True)
    return PartsDataset(ref.key, ref.bucket, format=stated)


def _ref(value: Any, where: str, *, is_prefix: bool = False) -> ObjectRef:
    if is_s3(value):
        return s3_ref(value, where, is_prefix=is_prefix)
    return own_ref(value, where, DATASET_PREFIXES, is_prefix=is_prefix)


def _table(fields: Mapping[str, Any]) -> TableDataset:
    first = _record_key(fields.get("from"), "dataset.from")
    last = _record_key(fields.get("to"), "dataset.to")
    # DynamoDB orders texts by their bytes.
    if first is not None and last is not None and first.encode() > last.encode():
        raise MalformedPayloadError("dataset.from must not come after dataset.to")
    return TableDataset(name(fields["table"], "dataset.table"), first, last)


def _record_key(value: Any, where: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 1 <= _bytes(value, where) <= MAX_RECORD_KEY_BYTES:
        raise MalformedPayloadError(f"{where} must be a text of 1 to {MAX_RECORD_KEY_BYTES} bytes")
    return value


def _bytes(value: str, where: str) -> int:
    try:
        return len(value.encode())
    except UnicodeEncodeError:
        raise MalformedPayloadError(f"{where} must be text that UTF-8 can write") from None


def _format(value: Any, key: str) -> RecordFormat:
    if value is not None and value not in list(RecordFormat):
        raise MalformedPayloadError("dataset.format must be jsonl or csv")
    try:
        encoding = encoding_of(key, value)
    except UnknownFormatError:
        raise MalformedPayloadError(
            "dataset must end with .jsonl, .ndjson or .csv, or say its format"
        ) from None
    check_splittable(encoding)
    return encoding.format


def check_splittable(encoding: Encoding) -> None:
    """Let pass what can be read from anywhere.

    Raises:
        DatasetNotSplittableError: It cannot.
    """
    if encoding.is_gzipped or encoding.format is RecordFormat.PARQUET:
        raise DatasetNotSplittableError(
            "dataset is compressed or Parquet, which one worker must read from its beginning: let "
            'a data-pipeline job with "transform": "as-is" load it into {"dataset": name}, and '
            'process its {"manifest": key}'
        )


def _as_jsonl(dataset: AnyDataset) -> ObjectDataset | None:
    if not isinstance(dataset, ObjectDataset):
        return None
    return ObjectDataset(dataset.key, dataset.bucket, RecordFormat.JSONL)


def _optional_name(value: Any, where: str) -> str | None:
    return None if value is None else name(value, where)


def _optional_number(value: Any, where: str, most: int) -> int | None:
    return None if value is None else whole_number(value, where, 1, most)


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise MalformedPayloadError(f"{where} must be true or false")
    return value
