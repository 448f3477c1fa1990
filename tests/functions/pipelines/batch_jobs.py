"""Batches in AWS's in-process runner: their datasets in memory, their destination, their rows."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import ceil, inf
from typing import Any

import pytest
from aws_durable_execution_sdk_python_testing.runner import StepOperation

from functions.pipelines import batch_processing, batch_shard, batch_steps, batch_worker
from functions.pipelines.processor import Call, Processor, Task
from functions.pipelines.processors import PROCESSORS
from functions.shared import durable_job as job_function
from functions.shared.batch_plan import DatasetSize, Plan, Prediction, Wishes
from functions.shared.job import JobError, JobStatus
from tests.functions.executions import Callees, Ended, execute
from tests.functions.job_table_rows import Rows, any_job
from tests.functions.pipelines.fake_objects import FakeObjects

JOB = "batch-1"
JOB_TYPE = "batch-processing"
KEY = "incoming/products.jsonl"
PREDICTED = Prediction(
    operations=10,
    largest_execution_operations=10,
    checkpoint_bytes=1_000,
    largest_execution_bytes=1_000,
    seconds=2.0,
    worker_seconds=1.0,
    dollars=0.001,
    meets_target=True,
)


def product(number: int, **fields: Any) -> dict[str, Any]:
    """A product that `normalize-products` takes."""
    return {"sku": f"sku-{number}", "name": "Tea", "price": 1.5, "currency": "EUR"} | fields


def lines(*records: Any) -> bytes:
    """As JSON Lines."""
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def products(count: int, *, refused: Sequence[int] = ()) -> bytes:
    """The products 0 to *count* - 1, those *refused* at a price below nothing."""
    numbers = range(count)
    return lines(*(product(n, price=-1 if n in refused else 1.5) for n in numbers))


def parsed(body: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in body.splitlines()]


class LostAnswerError(ConnectionError):
    """The call was done, and nobody heard of it."""


@dataclass
class Destination:
    """What processors call: knows tasks by their keys, and fails as it is told."""

    batch_size: int = 4
    # What the next calls raise instead of being done.
    outcomes: list[Exception | None] = field(default_factory=list)
    # Called with the tasks of each call; may raise.
    rule: Callable[[Sequence[Task]], None] | None = None
    calls: list[tuple[str, ...]] = field(default_factory=list)
    taken: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __call__(self, tasks: Sequence[Task]) -> None:
        with self._lock:
            self.calls.append(tuple(task.key for task in tasks))
            error = self.outcomes.pop(0) if self.outcomes else None
        if error is not None:
            raise error
        if self.rule is not None:
            self.rule(tasks)
        with self._lock:
            self.taken.update({task.key: task.record for task in tasks})

    @property
    def skus(self) -> Counter[str]:
        """How many keys each product was taken under."""
        return Counter(str(record["sku"]) for record in self.taken.values())


@dataclass
class PatientTime:
    """A clock that goes on by sleeping only, which takes no time."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds
            self.slept.append(seconds)


def cut(
    chunk_bytes: int, *, shards: int = 0, at_once: int = 1, workers: int = 2
) -> Callable[..., Plan]:
    """A planner that cuts as a test wants it."""

    def plan(size: DatasetSize, wishes: Wishes, *, fixed_chunks: int | None = None) -> Plan:
        del wishes
        chunks = fixed_chunks or ceil(size.size_bytes / chunk_bytes)
        return Plan(
            size_bytes=size.size_bytes,
            chunk_bytes=0 if fixed_chunks else chunk_bytes,
            chunks=chunks,
            shards=shards if chunks else 0,
            workers=workers,
            chunks_at_once=at_once,
            predicted=PREDICTED,
        )

    return plan


class OneAtATime:
    """Calls a service from one thread at a time: moto loses writes that come together."""

    def __init__(self, service: Any) -> None:
        self._service = service
        self._lock = threading.Lock()

    def __getattr__(self, method: str) -> Callable[..., Any]:
        do = getattr(self._service, method)

        def call(*args: Any, **kwargs: Any) -> Any:
            with self._lock:
                return do(*args, **kwargs)

        return call


def retries_of_chunks(ended: Ended) -> int:
    """How often chunks were repeated."""
    return sum(
        operation.attempt - 1
        for operation in ended.result.get_all_operations()
        if isinstance(operation, StepOperation) and operation.name == "process-chunk"
    )


class BatchJobs:
    """Batches, run as often as a test likes."""

    def __init__(self, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows = rows
        self.objects = FakeObjects()
        self.destination: Destination | None = None
        self._patch = monkeypatch
        self.cut(1024)
        # The seconds that an invocation has left, asked again and again.
        self.seconds_left: Callable[[], float] = lambda: inf
        settings = replace(job_function.settings, job_type=JOB_TYPE)
        monkeypatch.setattr(job_function, "settings", settings)
        monkeypatch.setattr(batch_worker, "objects", self.objects)
        monkeypatch.setattr(batch_worker, "jobs", OneAtATime(batch_worker.jobs))
        monkeypatch.setattr(batch_worker, "processor_named", self._processor)
        monkeypatch.setattr(batch_worker, "_time_left", lambda _context: self._seconds_left)
        self.shard = batch_shard.handler
        self.time = PatientTime()
        monkeypatch.setattr(batch_worker, "clock", self.time.clock)
        monkeypatch.setattr(batch_worker, "sleep", self.time.sleep)

    def _seconds_left(self) -> float:
        return self.seconds_left()

    def cut(self, chunk_bytes: int, **more: int) -> None:
        """From here on, cut so."""
        self._patch.setattr(batch_steps, "plan", cut(chunk_bytes, **more))

    def _processor(self, name: str, endpoint: str | None, source: str) -> Processor:
        del endpoint, source
        recipe = PROCESSORS[name]
        call: Call | None = self.destination
        return Processor(replace(recipe.transform, name=name), call, recipe.keeps_output)

    def run(self, body: bytes | None = None, *, key: str = KEY, **payload: Any) -> Ended:
        """Submit a batch over *body* and run its first attempt."""
        if body is not None:
            self.objects.store(key, body)
        asked = {"dataset": key, "processor": "normalize-products"} | payload
        self.rows.submit(any_job(JOB, job_type=JOB_TYPE, payload=json.dumps(asked)))
        return self.attempt(1)

    def attempt(self, number: int) -> Ended:
        start = {"attempt": number, "job_id": JOB, "job_type": JOB_TYPE}
        shards = Callees(durable={"batch-shard": self.shard})
        return execute(batch_processing.handler, start, callees=shards)

    def retry(self) -> Ended:
        """Run the next attempt; one that was cut off is ended first, as the recorder does it."""
        now = datetime.now(UTC)
        row = self.row
        if row["status"] == "processing":
            job_function.jobs.end(
                JOB,
                int(row["attempt"]),
                JobStatus.CANCELLED,
                JobError("execution_stopped", "by hand"),
                now,
                execution_arn=row["execution_arn"],
            )
        return self.attempt(job_function.jobs.retry(JOB, now).attempt)

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

    def parts(self, kind: str) -> dict[str, bytes]:
        """The *processed* or *failed* parts, by the end of their keys."""
        return {
            key.rpartition("/")[2]: stored.body
            for key, stored in sorted(self.objects.written.items())
            if f"/{kind}/part-" in key
        }

    @property
    def processed(self) -> list[str]:
        """The products in the processed parts."""
        return [it["sku"] for body in self.parts("processed").values() for it in parsed(body)]

    def failed_records(self, attempt: int = 1) -> list[dict[str, Any]]:
        return parsed(self.objects.body(f"results/{JOB}/attempt-{attempt}/failed.jsonl"))

    @contextmanager
    def watching(self) -> Iterator[Counter[str]]:
        """Count the calls of objects by method, from here on."""
        counted: Counter[str] = Counter()
        before = len(self.objects.calls)
        yield counted
        counted.update(call.method for call in self.objects.calls[before:])
