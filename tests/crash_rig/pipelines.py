"""Jobs over datasets on the rig: each with a dataset of its own, and all that it makes of it."""

import gzip
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any

import boto3

from functions.shared import names
from functions.shared.job_table import JobTable
from functions.shared.question_table import now
from tests.crash_rig.datasets import Dataset
from tests.crash_rig.passages import Death
from tests.crash_rig.rig import (
    DATA_BUCKET,
    DATASET_TABLE,
    JOB_TABLE,
    Ended,
    Function,
    Rig,
)
from tests.crash_rig.survival import Trace, as_text, numbered, take_items
from tests.crash_rig.web_api import WebApi
from tests.functions.job_table_rows import Rows, any_job
from tests.functions.question_items import KeyedTable

FUNCTIONS = {
    "batch-processing": Function(
        "functions.pipelines.batch_processing.handler", late=("tests.crash_rig.small_chunks",)
    ),
    "batch-shard": Function("functions.pipelines.batch_shard.handler"),
    "data-pipeline": Function("functions.pipelines.data_pipeline.handler"),
}

# What is measured is another figure each time: of the time, of memory, of how long numbers are.
_MEASURES = (
    "seconds",
    "worker_seconds",
    "dollars",
    "peak_memory_mib",
    "seconds_percent",
    "worker_seconds_percent",
    "dollars_percent",
    "checkpoint_bytes",
    "checkpoint_bytes_percent",
)
_MEASURED = re.compile(rf'(\\*"(?:{"|".join(_MEASURES)})\\*": ?)[-+.\de]+')
# In a part's summary it is the milliseconds and the MiB behind the kinds of failures; at its end
# is the digest of keys that begin with the job's id.
_MEASURED_OF_PART = re.compile(
    r'(\}), ?\d+, ?\d+(, ?\d+(?:, ?\\*"\d+:)?)(?:[0-9a-f]{16})?(\\*"?\])'
)
# What begins the keys of a run's records, which is derived from the job's id among others.
_ROOT = re.compile(r"JOB-[0-9a-f]{12}(?=-)")
_RUN = re.compile(r"^(?:results|work|datasets)/[^/]+/([0-9a-f]{16})/")
# What differs where records are named after their job.
_OF_CONTENT = {
    "HASH": r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])",
    "SUM": r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])",
    "DIGEST": r"(?<=\d:)[0-9a-f]{16}(?![0-9a-f])",
}
_BUCKET = re.compile(r"(products)#[0-9a-f]{2}")


# In whose metadata this is, that is written once, whoever dies after that.
_SUMMARY = "summary"
_COUNTS = ("outcome", "records", "succeeded", "failed", "rejected", "failures")
_REFUSED = ("/failed.jsonl", "/rejects.jsonl")


class Place(StrEnum):
    """Where a job is to leave its records."""

    PARTS = "parts"
    TABLE = "table"
    DATASET = "dataset"
    MAILBOX = "mailbox"


@dataclass(frozen=True, slots=True)
class Facts:
    """What counts of a job over a dataset.

    *told* is what the result counts. *written* is how often parts and manifests were, *kept* how
    many records are where they belong, *refused* each one that is not, by where it began and why.
    """

    row: str
    error: str | None = None
    told: Mapping[str, Any] | None = None
    written: int = 0
    kept: int = 0
    missing: int = 0
    twice: int = 0
    strange: int = 0
    refused: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """A job over a dataset, what it is to do with it, and how it must end.

    Some records may be *refused* by whom they are posted to, as often as there are *refusals*; one
    that *fails first* does so by them, in an attempt before the one that is looked at.

    Both are made for the job of an id: where jobs share a destination, the *content* is each
    job's *own*, its records named after it.
    """

    name: str
    job_type: str
    dataset: Callable[[str], Dataset]
    payload: Callable[[str], Mapping[str, Any]]
    place: Place
    facts: Facts
    suffix: str = "jsonl"
    refused: frozenset[str] = frozenset()
    refusals: int = 0
    fails_first: bool = False
    is_content_own: bool = False
    in_order_until: str | None = None

    def __str__(self) -> str:
        return self.name


class Pipelines:
    """Submits jobs on a rig, and clears away what they leave."""

    def __init__(self, rig: Rig, api: WebApi) -> None:
        self._rig = rig
        self._api = api
        self._s3 = boto3.client("s3")
        self._s3.create_bucket(
            Bucket=DATA_BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        # Not as in AWS: so that it shows how often each object was written.
        self._s3.put_bucket_versioning(
            Bucket=DATA_BUCKET, VersioningConfiguration={"Status": "Enabled"}
        )
        self._dynamodb = boto3.client("dynamodb")
        self._rows = Rows.create(self._dynamodb, JOB_TABLE)
        KeyedTable.create(self._dynamodb, DATASET_TABLE)
        self._ssm = boto3.client("ssm")

    def run(
        self, scenario: Scenario, job_id: str, death: Death | None = None
    ) -> tuple[Ended, Trace]:
        """One job from its submission to its end; its last attempt has the death."""
        dataset = scenario.dataset(job_id)
        key = f"incoming/{job_id}.{scenario.suffix}"
        self._s3.put_object(Bucket=DATA_BUCKET, Key=key, Body=dataset.body)
        path = f"/{job_id}"
        self._api.pages[path] = dataset.pages
        endpoint = f"{names.endpoints_path('test')}{path}"
        purpose = "source" if scenario.job_type == "data-pipeline" else "call"
        told = json.dumps({"url": f"{self._api.url}{path}", "for": purpose})
        self._ssm.put_parameter(Name=endpoint, Type="String", Value=told)
        payload = json.dumps(scenario.payload(job_id))
        self._rows.submit(any_job(job_id, job_type=scenario.job_type, payload=payload))
        self._api.refused[path] = scenario.refused
        self._api.refusals[path] = scenario.refusals
        if scenario.fails_first:
            self._fail_first(scenario, job_id)
            ended = self._rig.run(scenario.job_type, job_id, death, attempt=2)
        else:
            ended = self._rig.run(scenario.job_type, job_id, death)
        self._ssm.delete_parameter(Name=endpoint)
        left = {
            "objects": self._take_objects(job_id),
            "items": take_items(self._dynamodb, DATASET_TABLE, job_id),
            "posted": self._api.posted.pop(path, {}),
        }
        row = self._rows.get(job_id)
        return ended, Trace(
            _told(scenario, job_id, ended, row, left), _facts(scenario, dataset, ended, row, left)
        )

    def run_alone(self, scenario: Scenario, job_id: str) -> tuple[Ended, Trace]:
        """One job that nothing disturbs."""
        return self.run(scenario, job_id)

    def left_over(self) -> list[Any]:
        """What belongs to no job, or came after its job's end."""
        items = self._dynamodb.scan(TableName=DATASET_TABLE)["Items"]
        return [*items, *self._versions(), *self._api.posted]

    def _fail_first(self, scenario: Scenario, job_id: str) -> None:
        """The first attempt, which nobody disturbs, fails by records that later are welcome."""
        failed = self._rig.run(scenario.job_type, job_id)
        assert failed.status == "FAILED", failed.result
        self._api.refusals[f"/{job_id}"] = 0
        JobTable(self._dynamodb, JOB_TABLE).retry(job_id, now())

    def _versions(self) -> Iterator[tuple[str, str]]:
        """Every version of every object, the newest of each first."""
        pages = self._s3.get_paginator("list_object_versions").paginate(Bucket=DATA_BUCKET)
        for page in pages:
            for each in page.get("Versions", []):
                yield each["Key"], each["VersionId"]

    def _take_objects(self, job_id: str) -> dict[str, Any]:
        """Everything of the job's in the data bucket, where it is no more after that."""
        found: dict[str, Any] = {}
        for key, version in list(self._versions()):
            if job_id not in key:
                continue
            if key not in found:
                found[key] = self._read(key, version)
            if _SUMMARY in found[key]["metadata"]:
                found[key]["written"] += 1
            self._s3.delete_object(Bucket=DATA_BUCKET, Key=key, VersionId=version)
        return found

    def _read(self, key: str, version: str) -> dict[str, Any]:
        stored = self._s3.get_object(Bucket=DATA_BUCKET, Key=key, VersionId=version)
        body = stored["Body"].read()
        if key.endswith(".gz"):
            body = gzip.decompress(body)
        return {
            "lines": body.decode("utf-8", "backslashreplace").splitlines(),
            "metadata": stored["Metadata"],
            "type": stored["ContentType"],
            # Of what is its own ledger: what is there is not made again. The rest may be.
            "written": 0,
        }


def _told(
    scenario: Scenario, job_id: str, ended: Ended, row: Mapping[str, Any], left: Mapping[str, Any]
) -> str:
    # A key that is posted twice is one, and its bodies are the same or differ.
    posted = {key: sorted(set(bodies)) for key, bodies in left["posted"].items()}
    runs = {found[1] for key in left["objects"] if (found := _RUN.search(key))}
    # Objects are in the order of their keys, and so of the runs' names.
    objects = [[_named(key, runs), each] for key, each in left["objects"].items()]
    objects.sort(key=lambda each: each[0])
    # By their own key: their partitions are hashes.
    items = sorted(left["items"], key=lambda item: item[names.ITEM_SORT_KEY]["S"])
    everything = {"objects": objects, "items": items, "posted": posted}
    text = as_text(job_id, ended, row, everything)
    text = _ROOT.sub("ROOT", _named(text, runs))
    text = _MEASURED_OF_PART.sub(r"\1, ANY\2\3", _MEASURED.sub(r"\1ANY", text))
    if scenario.is_content_own:
        text = _BUCKET.sub(r"\1#BUCKET", text)
        for name, pattern in _OF_CONTENT.items():
            text = numbered(text, pattern, name)
    return text


def _named(text: str, runs: Iterable[str]) -> str:
    """*text* with the name of the only run, which is derived from the job's id among others."""
    for run in runs:
        text = text.replace(run, "RUN")
    return text


def _facts(
    scenario: Scenario,
    dataset: Dataset,
    ended: Ended,
    row: Mapping[str, Any],
    left: Mapping[str, Any],
) -> Facts:
    found = list(_found(scenario.place, left))
    result = ended.result or {}
    # Of the last attempt.
    refused = max((key for key in left["objects"] if key.endswith(_REFUSED)), default=None)
    told = {name: result[name] for name in _COUNTS if name in result}
    return Facts(
        row=row["status"],
        error=row["error"]["type"] if row.get("error") else None,
        told=told or None,
        written=sum(each["written"] for each in left["objects"].values()),
        kept=len(dataset.good & set(found)),
        missing=len(dataset.good - set(found)),
        twice=len(found) - len(set(found)),
        strange=len(set(found) - dataset.good),
        refused=tuple(
            sorted(
                (_place_of(record, dataset), record["error"])
                for record in map(json.loads, left["objects"][refused]["lines"] if refused else ())
            )
        ),
    )


def _place_of(refused: Mapping[str, Any], dataset: Dataset) -> int:
    """Where in its dataset a refused record began."""
    if refused.get("stage") == "transform":
        return dataset.offsets[refused["record"]["sku"]]
    return int(refused.get("offset", refused.get("at", -1)))


def _found(place: Place, left: Mapping[str, Any]) -> Iterable[str]:
    """The keys of all records in that place, as often as they are there."""
    if place is Place.TABLE:
        for item in left["items"]:
            key = item[names.ITEM_SORT_KEY]["S"]
            bucket = item[names.ITEM_KEY]["S"].partition("#")[2]
            is_in_place = bucket == f"{sha256(key.encode()).digest()[0]:02x}"
            yield key if is_in_place else f"{key} in {bucket}"
    elif place is Place.MAILBOX:
        for bodies in left["posted"].values():
            yield from (json.loads(body)["id"] for body in set(bodies))
    else:
        for key, each in left["objects"].items():
            is_there = "/processed/" in key if place is Place.PARTS else key.startswith("datasets/")
            if is_there and key.endswith(".jsonl"):
                yield from (json.loads(line)["sku"] for line in each["lines"])
