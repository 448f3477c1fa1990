"""How far a job is, told by one execution or by many shards, late, twice and out of order."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.shared.job import JobError, JobStatus, Progress, timestamp
from functions.shared.job_table import JobTable
from tests.functions.job_table_rows import Rows, any_job

NOW = datetime.now(UTC)
SOON = timestamp(NOW + timedelta(minutes=1))
LATER = timestamp(NOW + timedelta(minutes=2))
ERROR = JobError("any_error", "any message")


@pytest.fixture(autouse=True)
def claimed(rows: Rows, jobs: JobTable) -> None:
    rows.submit(any_job())
    jobs.claim("job-1", "send-email", 1, "arn:a", NOW)


def note(
    jobs: JobTable,
    progress: Progress,
    *,
    owner: tuple[int, str] = (1, "arn:a"),
    shards: bool = False,
) -> bool:
    return jobs.note_progress("job-1", *owner, progress, NOW, shards=shards)


def note_shard(
    jobs: JobTable, shard: int, progress: Progress, *, owner: tuple[int, str] = (1, "arn:a")
) -> bool:
    return jobs.note_shard_progress("job-1", *owner, shard, progress, NOW)


def shown(jobs: JobTable) -> Progress | None:
    job = jobs.get("job-1", now=NOW)
    assert job is not None
    return job.progress


def raw(rows: Rows) -> dict[str, Any]:
    key = {"job_id": {"S": "job-1"}}
    return dict(rows.client.get_item(TableName=rows.table_name, Key=key)["Item"])


def retried(jobs: JobTable) -> None:
    jobs.end("job-1", 1, JobStatus.FAILED, ERROR, NOW, execution_arn="arn:a")
    jobs.retry("job-1", NOW)
    jobs.claim("job-1", "send-email", 2, "arn:b", NOW)


def test_progress_is_read_as_it_was_noted(jobs: JobTable) -> None:
    progress = Progress(3, 10, "load", records=30_000, ends_at=SOON)

    assert note(jobs, progress)

    assert shown(jobs) == progress


def test_a_late_smaller_count_changes_nothing_and_the_job_is_still_ones_own(jobs: JobTable) -> None:
    note(jobs, Progress(3, 10, records=300))

    assert note(jobs, Progress(2, 10, records=200))
    assert note(jobs, Progress(3, 10, records=299))

    assert shown(jobs) == Progress(3, 10, records=300)


def test_more_records_in_the_same_part_are_shown(jobs: JobTable) -> None:
    note(jobs, Progress(3, 10))
    note(jobs, Progress(3, 10, records=300))

    assert note(jobs, Progress(3, 10, records=301))

    assert shown(jobs) == Progress(3, 10, records=301)


def test_shards_are_added_up_and_the_last_one_tells_the_end(jobs: JobTable) -> None:
    note(jobs, Progress(0, 40, "shards"), shards=True)

    assert note_shard(jobs, 0, Progress(4, 20, records=400, ends_at=LATER))
    assert note_shard(jobs, 11, Progress(5, 20, records=500, ends_at=SOON))
    assert note_shard(jobs, 0, Progress(6, 20, records=600, ends_at=LATER))

    assert shown(jobs) == Progress(11, 40, "shards", records=1_100, ends_at=LATER)


def test_a_late_smaller_count_of_a_shard_lowers_nothing(jobs: JobTable) -> None:
    note(jobs, Progress(0, 40), shards=True)
    note_shard(jobs, 0, Progress(4, records=400))
    note_shard(jobs, 1, Progress(9, records=900))

    assert note_shard(jobs, 1, Progress(8, records=999))

    assert shown(jobs) == Progress(13, 40, records=1_300)


def test_a_parent_that_tells_of_its_shards_again_forgets_none_of_them(jobs: JobTable) -> None:
    note(jobs, Progress(0, 40), shards=True)
    note_shard(jobs, 0, Progress(4, records=400))

    assert note(jobs, Progress(0, 40), shards=True)
    assert note(jobs, Progress(2, 40, "report"))

    assert shown(jobs) == Progress(4, 40, "report", records=400)


def test_a_shard_shows_nothing_where_its_parent_told_of_none(jobs: JobTable) -> None:
    note(jobs, Progress(1, 40))

    assert note_shard(jobs, 0, Progress(4))

    assert shown(jobs) == Progress(1, 40)


@pytest.mark.parametrize("owner", [(1, "arn:b"), (2, "arn:a")], ids=["execution", "attempt"])
def test_nobody_else_notes_progress(jobs: JobTable, owner: tuple[int, str]) -> None:
    note(jobs, Progress(1, 40), shards=True)

    assert not note(jobs, Progress(9, 40), owner=owner)
    assert not note_shard(jobs, 0, Progress(9), owner=owner)

    assert shown(jobs) == Progress(1, 40)


def test_an_older_attempt_never_touches_a_newer_ones_progress(jobs: JobTable) -> None:
    note(jobs, Progress(5, 40), shards=True)
    note_shard(jobs, 0, Progress(7))
    retried(jobs)
    note(jobs, Progress(0, 40), owner=(2, "arn:b"), shards=True)

    assert not note(jobs, Progress(9, 40))
    assert not note_shard(jobs, 0, Progress(9))

    assert shown(jobs) == Progress(0, 40)


def test_a_job_that_was_stopped_takes_no_progress_so_its_shards_end(jobs: JobTable) -> None:
    note(jobs, Progress(0, 40), shards=True)
    jobs.end("job-1", 1, JobStatus.CANCELLED, ERROR, NOW, execution_arn="arn:a")

    assert not note(jobs, Progress(1, 40))
    assert not note_shard(jobs, 0, Progress(1))


def test_a_completed_job_keeps_no_progress(rows: Rows, jobs: JobTable) -> None:
    note(jobs, Progress(0, 40), shards=True)
    note_shard(jobs, 0, Progress(40))

    jobs.complete("job-1", 1, "arn:a", '"done"', NOW)

    assert not {"progress", "shard_progress"} & set(rows.get())


def test_the_progress_of_a_thousand_shards_fits_the_row(rows: Rows, jobs: JobTable) -> None:
    note(jobs, Progress(0, 2_000_000), shards=True)
    note_shard(jobs, 0, Progress(2_000, 2_000, records=10_000_000, ends_at=SOON))
    entry = raw(rows)["shard_progress"]["M"]["0"]
    item = raw(rows) | {"shard_progress": {"M": {str(shard): entry for shard in range(1_000)}}}
    rows.put(item)

    assert shown(jobs) == Progress(2_000_000, 2_000_000, records=10**10, ends_at=SOON)
    # Beside the largest payload, below the 400 KB of an item.
    assert len(str(rows.get()["shard_progress"])) < 150_000
