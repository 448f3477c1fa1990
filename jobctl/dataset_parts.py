"""The objects of a dataset that has many: those below a prefix, or those that a manifest names.

As the job finds them; what it checks besides, it tells by itself when it runs.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from functions.shared.job import InvalidJobError
from jobctl.errors import UnknownDatasetError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# As many as one job reads.
MAX_PARTS = 10_000


@dataclass(frozen=True, slots=True)
class Part:
    """One object, and how long it is."""

    bucket: str
    key: str
    size_bytes: int


def has_parts(dataset: Any) -> bool:
    return isinstance(dataset, dict) and bool({"prefix", "manifest"} & dataset.keys())


def parts_of(s3: "S3Client", dataset: Mapping[str, Any], data_bucket: str) -> list[Part]:
    """The objects of *dataset*, in their order and without empty ones.

    Raises:
        InvalidJobError: The payload names none or too many, or what it names is no manifest.
        UnknownDatasetError: Nothing is there.
    """
    kind = "manifest" if "manifest" in dataset else "prefix"
    value = dataset[kind]
    if not isinstance(value, str) or not value:
        raise InvalidJobError(f"payload.dataset.{kind} must be a text")
    if kind == "manifest":
        found = list(_named(s3, data_bucket, value))
    else:
        found = list(islice(_below(s3, data_bucket, value), MAX_PARTS + 1))
        if not found:
            raise UnknownDatasetError("payload.dataset.prefix: no object is below it")
    if len(found) > MAX_PARTS:
        raise InvalidJobError(
            f"payload.dataset.{kind}: it has more than {MAX_PARTS:,} objects, which one job reads: "
            "submit several, each as a job of its own"
        )
    return [part for part in found if part.size_bytes]


def _below(s3: "S3Client", data_bucket: str, prefix: str) -> Iterator[Part]:
    bucket = data_bucket
    if prefix.startswith("s3://"):
        bucket, _, prefix = prefix.removeprefix("s3://").partition("/")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    for found in (found for page in pages for found in page.get("Contents", ())):
        name = found["Key"].rpartition("/")[2]
        if name and not name.startswith(("_", ".")):
            yield Part(bucket, found["Key"], found["Size"])


def _named(s3: "S3Client", data_bucket: str, key: str) -> Iterator[Part]:
    body = s3.get_object(Bucket=data_bucket, Key=key)["Body"].read()
    try:
        for part in json.loads(body)["parts"]:
            yield Part(data_bucket, str(part["key"]), int(part["bytes"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise InvalidJobError(
            "payload.dataset.manifest is no manifest: name the _manifest.json that a data-pipeline"
            " wrote"
        ) from None
