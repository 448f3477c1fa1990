"""Batches on the platform: every record once, whoever dies, and a clear end whatever the dataset.

The datasets are small and the chunks 1,000 records; a million are `test_million.py`'s.
"""

from typing import Any

import pytest

from functions.shared.job import JobStatus
from jobctl.failed_records import submit_failed_records
from local.data_jobs import BATCH
from local.products import Products
from tests.e2e.data_runs import IN_SHARDS, SHARD, DataRuns, differences, result
from tests.e2e.deployed_jobs import DeployedJobs, Faults, eventually
from tests.e2e.sudden_deaths import sudden_deaths

pytestmark = pytest.mark.platform

MANY = Products(20_000)
SOME = Products(4_000)
TOKEN = "open-sesame"  # noqa: S105  # no secret
CHECKPOINT = "CheckpointDurableExecution"
# Calls at which a worker dies: (what happens, at which operation, at which of them).
DEATHS = (
    ("kill-after", "PutObject", 3),
    ("kill-before", "PutObject", 9),
    ("kill-after", CHECKPOINT, 8),
    ("kill-before", CHECKPOINT, 14),
    ("kill-after", "GetObject", 15),
)


def test_a_batch_whose_workers_die_processes_each_record_once(
    runs: DataRuns, deployed: DeployedJobs, faults: Faults
) -> None:
    key = runs.put(MANY, "dying.jsonl")
    struck = [
        faults.add(action, app=BATCH, operation=operation, nth=nth)
        for action, operation, nth in DEATHS
    ]

    with sudden_deaths(deployed, [BATCH], between_seconds=(0.5, 2), most=3):
        job = runs.batch("batch-dying", key, tolerated_failures_percent=1)

    said = result(job)
    assert [faults.applied(fault) for fault in struck] == [1] * len(DEATHS)
    assert said["outcome"] == "completed_with_failures"
    assert (said["records"], said["succeeded"], said["failed"]) == (20_000, 19_800, 200)
    assert said["failures"] == {"schema": 200}
    assert said["digest"] == MANY.digest
    assert differences(MANY, runs.processed("batch-dying")) == {}
    assert len(runs.set_aside(said["failed_records"])) == 200


def test_a_tree_of_shards_whose_workers_die_processes_each_record_once(
    runs: DataRuns, faults: Faults
) -> None:
    key = runs.put(SOME, "dying-tree.jsonl")
    struck = [
        faults.add(action, app=SHARD, operation=operation, nth=2)
        for action, operation in (
            ("kill-after", "PutObject"),
            ("kill-before", CHECKPOINT),
            ("kill-after", CHECKPOINT),
        )
    ]

    job = runs.batch("batch-dying-tree", key, tolerated_failures_percent=1, **IN_SHARDS)

    said = result(job)
    assert len(said["shards"]) == 2
    assert [faults.applied(fault) for fault in struck] == [1, 1, 1]
    assert (said["records"], said["succeeded"], said["failed"]) == (4_000, 3_960, 40)
    assert said["digest"] == SOME.digest
    assert differences(SOME, runs.processed("batch-dying-tree")) == {}


def test_an_empty_dataset_is_an_outcome(runs: DataRuns) -> None:
    key = runs.put(Products(0), "empty.jsonl")

    said = result(runs.batch("batch-empty", key))

    assert (said["outcome"], said["records"]) == ("empty", 0)


def test_a_missing_dataset_is_told_as_that(runs: DataRuns, deployed: DeployedJobs) -> None:
    job = runs.batch("batch-missing", "incoming/nobody-put-it.jsonl")

    assert (job.status, job.error and job.error.type) == (JobStatus.FAILED, "dataset_not_found")
    assert len(deployed.alerts_once_quiet("batch-missing")) == 1


def test_a_dataset_that_changes_while_it_is_read_ends_the_batch(
    runs: DataRuns, faults: Faults
) -> None:
    key = runs.put(SOME, "changing.jsonl")
    # The inspection has looked at it, and the first chunk is about to.
    waiting = faults.add(
        "delay", app=BATCH, operation="GetObject", contains="changing", nth=3, seconds=3
    )
    runs.submit_batch("batch-changed", key)
    eventually(lambda: faults.applied(waiting) or None, what="a read that waits")

    runs.put(Products(4_000, refused_every=0), "changing.jsonl")
    job = runs.deployed.ended("batch-changed")

    assert (job.status, job.error and job.error.type) == (JobStatus.FAILED, "dataset_changed")


def test_failed_records_alone_are_processed_again(runs: DataRuns, deployed: DeployedJobs) -> None:
    """What was refused is refused again: the record is bad, and the key it had is kept."""
    key = runs.put(SOME, "retried.jsonl")
    first = result(runs.batch("batch-retried", key, tolerated_failures_percent=1))
    before = runs.set_aside(first["failed_records"])

    submission = submit_failed_records(deployed.jobs, "batch-retried")
    once_more = submit_failed_records(deployed.jobs, "batch-retried")
    job = deployed.ended(submission.job.job_id)

    assert once_more.job.job_id == submission.job.job_id
    assert (job.status, job.error and job.error.type) == (JobStatus.FAILED, "too_many_failures")
    after = runs.set_aside(f"results/{job.job_id}/attempt-1/failed.jsonl")
    assert len(after) == 40
    assert [line["key"] for line in after] == [line["key"] for line in before]
    assert [line["record"] for line in after] == [line["record"] for line in before]


def test_a_stopped_batch_ends_its_shards(
    runs: DataRuns, deployed: DeployedJobs, faults: Faults
) -> None:
    key = runs.put(SOME, "stopped.jsonl")
    faults.add("delay", app=SHARD, operation="PutObject", seconds=2, times=None)
    # So that Slack is told while the row still says processing.
    faults.add(
        "delay",
        app="recorder",
        operation="UpdateItem",
        contains="batch-stopped",
        times=None,
        seconds=8,
    )
    runs.submit_batch("batch-stopped", key, tolerated_failures_percent=1, **IN_SHARDS)
    eventually(lambda: runs.shards(Statuses=["RUNNING"]) or None, what="shards that run")

    deployed.jobs.stop("batch-stopped")

    [alert] = deployed.alerts_once_quiet("batch-stopped")
    assert deployed.ended("batch-stopped").status is JobStatus.CANCELLED
    assert "execution_stopped" in alert
    eventually(lambda: not runs.shards(Statuses=["RUNNING"]) or None, what="an end to the shards")


@pytest.mark.parametrize(
    ("app", "count", "payload"),
    [(BATCH, 2_000, {}), (SHARD, 4_000, IN_SHARDS)],
    ids=["alone", "in-shards"],
)
def test_a_throttled_table_slows_a_batch_down_and_no_record_is_lost(
    runs: DataRuns, faults: Faults, app: str, count: int, payload: dict[str, Any]
) -> None:
    products = Products(count)
    key = runs.put(products, f"throttled-{app}.jsonl")
    throttled = faults.add(
        "refuse",
        app=app,
        operation="BatchWriteItem",
        nth=5,
        times=20,
        status=400,
        error="ProvisionedThroughputExceededException",
    )

    job = runs.batch(
        f"throttled-{app}", key, processor="load-products", tolerated_failures_percent=1, **payload
    )

    said = result(job)
    assert faults.applied(throttled) == 20
    assert (said["succeeded"], said["failed"]) == (products.accepted, products.refused)
    assert differences(products, runs.datasets.keys_in_table("products")) == {}


def test_an_upload_that_breaks_off_is_begun_again(runs: DataRuns, faults: Faults) -> None:
    products = Products(80_000, refused_every=2)
    key = runs.put(products, "upload-batch.jsonl")
    broken = faults.add("refuse", app=BATCH, operation="UploadPart", nth=2, times=4, status=500)

    said = result(runs.batch("upload-batch", key, tolerated_failures_percent=50))

    assert faults.applied(broken) == 4
    assert runs.datasets.read(said["failed_records"]).count(b"\n") == products.refused


def test_an_endpoint_that_limits_the_rate_gets_every_record_once(runs: DataRuns) -> None:
    endpoint = runs.sink("limited", calls=10, per_seconds=2, token=TOKEN)
    key = runs.put_identified(2_500, "limited.jsonl")

    said = result(runs.batch("batch-posted", key, processor="post-records", endpoint=endpoint))

    seen = runs.api_has_seen(endpoint)
    assert (said["outcome"], said["succeeded"]) == ("completed", 2_500)
    assert seen["throttled"] > 0
    assert (seen["records"], seen["records_taken_twice"]) == (2_500, 0)


def test_answers_that_are_lost_do_no_record_twice(runs: DataRuns) -> None:
    endpoint = runs.sink("losing", lost_every=5)
    key = runs.put_identified(2_000, "lost.jsonl")

    said = result(runs.batch("batch-lost", key, processor="post-records", endpoint=endpoint))

    seen = runs.api_has_seen(endpoint)
    assert said["succeeded"] == 2_000
    assert seen["repeated"] > 0
    assert (seen["records"], seen["records_taken_twice"]) == (2_000, 0)


def test_the_row_tells_how_far_a_batch_is(
    runs: DataRuns, deployed: DeployedJobs, faults: Faults
) -> None:
    key = runs.put(MANY, "watched.jsonl")
    faults.add("delay", app=BATCH, operation="PutObject", seconds=0.5, times=None)
    runs.submit_batch("batch-watched", key, tolerated_failures_percent=1)
    told: list[Any] = []

    def look() -> bool | None:
        job = deployed.jobs.get("batch-watched")
        if job.progress is not None and job.progress not in told:
            told.append(job.progress)
        return job.status is JobStatus.COMPLETED or None

    eventually(look, what="the end of the batch")

    done = [progress.done for progress in told]
    records = [progress.records or 0 for progress in told]
    assert len(told) > 1
    assert done == sorted(done)
    assert records == sorted(records)
    assert max(records) > 0
    assert {progress.total for progress in told} == {10}
    assert any(progress.ends_at for progress in told)


@pytest.mark.parametrize("payload", [{}, IN_SHARDS], ids=["alone", "in-shards"])
def test_a_key_range_of_a_table_is_a_dataset(runs: DataRuns, payload: dict[str, Any]) -> None:
    name = f"ranged-{'shards' if payload else 'alone'}"
    runs.pipeline(
        f"{name}-load",
        runs.put_identified(500, f"{name}.jsonl"),
        {"table": name},
        transform="as-is",
    )
    endpoint = runs.sink(name, token=TOKEN)

    job = runs.batch(
        f"batch-{name}",
        {"table": name, "from": "record-0100", "to": "record-0199"},
        processor="post-records",
        endpoint=endpoint,
        **payload,
    )

    seen = runs.api_has_seen(endpoint)
    assert (result(job)["succeeded"], seen["records"], seen["records_taken_twice"]) == (100, 100, 0)


@pytest.mark.parametrize("payload", [{}, IN_SHARDS], ids=["alone", "in-shards"])
def test_what_a_pipeline_has_loaded_is_a_dataset_for_a_batch(
    runs: DataRuns, payload: dict[str, Any]
) -> None:
    name = f"loaded-{'shards' if payload else 'alone'}"
    key = runs.put_identified(4_000, f"{name}.jsonl")
    runs.pipeline(f"{name}-load", key, {"dataset": name}, transform="as-is")
    [part] = [key for key in runs.datasets.keys(f"datasets/{name}/") if key.endswith(".jsonl")]
    endpoint = runs.sink(name)

    job = runs.batch(f"batch-{name}", part, processor="post-records", endpoint=endpoint, **payload)

    seen = runs.api_has_seen(endpoint)
    assert bool(result(job)["shards"]) == bool(payload)
    assert (seen["records"], seen["records_taken_twice"]) == (4_000, 0)
