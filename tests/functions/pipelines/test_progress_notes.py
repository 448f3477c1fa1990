"""How often a worker writes into its job's row."""

from datetime import UTC, datetime, timedelta

import pytest

from functions.pipelines.progress_notes import ProgressNotes
from functions.shared.batch_usage import seconds_between_notes
from functions.shared.job import Progress

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
UNITS_OF_AN_ITEM = 1_000
BYTES_OF_A_SHARD = 80


@pytest.mark.parametrize(("shards", "notes"), [(0, 300), (10, 150), (1_000, 4)])
def test_the_more_shards_share_the_row_the_less_often_each_writes(shards: int, notes: int) -> None:
    now = datetime(2026, 1, 31, tzinfo=UTC)
    written: list[datetime] = []

    def write(progress: Progress, now: datetime) -> bool:
        assert progress.total == 10
        written.append(now)
        return True

    told = ProgressNotes(write, 10, shards=shards, now=lambda: now)
    for second in range(600):
        now = datetime(2026, 1, 31, tzinfo=UTC) + timedelta(seconds=second)
        told.tell(0, second)

    assert len(written) == notes


@pytest.mark.parametrize("shards", [1, 10, 100, 1_000])
def test_all_shards_together_leave_half_of_what_an_item_takes_to_others(shards: int) -> None:
    units = -(-(1_024 + shards * BYTES_OF_A_SHARD) // 1_024)

    # At worst all of them are at work at once.
    assert shards * units / seconds_between_notes(shards) <= UNITS_OF_AN_ITEM / 2
