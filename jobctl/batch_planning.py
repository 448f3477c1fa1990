"""What a batch would come to, before it is submitted: sizes given by hand, or read from S3."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from functions.shared.batch_plan import DatasetSize, DatasetTooLargeError, Plan, Wishes, plan
from functions.shared.dataset_sample import mean_record_bytes, sample_ranges
from functions.shared.job import InvalidJobError
from functions.shared.joined_parts import JoinedParts
from jobctl.contract import Operation
from jobctl.dataset_parts import has_parts, parts_of
from jobctl.directory import JobLimits, StageDirectory
from jobctl.errors import UnknownDatasetError
from jobctl.payload import parse_payload
from jobctl.translation import aws_errors_as_ours

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ADDRESS = re.compile(r"s3://(?P<bucket>[^/]+)/(?P<key>.+)")
_TOTAL = re.compile(r"bytes \d+-\d+/(?P<total>\d+)")
_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_COMPRESSED = (".gz", ".parquet")
_FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
# The processor that writes each record into the dataset table, which costs more than all else.
_WRITES_INTO_TABLE = "load-products"
_JOB_TYPE = "batch-processing"
_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and what it was made from."""

    size: DatasetSize
    wishes: Wishes
    plan: Plan
    is_of_payload: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Those of the command line; None: as the payload says, or the planner."""

    target_minutes: float | None = None
    max_workers: int | None = None
    records_per_second: float | None = None

    def wishes(self, payload: Mapping[str, Any], limits: JobLimits | None = None) -> Wishes:
        """What is asked for; where nobody says it, as the stage's *limits* have it."""
        minutes = self.target_minutes or _number(payload, "target_minutes")
        wished: dict[str, Any] = {
            "target_seconds": minutes and minutes * _SECONDS,
            "max_workers": self.max_workers or _number(payload, "max_workers"),
            "records_per_second": self.records_per_second or _number(payload, "records_per_second"),
            "table_writes": float(payload.get("processor") == _WRITES_INTO_TABLE),
        }
        if limits is not None:
            wished["max_workers"] = wished["max_workers"] or limits.max_workers
            wished["memory_mib"] = limits.memory_mib
            wished["retention_days"] = limits.history_days
        return Wishes(**{name: value for name, value in wished.items() if value is not None})


def plan_of_records(records: int, record_bytes: float, options: Options) -> Planned:
    """The plan for so many records of that mean length; asks nobody."""
    return _planned(DatasetSize(round(records * record_bytes), record_bytes), options.wishes({}))


def plan_of_payload(
    payload: str, options: Options, s3: "S3Client", directory: StageDirectory
) -> Planned:
    """The plan for the payload of a `batch-processing` job, by a few small reads of its dataset.

    With the memory and the workers that its stage gives it.

    Raises:
        InvalidJobError: The payload names no dataset that can be cut.
        UnknownDatasetError: Nothing is there.
    """
    fields = json.loads(parse_payload(payload).text)
    dataset = fields.get("dataset")
    wishes = options.wishes(fields, directory.limits(_JOB_TYPE))
    if has_parts(dataset):
        size = _measured_parts(s3, dataset, directory.data_bucket)
    else:
        size = _measured(s3, *_address(dataset, directory.data_bucket))
    return replace(_planned(size, wishes), is_of_payload=True)


def _planned(size: DatasetSize, wishes: Wishes) -> Planned:
    try:
        return Planned(size, wishes, plan(size, wishes))
    except DatasetTooLargeError as error:
        raise InvalidJobError(str(error)) from None


def _number(payload: Mapping[str, Any], name: str) -> int | None:
    value = payload.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidJobError(f"payload.{name} must be a whole number of at least 1")
    return value


def _address(dataset: Any, data_bucket: str) -> tuple[str, str]:
    """Where the dataset is; messages name the field and never the key, as those of the job."""
    if isinstance(dataset, str):
        dataset = {"s3" if dataset.startswith("s3://") else "key": dataset}
    if not isinstance(dataset, dict):
        raise InvalidJobError("payload.dataset is missing: a key, or s3://bucket/key")
    if "table" in dataset:
        raise InvalidJobError(
            "payload.dataset is a table, which is not measured: say --records and --record-bytes"
        )
    key, address = dataset.get("key"), dataset.get("s3")
    if isinstance(address, str) and (found := _ADDRESS.fullmatch(address)):
        bucket, key = found["bucket"], found["key"]
    elif isinstance(key, str) and key:
        bucket = data_bucket
    else:
        raise InvalidJobError("payload.dataset must be a key, or an s3://bucket/key")
    if key.endswith(_COMPRESSED):
        raise _not_splittable()
    return bucket, key


def _not_splittable() -> InvalidJobError:
    return InvalidJobError(
        "payload.dataset is compressed or Parquet, which one worker must read from its beginning: "
        "let a data-pipeline job load it with the transform as-is, and plan for its manifest"
    )


def _measured(s3: "S3Client", bucket: str, key: str) -> DatasetSize:
    with _missing_as_ours(s3):
        size_bytes, beginning = _read(s3, bucket, key, *sample_ranges(1)[0])
        pieces = [
            _read(s3, bucket, key, first, last)[1] for first, last in sample_ranges(size_bytes)
        ]
    return _sampled(size_bytes, pieces if beginning else [])


def _measured_parts(s3: "S3Client", dataset: Mapping[str, Any], data_bucket: str) -> DatasetSize:
    with _missing_as_ours(s3):
        parts = parts_of(s3, dataset, data_bucket)
        _check_formats([part.key for part in parts], dataset.get("format"))
        joined = JoinedParts([part.size_bytes for part in parts])
        pieces = [
            b"".join(
                _read(s3, parts[part].bucket, parts[part].key, first, last)[1]
                for part, first, last in joined.segments(*sampled)
            )
            for sampled in sample_ranges(joined.size_bytes)
        ]
    return _sampled(joined.size_bytes, pieces)


def _check_formats(keys: Sequence[str], stated: Any) -> None:
    """As the job finds it, and in its order: known, written alike, and such that it can be cut.

    *stated* is the format that the payload names, which then is that of all; but for gzip.
    """
    ends = [_end(key, None if stated is None else str(stated)) for key in keys]
    if any(end.format is None for end in ends):
        raise InvalidJobError(
            "payload.dataset: its objects must end with .jsonl, .ndjson or .csv, or it must say "
            "its format"
        )
    for number, end in enumerate(ends):
        if end != ends[0]:
            raise InvalidJobError(
                f"payload.dataset: object {number} is not written as the first one is (by the end "
                "of its key): make a dataset of each format"
            )
    if ends and (ends[0].is_gzipped or ends[0].format == "parquet"):
        raise _not_splittable()


@dataclass(frozen=True, slots=True)
class _End:
    """What the end of a key tells of how its object is written; None: of no known format."""

    format: str | None
    is_gzipped: bool


def _end(key: str, stated: str | None) -> _End:
    name = key.rpartition("/")[2].lower()
    is_gzipped = name.endswith(".gz")
    suffix = PurePosixPath(name.removesuffix(".gz")).suffix
    return _End(_FORMATS.get(suffix) if stated is None else stated, is_gzipped)


def _sampled(size_bytes: int, pieces: list[bytes]) -> DatasetSize:
    if pieces and pieces[0].startswith((_GZIP, _PARQUET)):
        raise _not_splittable()
    return DatasetSize(size_bytes, mean_record_bytes(pieces))


@contextmanager
def _missing_as_ours(s3: "S3Client") -> Iterator[None]:
    with aws_errors_as_ours(Operation.PUT_OBJECT):
        try:
            yield
        except s3.exceptions.NoSuchKey:
            raise UnknownDatasetError(
                "payload.dataset: nothing is under this key; upload it first, or mend the key"
            ) from None
        except s3.exceptions.NoSuchBucket:
            raise UnknownDatasetError("payload.dataset: there is no such bucket") from None


def _read(s3: "S3Client", bucket: str, key: str, first: int, last: int) -> tuple[int, bytes]:
    """The size of the object, and a range of it.

    By GET alone: unlike HEAD it says in its answer why it was refused.
    """
    try:
        answer = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes={first}-{last}")
    except s3.exceptions.ClientError as error:
        # There is no range of nothing.
        if error.response["Error"]["Code"] != "InvalidRange":
            raise
        return 0, b""
    body = answer["Body"].read()
    found = _TOTAL.fullmatch(answer.get("ContentRange", ""))
    return (int(found["total"]) if found else len(body)), body
