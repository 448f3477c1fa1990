"""A pipeline whose process dies at each point there is, once, or for good and is then retried.

Which points there are, an undisturbed run shows: each call of S3, of the table, of the API and of
the job's row, and each checkpoint. Whatever happens at one of them, the same is left: the same
result, the same objects byte for byte, the same items.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functions.pipelines import stage_work
from tests.functions.job_table_rows import Rows
from tests.functions.orders.crash_points import Passage
from tests.functions.pipelines.fake_objects import Call
from tests.functions.pipelines.pipeline_jobs import (
    INCOMING,
    Deaths,
    PipelineJobs,
    as_csv,
    as_jsonl,
    gzipped,
    product,
    products,
)

OFF_PEAK = {"hour": 20, "time_zone": "UTC"}
API = {"endpoint": "shop"}
# Parts are small, so that a matrix of deaths has several of them and still ends.
PART = 20


def parquet(records: list[dict[str, Any]], folder: Path) -> bytes:
    import duckdb  # noqa: PLC0415  # as where it is used

    lines, file = folder / "x.jsonl", folder / "x.parquet"
    lines.write_bytes(as_jsonl(records))
    duckdb.read_json(str(lines)).write_parquet(str(file))
    return file.read_bytes()


STORIES: dict[str, dict[str, Any]] = {
    "a compressed CSV file into the table": {
        "source": "incoming/x.csv.gz",
        "off_peak": OFF_PEAK,
        "tolerated_rejects_percent": 10,
    },
    "an API into S3": {"source": API, "destination": {"dataset": "products"}},
    "a slow API into S3": {
        "source": API,
        "pause_seconds": 60,
        "destination": {"dataset": "products"},
    },
    "a Parquet file into S3": {
        "source": "incoming/x.parquet",
        "destination": {"dataset": "products"},
    },
    "too many rejects": {"source": INCOMING},
}


@pytest.fixture
def jobs(rows: Rows, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[PipelineJobs]:
    jobs = PipelineJobs.open(rows, monkeypatch)
    monkeypatch.setattr("functions.pipelines.pipeline_request.MIN_PART_RECORDS", 1)
    bad = [*products(30), product(30, price=-1), *products(19, 31)]
    jobs.objects.store("incoming/x.csv.gz", gzipped(as_csv(bad)))
    jobs.objects.store("incoming/x.parquet", parquet(products(45), tmp_path))
    jobs.objects.store(INCOMING, as_jsonl(bad))
    jobs.pages.pages = [[*products(15), "no record"], products(15, 15), products(5, 30)]
    # Hundreds of deaths are logged with their traces; writing them takes longer than dying.
    logging.disable()
    yield jobs
    logging.disable(logging.NOTSET)


def deaths(jobs: PipelineJobs, story: str) -> Deaths:
    if "API" in story:
        STORIES[story]["tolerated_rejects_percent"] = 10
    return Deaths(jobs, {"part_records": PART, **STORIES[story]})


# What only this story passes: elsewhere it goes as another one does.
BEGINS = {"too many rejects": "STEP transform START"}
ENDS = {
    "a slow API into S3": "STEP extract SUCCEED",
    "a Parquet file into S3": "STEP extract SUCCEED",
}


def own_points(points: list[Passage], story: str) -> list[Passage]:
    places = [point.place for point in points]
    first = places.index(BEGINS[story]) if story in BEGINS else 0
    last = places.index(ENDS[story]) + 1 if story in ENDS else len(points)
    return points[first : last + 1]


# It passes nearly every point; the others have few of their own and take as long.
IN_EVERY_RUN = "a compressed CSV file into the table"


@pytest.mark.matrix
@pytest.mark.parametrize(
    "story",
    [
        pytest.param(story, marks=() if story == IN_EVERY_RUN else pytest.mark.soak)
        for story in STORIES
    ],
)
def test_killed_anywhere_a_pipeline_ends_as_if_nothing_had_happened(
    jobs: PipelineJobs, story: str
) -> None:
    dying = deaths(jobs, story)
    undisturbed, points = dying.undisturbed()
    assert undisturbed.status == ("failed" if story == "too many rejects" else "completed")
    assert len(points) > 60
    wrong: dict[str, Any] = {}

    for point in own_points(points, story):
        if (left := dying.dying_at(point)) != undisturbed:
            wrong[str(point)] = left
        # The page under way is fetched again, and no other.
        fetched = Counter(jobs.pages.fetched)
        if sum(fetched.values()) - len(fetched) > 1:
            wrong[str(point)] = fetched

    assert wrong == {}


@pytest.mark.matrix
@pytest.mark.parametrize(
    "story", [IN_EVERY_RUN, pytest.param("an API into S3", marks=pytest.mark.soak)]
)
def test_an_attempt_that_never_comes_back_is_finished_by_the_next_one(
    jobs: PipelineJobs, story: str
) -> None:
    """What was staged, loaded or fetched is not staged, loaded or fetched again."""
    dying = deaths(jobs, story)
    undisturbed, points = dying.undisturbed()
    # A retry sees what calls left behind, not the checkpoints.
    first = next(point for point in points if point.method is not None)
    wrong: dict[str, Any] = {}

    for point in [first, *(point for point in points if point.leaves_a_call_behind)]:
        dying.interrupted(point)
        if jobs.row["status"] != "processing":
            # Before the claim, or behind the end.
            continue
        there = {key for key in jobs.keys("work/", "part-") if "/verified/" not in key}
        jobs.objects.calls.clear()
        before = len(jobs.pages.fetched)

        ended = jobs.retry()

        assert ended.succeeded, (str(point), jobs.row.get("error"))
        again = {Call(how, key) for how in ("put", "put_if") for key in there}
        again &= set(jobs.objects.calls)
        fetched = set(jobs.pages.fetched[:before]) & set(jobs.pages.fetched[before:])
        if again or len(fetched) > 1:
            wrong[str(point)] = again, fetched
        if comparable(dying.left.objects) != comparable(undisturbed.objects):
            wrong[str(point)] = set(dying.left.objects) ^ set(undisturbed.objects)
        if dying.left.items != undisturbed.items:
            wrong[str(point)] = "items"

    assert wrong == {}


def comparable(objects: dict[str, Any]) -> dict[str, Any]:
    """What outlives attempts: the rest lies in a folder of the attempt's own."""
    return {key: stored for key, stored in objects.items() if "attempt-" not in key}


def test_the_points_of_a_pipeline_are_those_of_its_calls_and_checkpoints(
    jobs: PipelineJobs,
) -> None:
    _, points = deaths(jobs, "an API into S3").undisturbed()

    methods = {point.method for point in points if point.method}
    assert methods == {
        "claim",
        "complete",
        "fetch",
        "get",
        "head",
        "note_progress",
        "put",
        "put_if",
        "put_joined",
        "read",
    }
    assert {"STEP extract SUCCEED", "STEP verify SUCCEED"} <= {point.place for point in points}


def test_a_stage_that_was_interrupted_asks_of_the_parts_before_only_whether_they_are_there(
    jobs: PipelineJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.objects.store(INCOMING, as_jsonl(products(100)))
    monkeypatch.setattr(stage_work, "MAX_TROUBLES", 1)
    for stage in ("extracted", "transformed"):
        jobs.start_over()
        jobs.objects.heal()
        puts = {"extracted": 4, "transformed": 9}[stage]
        jobs.objects.fail(RuntimeError("a bug"), method="put_if", nth=puts)
        jobs.run(part_records=PART)
        jobs.objects.heal()
        there = jobs.keys(f"{stage}/part")
        jobs.objects.calls.clear()

        jobs.retry()

        assert len(there) == 3, stage
        for key in there:
            asked = Counter(call.method for call in jobs.objects.calls if call.key == key)
            # Later stages read each part once.
            assert asked["head"] == 1, (stage, asked)
            assert asked["put_if"] == 0, (stage, asked)
