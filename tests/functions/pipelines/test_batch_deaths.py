"""A batch whose process dies at each point there is, once, or for good and is then retried.

What the points are, an undisturbed run shows: before and after each call of the bucket, of the
destination and of the job's row, and each checkpoint, in the job and in its shards.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from aws_durable_execution_sdk_python_testing.executor import Executor

from functions.pipelines import batch_worker, progress_notes
from functions.pipelines.processor import Task
from functions.pipelines.records import RecordRefusedError
from tests.functions.job_table_rows import Rows
from tests.functions.orders.crash_points import CrashPoints, Moment, Passage
from tests.functions.pipelines.batch_jobs import BatchJobs, Destination, products

pytestmark = pytest.mark.matrix

COUNT = 24
REFUSED_BY_SCHEMA = (5, 20)
REFUSED_BY_DESTINATION = "sku-9"
# What differs between two runs that went the same way.
MEASURED = ("actual", "off_by", "failed_records", "report")
# Calls of the destination for one chunk, at most: what may be repeated of one that died.
CALLS_OF_CHUNK = 8


class WatchedDestination(Destination):
    """Each of its calls is a point to die at, on both sides."""

    points: CrashPoints

    def __call__(self, tasks: Sequence[Task]) -> None:
        self.points.passed(Moment.BEFORE, "the call of the destination", method="call")
        try:
            super().__call__(tasks)
        finally:
            self.points.passed(Moment.AFTER, "the call of the destination", method="call")


def refuse(tasks: Sequence[Task]) -> None:
    if any(task.record["sku"] == REFUSED_BY_DESTINATION for task in tasks):
        raise RecordRefusedError("sold_out", "no more of it")


@dataclass
class Deaths:
    """One batch, killed at every point that it passes."""

    jobs: BatchJobs
    monkeypatch: pytest.MonkeyPatch
    points: CrashPoints = field(default_factory=CrashPoints)

    def __post_init__(self) -> None:
        destination = WatchedDestination(rule=refuse)
        destination.points = self.points
        self.jobs.destination = self.destination = destination
        self.points.watch_service(self.monkeypatch, batch_worker, "objects")
        self.points.watch_service(self.monkeypatch, batch_worker, "jobs")
        self.points.watch_checkpoints(self.monkeypatch)
        self.monkeypatch.setattr(progress_notes, "seconds_between_notes", lambda _shards: 0)

    def undisturbed(self) -> tuple[dict[str, Any], int, list[Passage]]:
        self.run(None)
        return self.outcome(1), len(self.destination.calls), list(self.points.passages)

    def run(self, point: Passage | None, *, for_good: bool = False) -> None:
        self.jobs.rows.clear()
        for key in self.jobs.objects.written:
            self.jobs.objects.remove(key)
        self.destination.calls.clear()
        self.destination.taken.clear()
        self.points.expect(point, for_good=for_good)
        self.jobs.run(products(COUNT, refused=REFUSED_BY_SCHEMA), tolerated_failures_percent=13)

    def outcome(self, attempt: int) -> dict[str, Any]:
        row = self.jobs.row
        if row["status"] != "completed":
            return {"status": row["status"], "error": row.get("error")}
        result = {name: it for name, it in self.jobs.result.items() if name not in MEASURED}
        return {
            "result": result,
            "processed": self.jobs.parts("processed"),
            "failed": self.jobs.failed_records(attempt),
            "taken": sorted(self.destination.taken.items()),
        }


@pytest.fixture
def deaths(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deaths]:
    # Hundreds of deaths are logged with their traces; writing them takes longer than dying.
    logging.disable()
    yield Deaths(BatchJobs(rows, monkeypatch), monkeypatch)
    logging.disable(logging.NOTSET)


# Trees die in processes of their own besides, in tests/crash_rig.
IN_SOAK = pytest.mark.soak


@pytest.mark.parametrize(
    "shards", [pytest.param(0, id="one execution"), pytest.param(2, id="a tree", marks=IN_SOAK)]
)
def test_wherever_a_process_dies_every_record_is_counted_once(deaths: Deaths, shards: int) -> None:
    deaths.jobs.cut(650, shards=shards)
    baseline, calls, passages = deaths.undisturbed()
    wrong: dict[str, Any] = {}

    for point in passages:
        deaths.run(point)
        outcome = deaths.outcome(1)
        if not deaths.points.has_killed:
            wrong[str(point)] = "was not killed"
        elif outcome != baseline:
            wrong[str(point)] = outcome
        elif len(deaths.destination.calls) > calls + CALLS_OF_CHUNK:
            wrong[str(point)] = f"{len(deaths.destination.calls)} calls and not {calls}"

    assert baseline["result"]["records"] == COUNT
    assert baseline["result"]["failures"] == {"schema": 2, "sold_out": 1}
    assert len(baseline["processed"]) == 3
    assert len(passages) > 80
    assert wrong == {}


# In a tree most points are those of one execution again, in a shard.
@pytest.mark.parametrize(
    ("shards", "every"),
    [pytest.param(0, 1, id="one execution"), pytest.param(2, 3, id="a tree", marks=IN_SOAK)],
)
def test_wherever_an_attempt_ends_the_next_one_counts_every_record_once(
    deaths: Deaths, shards: int, every: int
) -> None:
    deaths.jobs.cut(650, shards=shards)
    baseline, _, passages = deaths.undisturbed()
    wrong: dict[str, Any] = {}

    for point in passages[::every]:
        with deaths.monkeypatch.context() as patch:
            patch.setattr(Executor, "MAX_CONSECUTIVE_FAILED_ATTEMPTS", 0)
            deaths.run(point, for_good=True)
        deaths.points.expect(None)
        # Once the row says that it is completed there is nothing to retry.
        attempt = 1
        if deaths.jobs.row["status"] not in {"completed", "pending"}:
            deaths.jobs.retry()
            attempt = 2
        elif deaths.jobs.row["status"] == "pending":
            deaths.jobs.attempt(1)
        if deaths.outcome(attempt) != baseline:
            wrong[str(point)] = deaths.outcome(attempt)

    assert wrong == {}
