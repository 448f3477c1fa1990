"""Pipelines on the platform: from each source to each destination, with deaths on the way."""

from datetime import UTC, datetime
from typing import Any

import pytest

from functions.shared.job import JobStatus
from local.data_jobs import PIPELINE
from local.products import Products
from tests.e2e.data_runs import DataRuns, differences, result
from tests.e2e.deployed_jobs import DeployedJobs, Faults, eventually
from tests.e2e.sudden_deaths import sudden_deaths

pytestmark = pytest.mark.platform

SOME = Products(5_000)
TOKEN = "open-sesame"  # noqa: S105  # no secret
CHECKPOINT = "CheckpointDurableExecution"
DEATHS = (
    ("kill-after", "PutObject", 2),
    ("kill-before", "PutObject", 7),
    ("kill-before", "BatchWriteItem", 10),
    ("kill-after", "BatchWriteItem", 70),
    ("kill-before", CHECKPOINT, 4),
    ("kill-after", CHECKPOINT, 6),
)


@pytest.mark.parametrize("file", ["jsonl", "jsonl.gz", "csv", "csv.gz", "parquet"])
def test_each_format_is_loaded_into_the_data_bucket(runs: DataRuns, file: str) -> None:
    name = f"from-{file.replace('.', '-')}"
    key = runs.put(SOME, f"{name}.{file}")

    job = runs.pipeline(
        f"pipeline-{name}", key, {"dataset": name}, tolerated_rejects_percent=1, part_records=1_000
    )

    said = result(job)
    assert (said["outcome"], said["records"], said["rejected"]) == ("loaded", 4_950, 50)
    assert said["parts"] == 5
    assert differences(SOME, runs.loaded(name)) == {}
    assert len(runs.set_aside(said["rejects"])) == 50


def test_a_pipeline_whose_process_dies_loads_each_record_once_and_does_no_part_again(
    runs: DataRuns, faults: Faults
) -> None:
    key = runs.put(SOME, "dying-pipeline.csv.gz")
    struck = [
        faults.add(action, app=PIPELINE, operation=operation, nth=nth)
        for action, operation, nth in DEATHS
    ]

    with sudden_deaths(runs.deployed, [PIPELINE], between_seconds=(1, 3), most=2):
        job = runs.pipeline(
            "pipeline-dying",
            key,
            {"table": "dying"},
            tolerated_rejects_percent=1,
            part_records=1_000,
        )

    said = result(job)
    assert [faults.applied(fault) for fault in struck] == [1] * len(DEATHS)
    assert (said["records"], said["rejected"]) == (4_950, 50)
    assert differences(SOME, runs.datasets.keys_in_table("dying")) == {}


def test_all_objects_below_a_prefix_are_one_source(runs: DataRuns) -> None:
    for number in range(3):
        lines = (f'{{"id": "{number}-{line}"}}\n'.encode() for line in range(100))
        runs.datasets.upload(f"several/{number}.jsonl", lines)

    job = runs.pipeline(
        "pipeline-prefix",
        {"prefix": "incoming/several/"},
        {"dataset": "several"},
        transform="as-is",
    )

    assert result(job)["records"] == 300


@pytest.mark.parametrize(
    "api",
    [
        {"calls": 3, "per_seconds": 7},
        {"calls": 3, "per_seconds": 7, "limit": "reset", "style": "cursor"},
    ],
    ids=["links-and-retry-after", "cursors-and-reset"],
)
def test_a_paged_source_is_called_as_often_as_it_wants(runs: DataRuns, api: dict[str, Any]) -> None:
    name = f"paged-{api.get('style', 'link')}"
    products = Products(1_500, refused_every=0)
    endpoint = runs.source(name, products=1_500, refused_every=0, page=250, token=TOKEN, **api)

    job = runs.pipeline(
        f"pipeline-{name}",
        {"endpoint": endpoint, "path": "/products"},
        {"dataset": name},
    )

    seen = runs.api_has_seen(endpoint)
    assert result(job)["records"] == 1_500
    assert differences(products, runs.loaded(name)) == {}
    assert seen["throttled"] <= 1


def test_a_source_that_changes_while_it_is_read_ends_the_pipeline(
    runs: DataRuns, faults: Faults
) -> None:
    key = runs.put(SOME, "pipeline-changing.jsonl")
    waiting = faults.add(
        "delay", app=PIPELINE, operation="PutObject", contains="work/", nth=1, seconds=3
    )
    runs.submit_pipeline("pipeline-changed", key, {"dataset": "changed"}, part_records=1_000)
    eventually(lambda: faults.applied(waiting) or None, what="a write that waits")

    runs.put(Products(5_000, refused_every=0), "pipeline-changing.jsonl")
    job = runs.deployed.ended("pipeline-changed")

    assert (job.status, job.error and job.error.type) == (JobStatus.FAILED, "source_changed")


def test_a_missing_and_an_empty_source_are_told_as_that(
    runs: DataRuns, deployed: DeployedJobs
) -> None:
    empty = runs.put(Products(0), "pipeline-empty.jsonl")

    missing = runs.pipeline("pipeline-missing", "incoming/nobody.csv", {"dataset": "missing"})
    nothing = runs.pipeline("pipeline-empty", empty, {"dataset": "empty"})

    ends = [job.error and job.error.type for job in (missing, nothing)]
    assert ends == ["source_not_found", "source_empty"]
    assert len(deployed.alerts_once_quiet("pipeline-missing", "pipeline-empty")) == 2


def test_more_rejects_than_tolerated_load_nothing(runs: DataRuns) -> None:
    key = runs.put(SOME, "pipeline-bad.jsonl")

    job = runs.pipeline("pipeline-bad", key, {"dataset": "bad"})

    assert (job.status, job.error and job.error.type) == (JobStatus.FAILED, "too_many_rejects")
    assert runs.datasets.keys("datasets/bad/") == []


def test_an_upload_that_breaks_off_is_begun_again(runs: DataRuns, faults: Faults) -> None:
    products = Products(80_000, refused_every=2)
    key = runs.put(products, "upload-pipeline.jsonl")
    broken = faults.add("refuse", app=PIPELINE, operation="UploadPart", nth=2, times=4, status=500)

    job = runs.pipeline("upload-pipeline", key, {"dataset": "upload"}, tolerated_rejects_percent=50)

    said = result(job)
    assert faults.applied(broken) == 4
    assert runs.datasets.read(said["rejects"]).count(b"\n") == products.refused


def test_a_record_that_somebody_deletes_is_missed_by_the_verification(
    runs: DataRuns, faults: Faults
) -> None:
    key = runs.put(SOME, "pipeline-robbed.jsonl")
    waiting = faults.add("delay", app=PIPELINE, operation="BatchGetItem", nth=1, seconds=3)
    runs.submit_pipeline("pipeline-robbed", key, {"table": "robbed"}, tolerated_rejects_percent=1)
    eventually(lambda: faults.applied(waiting) or None, what="a verification that waits")

    runs.delete_from_table("robbed", "sku-00000042")
    job = runs.deployed.ended("pipeline-robbed")

    assert (job.status, job.error and job.error.type) == (JobStatus.FAILED, "verification_failed")
    assert job.error is not None
    assert "1" in job.error.message
    assert any(
        key.endswith("difference.json") for key in runs.datasets.keys("results/pipeline-robbed/")
    )


def test_a_pipeline_that_is_stopped_while_it_waits_for_its_hour_loads_nothing(
    runs: DataRuns, deployed: DeployedJobs, faults: Faults
) -> None:
    key = runs.put(SOME, "pipeline-stopped.jsonl")
    _let_slack_be_told_first(faults, "pipeline-stopped")
    in_half_a_day = {"hour": (datetime.now(UTC).hour + 12) % 24, "time_zone": "UTC"}
    runs.submit_pipeline(
        "pipeline-stopped",
        key,
        {"dataset": "stopped"},
        off_peak=in_half_a_day,
        tolerated_rejects_percent=1,
    )
    arn = deployed.reached("pipeline-stopped", JobStatus.PROCESSING).execution_arn
    pages = deployed.lambda_.get_paginator("get_durable_execution_history")

    def waits() -> bool | None:
        events = pages.paginate(DurableExecutionArn=arn).build_full_result()["Events"]
        return any(event.get("Name") == "wait-for-off-peak" for event in events) or None

    eventually(waits, what="a pipeline that waits")
    deployed.jobs.stop("pipeline-stopped")
    job = deployed.ended("pipeline-stopped")

    [alert] = deployed.alerts_once_quiet("pipeline-stopped")
    assert job.status is JobStatus.CANCELLED
    assert "execution_stopped" in alert
    assert runs.datasets.keys("datasets/stopped/") == []


def _let_slack_be_told_first(faults: Faults, job_id: str) -> None:
    """While the row still says processing: only the execution tells why it ended."""
    faults.add(
        "delay", app="recorder", operation="UpdateItem", contains=job_id, times=None, seconds=8
    )


def test_the_row_tells_how_far_a_pipeline_is(
    runs: DataRuns, deployed: DeployedJobs, faults: Faults
) -> None:
    key = runs.put(SOME, "pipeline-watched.jsonl")
    faults.add("delay", app=PIPELINE, operation="PutObject", seconds=0.5, times=None)
    runs.submit_pipeline(
        "pipeline-watched",
        key,
        {"dataset": "watched"},
        tolerated_rejects_percent=1,
        part_records=1_000,
    )
    told: list[Any] = []

    def look() -> bool | None:
        job = deployed.jobs.get("pipeline-watched")
        if job.progress is not None and job.progress not in told:
            told.append(job.progress)
        return job.status is JobStatus.COMPLETED or None

    eventually(look, what="the end of the pipeline")

    done = [progress.done for progress in told]
    assert len(told) > 2
    assert done == sorted(done)
    assert {progress.note for progress in told} >= {"extract", "transform", "load"}
