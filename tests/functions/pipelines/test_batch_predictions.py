"""What a batch was predicted to take, beside what it took: of an honest dataset nearly the same.

Its processor does as many records a second as the plan was told, on a clock that only it moves.
"""

import itertools
import json
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aws_durable_execution_sdk_python.lambda_service import OperationUpdate
from aws_durable_execution_sdk_python_testing.client import InMemoryServiceClient

from functions.pipelines import batch_report, batch_steps, batch_worker
from functions.pipelines.dataset_table import BUCKETS, DatasetTable, Row, bucket_of
from functions.pipelines.processor import Task
from functions.shared import batch_plan, prices
from functions.shared.job import timestamp
from functions.shared.prices import Usage
from local.execution_limits import size_of
from tests.functions.job_table_rows import Rows, any_job
from tests.functions.pipelines.batch_jobs import (
    JOB,
    JOB_TYPE,
    KEY,
    BatchJobs,
    Destination,
    PatientTime,
    product,
    products,
)

RECORDS = 10_000
# Few, so that all that a plan knows of AWS's own time is little beside them.
RECORDS_PER_SECOND = 20
# So few that a plan shares out even 10,000 of them.
SLOW = 8


@pytest.fixture
def jobs(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> BatchJobs:
    """Batches that are planned as in earnest, and whose clock goes with the work."""
    jobs = BatchJobs(rows, monkeypatch)
    monkeypatch.setattr(batch_steps, "plan", batch_plan.plan)
    began = datetime.now(UTC)
    monkeypatch.setattr(
        batch_steps, "utc_now", lambda: began + timedelta(seconds=jobs.time.clock())
    )

    jobs.destination = Destination(batch_size=100)
    return jobs


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[OperationUpdate]:
    """All that is checkpointed, as the service sees it."""
    seen: list[OperationUpdate] = []
    checkpoint = InMemoryServiceClient.checkpoint

    def watched(client: InMemoryServiceClient, **request: Any) -> Any:
        seen.extend(request["updates"])
        return checkpoint(client, **request)

    monkeypatch.setattr(InMemoryServiceClient, "checkpoint", watched)
    return seen


def run(
    jobs: BatchJobs,
    *,
    records_per_second: int = RECORDS_PER_SECOND,
    told: int | None = None,
    **payload: Any,
) -> dict[str, Any]:
    """A batch at so many records a second; *told* is how many its payload says."""

    def work(tasks: Sequence[Task]) -> None:
        jobs.time.sleep(len(tasks) / records_per_second)

    assert jobs.destination is not None
    jobs.destination.rule = work
    body = None if "dataset" in payload else products(RECORDS)
    assert jobs.run(body, records_per_second=told or records_per_second, **payload).succeeded
    return jobs.result


def load(table: DatasetTable) -> None:
    """Fill the table with two products in each of its partitions."""
    left = Counter(dict.fromkeys(range(BUCKETS), 2))
    rows = []
    for number in itertools.count():
        key = f"sku-{number}"
        if left[bucket_of(key)]:
            left[bucket_of(key)] -= 1
            rows.append(Row(key, product(number), ""))
        if not left.total():
            break
    table.write("products", rows)


@pytest.mark.parametrize("processor", ["normalize-products", "load-products"])
def test_of_an_honest_dataset_all_is_as_predicted_but_for_a_few_percent(
    jobs: BatchJobs, processor: str
) -> None:
    result = run(jobs, processor=processor)

    assert result["shards"] == []
    assert result["off_by"]["operations_percent"] == 0
    assert {name: off for name, off in result["off_by"].items() if not -5 < off < 5} == {}


class OwnTime(PatientTime):
    """A clock for each thread: workers do not wait for each other."""

    def __init__(self) -> None:
        super().__init__()
        self._own = threading.local()

    def clock(self) -> float:
        return getattr(self._own, "now", 0.0)

    def sleep(self, seconds: float) -> None:
        self._own.now = self.clock() + seconds


def test_a_tree_is_as_predicted_but_for_a_few_percent(
    jobs: BatchJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.time = OwnTime()
    monkeypatch.setattr(batch_worker, "clock", jobs.time.clock)
    monkeypatch.setattr(batch_worker, "sleep", jobs.time.sleep)

    result = run(jobs, target_minutes=2, records_per_second=SLOW)

    # But for the time of the whole, which none of the clocks shows.
    off_by = {k: v for k, v in result["off_by"].items() if k != "seconds_percent"}
    assert len(result["shards"]) > 0
    assert off_by["operations_percent"] == 0
    assert {name: off for name, off in off_by.items() if not -10 < off < 10} == {}


@pytest.fixture
def priced(monkeypatch: pytest.MonkeyPatch) -> list[Usage]:
    """All usage that was given a price: the last before a batch, and that after it."""
    seen: list[Usage] = []

    def cost(usage: Usage, *, retention_days: float) -> float:
        seen.append(usage)
        return prices.cost(usage, retention_days=retention_days)

    monkeypatch.setattr(batch_plan, "cost", cost)
    monkeypatch.setattr(batch_report, "cost", cost)
    return seen


@pytest.mark.parametrize("what", ["records", "a table"])
def test_every_kind_of_usage_is_in_both_prices(
    jobs: BatchJobs, table: DatasetTable, priced: list[Usage], what: str
) -> None:
    dataset: dict[str, Any] = {}
    if what == "a table":
        load(table)
        dataset = {"dataset": {"table": "products"}, "records_per_second": 1}

    run(jobs, processor="load-products", **dataset)

    predicted, actual = (asdict(usage) for usage in (priced[-3], priced[-1]))
    assert [kind for kind in actual if not actual[kind]] == ["table_reads"] * (not dataset)
    assert actual == pytest.approx(predicted, rel=0.15)


@pytest.mark.parametrize("records_per_second", [RECORDS_PER_SECOND, SLOW])
def test_the_bytes_that_it_tells_are_those_that_were_stored(
    jobs: BatchJobs, written: list[OperationUpdate], records_per_second: int
) -> None:
    result = run(jobs, records_per_second=records_per_second)

    stored = sum(map(size_of, written))
    assert (result["shards"] != []) == (records_per_second == SLOW)
    assert result["actual"]["checkpoint_bytes"] == pytest.approx(stored, rel=0.02)


def test_a_slower_processor_shows(jobs: BatchJobs) -> None:
    off_by = run(jobs, records_per_second=RECORDS_PER_SECOND, told=2 * RECORDS_PER_SECOND)["off_by"]

    assert off_by["seconds_percent"] == pytest.approx(100, abs=5)
    assert off_by["worker_seconds_percent"] == pytest.approx(100, abs=5)
    assert off_by["operations_percent"] == 0


def test_the_time_is_that_since_the_job_was_claimed(jobs: BatchJobs) -> None:
    """Not since the execution began, which may wait for days for the job's `run_at`."""
    payload = {"dataset": KEY, "processor": "normalize-products"}
    jobs.objects.store(KEY, products(10))
    jobs.rows.submit(any_job(JOB, job_type=JOB_TYPE, payload=json.dumps(payload)))
    # A claim that is repeated keeps the time of the first.
    claimed = timestamp(datetime.now(UTC) - timedelta(seconds=100))
    jobs.rows.client.update_item(
        TableName=jobs.rows.table_name,
        Key={"job_id": {"S": JOB}},
        UpdateExpression="SET started_at = :claimed",
        ExpressionAttributeValues={":claimed": {"S": claimed}},
    )

    assert jobs.attempt(1).succeeded

    assert jobs.result["actual"]["seconds"] == pytest.approx(100, abs=2)
