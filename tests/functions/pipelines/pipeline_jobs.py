"""A `data-pipeline` job as its tests run it: objects, a table and an API in memory."""

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self

import pytest
from aws_durable_execution_sdk_python_testing.executor import Executor

from functions.pipelines import pipeline_services, pipeline_stages, stage_work
from functions.pipelines.data_pipeline import handler
from functions.pipelines.dataset_item import from_attribute, to_attribute
from functions.pipelines.dataset_table import Row
from functions.pipelines.http_source import Page, Pause
from functions.pipelines.pipeline_request import EndpointSource
from functions.pipelines.processor import DownstreamThrottledError
from functions.shared import durable_job as job_function
from functions.shared.job import JobError, JobStatus
from tests.functions.executions import Ended, execute
from tests.functions.job_table_rows import Rows, any_job
from tests.functions.orders.crash_points import CrashPoints, Passage
from tests.functions.pipelines.fake_objects import FakeObjects

JOB = "job-1"
JOB_TYPE = "data-pipeline"
# A Saturday morning; the quiet hour of the tests' payload is over.
NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)
PART = 1_000
INCOMING = "incoming/products.jsonl"


def product(number: int, **fields: Any) -> dict[str, Any]:
    """A product as a shop sends it."""
    known = {"sku": f"sku-{number:05}", "name": f"Tea {number}", "price": 1.5, "currency": "EUR"}
    return known | fields


def products(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [product(number) for number in range(first, first + count)]


def as_jsonl(records: Iterable[Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def as_csv(records: Sequence[Mapping[str, Any]]) -> bytes:
    lines = [",".join(records[0])] + [",".join(map(str, each.values())) for each in records]
    return "\r\n".join([*lines, ""]).encode()


def any_payload(**fields: Any) -> dict[str, Any]:
    """Products in JSON Lines go into the table, at once."""
    known: dict[str, Any] = {
        "source": INCOMING,
        "transform": "normalize-products",
        "destination": {"table": "products"},
        "off_peak": False,
        "part_records": PART,
    }
    return known | fields


@dataclass
class FakeTable:
    """The table of datasets in memory; what it keeps went through DynamoDB's types."""

    items: dict[tuple[str, str], tuple[Any, str]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    # How often each record was written.
    writes: Counter[str] = field(default_factory=Counter)
    # Whether the next call is turned away, by its method.
    is_throttled: Callable[[str], bool] = lambda _method: False

    def write(self, dataset: str, rows: Iterable[Row]) -> None:
        self._begin("write")
        for row in rows:
            self.items[dataset, row.key] = to_attribute(row.record), row.source
            self.writes[row.key] += 1

    def rows(self, dataset: str, keys: Iterable[str]) -> dict[str, Row]:
        self._begin("rows")
        found = {}
        for key in keys:
            if (dataset, key) in self.items:
                record, source = self.items[dataset, key]
                found[key] = Row(key, from_attribute(record), source)
        return found

    def _begin(self, method: str) -> None:
        self.calls[method] += 1
        if self.is_throttled(method):
            raise DownstreamThrottledError("DynamoDB wants to be called more slowly")

    def clear(self) -> None:
        self.items.clear()
        self.calls.clear()
        self.writes.clear()


@dataclass
class FakePages:
    """An API with some pages; the cursor is the page's number. *pauses* come before a page."""

    pages: Sequence[Sequence[Any]] = ()
    pause_seconds: float | None = None
    fetched: list[str | None] = field(default_factory=list)
    # What is answered instead, the first times that somebody asks.
    instead: list[Pause | Exception] = field(default_factory=list)

    def fetch(self, cursor: str | None) -> Page | Pause:
        self.fetched.append(cursor)
        if self.instead:
            answer = self.instead.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        number = int(cursor or 0)
        following = str(number + 1) if number + 1 < len(self.pages) else None
        return Page(list(self.pages[number]), following, self.pause_seconds)


@dataclass
class PipelineJobs:
    """One job, run as often as a test likes."""

    rows: Rows
    monkeypatch: pytest.MonkeyPatch
    objects: FakeObjects = field(default_factory=FakeObjects)
    table: FakeTable = field(default_factory=FakeTable)
    pages: FakePages = field(default_factory=FakePages)
    # The API as the job sees it, which may be watched.
    api: Any = None
    naps: list[float] = field(default_factory=list)
    now: datetime = NOW

    @classmethod
    def open(cls, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> Self:
        jobs = cls(rows, monkeypatch)
        jobs.api = jobs.pages
        settings = replace(job_function.settings, job_type=JOB_TYPE)
        monkeypatch.setattr(job_function, "settings", settings)
        monkeypatch.setattr(pipeline_services, "objects", jobs.objects)
        monkeypatch.setattr(pipeline_services, "table", jobs.table)
        monkeypatch.setattr(pipeline_services, "pages_of", jobs.pages_of)
        monkeypatch.setattr(stage_work, "utc_now", lambda: jobs.now)
        monkeypatch.setattr(pipeline_stages, "utc_now", lambda: jobs.now)
        monkeypatch.setattr(stage_work, "nap", jobs.naps.append)
        return jobs

    def pages_of(self, _source: EndpointSource) -> Any:
        return self.api

    def run(self, **payload: Any) -> Ended:
        """Submit the job and run its first attempt."""
        self.submit(**payload)
        return self.attempt(1)

    def submit(self, *, created_at: str | None = None, **payload: Any) -> None:
        job = any_job(JOB, job_type=JOB_TYPE, payload=json.dumps(any_payload(**payload)))
        self.rows.submit(job if created_at is None else replace(job, created_at=created_at))

    def attempt(self, number: int) -> Ended:
        return execute(handler, {"attempt": number, "job_id": JOB, "job_type": JOB_TYPE})

    def retry(self) -> Ended:
        """End the attempt that was cut off, as the recorder does it, and run another one."""
        if self.row["status"] == "processing":
            self.stop()
        now = datetime.now(UTC)
        return self.attempt(job_function.jobs.retry(JOB, now).attempt)

    def stop(self) -> None:
        """End the attempt's row, as the recorder does for an execution that was stopped."""
        row = self.row
        job_function.jobs.end(
            JOB,
            int(row["attempt"]),
            JobStatus.CANCELLED,
            JobError("execution_stopped", "by hand"),
            datetime.now(UTC),
            execution_arn=row["execution_arn"],
        )

    def start_over(self) -> None:
        """Back to where nothing was submitted."""
        self.rows.clear()
        self.table.clear()
        self.pages.fetched.clear()
        self.naps.clear()
        for key in [key for key in self.objects.written if not key.startswith("incoming/")]:
            self.objects.remove(key)
        self.objects.calls.clear()

    @property
    def row(self) -> dict[str, Any]:
        return self.rows.peek(JOB)

    @property
    def result(self) -> dict[str, Any]:
        result: dict[str, Any] = json.loads(self.row["result"])
        return result

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = self.row["error"]
        return error

    def keys(self, *parts: str) -> list[str]:
        """What was made, below the folder of the run or below another one."""
        return sorted(key for key in self.objects.written if all(part in key for part in parts))

    def lines(self, key: str) -> list[Any]:
        return [json.loads(line) for line in self.objects.body(key).splitlines()]

    @property
    def rejects(self) -> list[Any]:
        [key] = self.keys("results/", "rejects.jsonl")
        return self.lines(key)


@dataclass(frozen=True)
class Left:
    """What is left of a job; two that went the same way left the same."""

    status: str
    result: str | None
    error: Any
    objects: dict[str, tuple[bytes, Any]]
    items: dict[Any, Any]


@dataclass
class Deaths:
    """Kills the process of a job at each point that it passes."""

    jobs: PipelineJobs
    payload: Mapping[str, Any]

    def __post_init__(self) -> None:
        self.points = CrashPoints()
        patch = self.jobs.monkeypatch
        self.points.watch_service(patch, pipeline_services, "objects")
        self.points.watch_service(patch, pipeline_services, "table")
        self.points.watch_service(patch, self.jobs, "api")
        self.points.watch_service(patch, job_function, "jobs")
        self.points.watch_checkpoints(patch)

    def undisturbed(self) -> tuple[Left, list[Passage]]:
        left = self.dying_at(None)
        return left, list(self.points.passages)

    def dying_at(self, point: Passage | None) -> Left:
        """A job whose process dies once, and is invoked again."""
        self.start_over()
        self.points.expect(point)
        self.jobs.run(**self.payload)
        assert self.points.has_killed is (point is not None)
        return self.left

    def interrupted(self, point: Passage) -> None:
        """A first attempt that dies at *point* and never comes back."""
        self.start_over()
        self.points.expect(point, for_good=True)
        with self.jobs.monkeypatch.context() as patch:
            patch.setattr(Executor, "MAX_CONSECUTIVE_FAILED_ATTEMPTS", 0)
            self.jobs.run(**self.payload)
        assert self.points.has_killed
        self.points.expect(None)

    def start_over(self) -> None:
        self.points.expect(None)
        self.jobs.start_over()

    @property
    def left(self) -> Left:
        row = self.jobs.row
        return Left(
            row["status"],
            row.get("result"),
            row.get("error"),
            {
                key: (stored.body, dict(stored.metadata))
                for key, stored in self.jobs.objects.written.items()
            },
            dict(self.jobs.table.items),
        )


def gzipped(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)
