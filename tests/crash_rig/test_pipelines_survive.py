"""A job over a dataset whose process is killed, at any call, leaves what it leaves undisturbed.

Every object of the data bucket, every item of the dataset table, what was posted and the row are
compared with those of a job that nobody disturbed; and of that one it is known without the code
which records must be where, and which are refused and why.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from tests.crash_rig.datasets import Dataset, csv_gzip, json_lines, notes, pages
from tests.crash_rig.passages import Death, Moment
from tests.crash_rig.pipelines import FUNCTIONS, Facts, Pipelines, Place, Scenario
from tests.crash_rig.rig import running_rig
from tests.crash_rig.survival import Choice, every, survive
from tests.crash_rig.web_api import WebApi

# One in seven cannot be processed.
TOLERATED = 20
# Nobody waits for it: the rig skips the time.
OFF_PEAK = {"hour": (datetime.now(UTC) + timedelta(hours=3)).hour, "time_zone": "UTC"}

FEW = json_lines(90, "p")
MANY = json_lines(120, "p")
TABLE = csv_gzip(60, "p")
PAGES = pages(40, "p", page=25)

# Then chunks are processed side by side.
MEASURED = "measure-dataset succeed"


def batch(processor: str, **fields: Any) -> Callable[[str], Mapping[str, Any]]:
    def payload(job_id: str) -> Mapping[str, Any]:
        named = {"endpoint": job_id} if processor == "post-records" else {}
        return {
            "dataset": f"incoming/{job_id}.jsonl",
            "processor": processor,
            "tolerated_failures_percent": TOLERATED,
            **named,
            **fields,
        }

    return payload


def batch_facts(dataset: Dataset, *, written: int = 3) -> Facts:
    told = {
        "outcome": "completed_with_failures",
        "records": len(dataset.good) + len(dataset.refused),
        "succeeded": len(dataset.good),
        "failed": len(dataset.refused),
        "failures": dict(Counter(code for _, code in dataset.refused)),
    }
    kept = len(dataset.good)
    return Facts("completed", told=told, written=written, kept=kept, refused=dataset.refused)


def pipeline_facts(dataset: Dataset) -> Facts:
    # Two parts in each of four stages, and the manifests of the first two.
    written = 2 * 4 + 2
    told = {
        "outcome": "loaded",
        "records": len(dataset.good),
        "rejected": len(dataset.refused),
    }
    kept = len(dataset.good)
    return Facts("completed", told=told, written=written, kept=kept, refused=dataset.refused)


BATCH = Scenario(
    "batch",
    "batch-processing",
    lambda _: FEW,
    batch("normalize-products"),
    Place.PARTS,
    batch_facts(FEW),
    in_order_until=MEASURED,
)
# Jobs share the dataset of the table, so the records are named after their job.
LOADING = Scenario(
    "loading",
    "batch-processing",
    partial(json_lines, 90),
    batch("load-products"),
    Place.TABLE,
    batch_facts(json_lines(90, "loading-0000")),
    is_content_own=True,
    in_order_until=MEASURED,
)
TREE = Scenario(
    "tree",
    "batch-processing",
    lambda _: MANY,
    # Two minutes of work for one worker.
    batch("normalize-products", records_per_second=1, target_minutes=1, max_workers=2),
    Place.PARTS,
    batch_facts(MANY, written=4),
    in_order_until=MEASURED,
)
TOO_MANY_FAILURES = Scenario(
    "in-vain",
    "batch-processing",
    lambda _: FEW,
    batch("normalize-products", tolerated_failures_percent=1),
    Place.PARTS,
    Facts("failed", error="too_many_failures", written=3, kept=len(FEW.good), refused=FEW.refused),
    in_order_until=MEASURED,
)
NOTES = notes(90, "n")
# All in the chunk in the middle.
REFUSED = frozenset(sorted(NOTES.good)[35:55])
RETRIED = Scenario(
    "retried",
    "batch-processing",
    lambda _: NOTES,
    batch("post-records"),
    Place.MAILBOX,
    # Of the first chunk nothing had failed; the others are made again.
    batch_facts(NOTES, written=5),
    refused=REFUSED,
    refusals=1000,
    fails_first=True,
    in_order_until=MEASURED,
)
TO_TABLE = Scenario(
    "to-table",
    "data-pipeline",
    lambda _: TABLE,
    lambda job_id: {
        "source": f"incoming/{job_id}.csv.gz",
        "transform": "normalize-products",
        "destination": {"table": job_id},
        "tolerated_rejects_percent": TOLERATED,
        "part_records": 35,
        "off_peak": OFF_PEAK,
    },
    Place.TABLE,
    pipeline_facts(TABLE),
    suffix="csv.gz",
)
TO_DATASET = Scenario(
    "to-dataset",
    "data-pipeline",
    lambda _: FEW,
    lambda job_id: {
        "source": f"incoming/{job_id}.jsonl",
        "transform": "normalize-products",
        "destination": {"dataset": job_id},
        "tolerated_rejects_percent": TOLERATED,
        "part_records": 50,
        "off_peak": False,
    },
    Place.DATASET,
    pipeline_facts(FEW),
)
FROM_API = Scenario(
    "from-api",
    "data-pipeline",
    lambda _: PAGES,
    lambda job_id: {
        "source": {"endpoint": job_id},
        "transform": "normalize-products",
        "destination": {"dataset": job_id},
        "tolerated_rejects_percent": TOLERATED,
        "off_peak": False,
    },
    Place.DATASET,
    pipeline_facts(PAGES),
)

# What is done for good: to die right before or right after it is what this is about.
_TELLING = ("PutObject", "BatchWriteItem", "process-chunk succeed", "record-completed")


def telling(deaths: Sequence[Death], calls: Sequence[str]) -> Sequence[Death]:
    """Around whatever is written and each checkpoint of a chunk; of the others every fifth."""
    return [
        death
        for number, death in enumerate(deaths)
        if number % 5 == 0 or any(mark in calls[death.call - 1] for mark in _TELLING)
    ]


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipelines]:
    folder = tmp_path_factory.mktemp("pipelines")
    with WebApi() as api, running_rig(FUNCTIONS, folder) as rig:
        yield Pipelines(rig, api)


def die(scenario: Scenario, pipelines: Pipelines, choose: Choice) -> int:
    started = time.monotonic()
    tally = survive(scenario, pipelines, choose=choose)
    sys.stdout.write(
        f"\n{scenario}: {tally.points} deaths, {tally.repeated_calls} calls repeated, "
        f"{tally.wrong} wrong, {time.monotonic() - started:.0f} s\n"
    )
    return tally.points


@pytest.mark.platform
@pytest.mark.parametrize("scenario", [TREE, TO_TABLE], ids=str)
def test_where_it_matters_most_that_a_process_dies_no_record_is_lost_or_counted_twice(
    scenario: Scenario, pipelines: Pipelines
) -> None:
    assert die(scenario, pipelines, telling) > 0


@pytest.mark.platform
def test_a_record_that_is_taken_after_a_death_is_among_the_failed_no_more(
    pipelines: Pipelines,
) -> None:
    scenario = replace(
        RETRIED,
        name="mended",
        fails_first=False,
        # All of them together, and then each.
        refusals=1 + len(REFUSED),
        facts=batch_facts(NOTES),
    )
    failed_part = "PutObject /data/results/JOB/RUN/failed/part-00001.jsonl"

    ended, trace = pipelines.run(scenario, "mended-0001", Death(0, Moment.AFTER, failed_part))

    assert ended.deaths == 1
    assert trace.facts == scenario.facts


@pytest.mark.soak
@pytest.mark.parametrize(
    "scenario",
    [BATCH, LOADING, TREE, TOO_MANY_FAILURES, RETRIED, TO_TABLE, TO_DATASET, FROM_API],
    ids=str,
)
def test_wherever_a_process_dies_no_record_is_lost_or_counted_twice(
    scenario: Scenario, pipelines: Pipelines
) -> None:
    assert die(scenario, pipelines, every) > 0
