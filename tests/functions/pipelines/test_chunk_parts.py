"""Workers that were taken for dead and come back: what the latest attempt made stays."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from functions.pipelines.chunk import process_chunk
from functions.pipelines.chunk_parts import ATTEMPT, find_made
from functions.pipelines.processor import Processor, Task
from functions.pipelines.progress_notes import JobNotOursError, ProgressNotes
from functions.pipelines.records import RecordRefusedError
from functions.pipelines.transforms.normalize_products import NORMALIZE_PRODUCTS
from functions.shared.job import Progress
from tests.functions.pipelines.batch_jobs import Destination, products
from tests.functions.pipelines.chunk_rig import NOW, RUN, Rig, attempt


def refuse(_tasks: Sequence[Task]) -> None:
    raise RecordRefusedError("sold_out", "none left")


def rig_overtaken_by(number: int, *, of: int = 1, keeps_output: bool = True) -> Rig:
    """A worker of attempt *of* that fails with all; meanwhile attempt *number* makes the chunk."""
    destination = Destination(rule=refuse)
    rig = Rig(products(3), 10_000, call=destination)
    rig.processor = Processor(NORMALIZE_PRODUCTS, destination, keeps_output)
    rig.run_as(attempt(of))
    zombie = rig.worker

    def overtake() -> None:
        destination.rule = None
        rig.run_as(attempt(number))
        process_chunk(rig.worker, 0)

    rig.objects.meanwhile = overtake
    rig.worker = zombie
    return rig


@pytest.mark.parametrize("number", [1, 2])
def test_what_the_same_or_a_later_attempt_has_made_meanwhile_counts(number: int) -> None:
    rig = rig_overtaken_by(number)

    summary = process_chunk(rig.worker, 0)

    made = find_made(rig.objects, RUN, 0)
    assert made is not None
    assert (made.attempt, made.summary) == (number, summary)
    assert (summary.succeeded, summary.failed) == (3, 0)


def test_an_earlier_attempts_part_is_replaced_whenever_it_comes() -> None:
    rig = rig_overtaken_by(1, of=2)

    summary = process_chunk(rig.worker, 0)

    made = find_made(rig.objects, RUN, 0)
    assert made is not None
    assert (made.attempt, made.summary) == (2, summary)
    assert summary.failed == 3


def test_parts_without_output_are_told_apart_too() -> None:
    rig = Rig(products(3), 10_000, call=Destination(rule=refuse))
    rig.processor = Processor(NORMALIZE_PRODUCTS, rig.processor.call, keeps_output=False)
    rig.process()
    # Attempt 2 sees the part of attempt 1, and then attempt 3 makes its own.
    destination = Destination(rule=refuse)
    rig.processor = Processor(NORMALIZE_PRODUCTS, destination, keeps_output=False)
    rig.run_as(attempt(2))
    zombie = rig.worker

    def overtake() -> None:
        destination.rule = None
        rig.run_as(attempt(3))
        process_chunk(rig.worker, 0)

    def overtake_after_the_failed_part() -> None:
        rig.objects.meanwhile = overtake

    rig.objects.meanwhile = overtake_after_the_failed_part

    assert process_chunk(zombie, 0).succeeded == 3

    made = find_made(rig.objects, RUN, 0)
    assert made is not None
    assert made.attempt == 3
    assert made.summary.succeeded == 3
    assert rig.parts("failed") == []


def test_the_failed_records_of_a_later_attempt_stay() -> None:
    rig = Rig(products(3, refused=[1]), 10_000)
    rig.objects.store(RUN.failed_part(0), b"later", metadata={ATTEMPT: "2"})

    with pytest.raises(JobNotOursError):
        rig.process()

    assert rig.objects.body(RUN.failed_part(0)) == b"later"
    assert rig.parts("processed") == []


def test_nothing_is_written_once_the_job_is_somebody_elses() -> None:
    """Its row was asked a moment ago, and the next note is not due."""
    rig = Rig(products(3, refused=[1]), 10_000, call=Destination())

    def lose(_tasks: Sequence[Task]) -> None:
        rig.noted.is_lost = True

    rig.worker.notes.tell(0, 0)
    rig.processor = Processor(NORMALIZE_PRODUCTS, Destination(rule=lose))

    with pytest.raises(JobNotOursError):
        rig.process()

    assert rig.parts("processed") == rig.parts("failed") == []


def test_what_one_thread_learns_stops_all_of_them() -> None:
    written: list[Progress] = []

    def write(progress: Progress, now: datetime) -> bool:
        del now
        written.append(progress)
        return False

    notes = ProgressNotes(write, 2, now=lambda: NOW)
    with pytest.raises(JobNotOursError):
        notes.tell(0, 1)

    for tell in (notes.tell, notes.tell_done, notes.confirm):
        with pytest.raises(JobNotOursError):
            tell(1, 1)
    assert len(written) == 1


@pytest.mark.parametrize(("shards", "seconds"), [(0, 0), (100, 1.8), (1000, 160)])
def test_many_shards_ask_the_row_no_more_often_than_it_can_answer(
    shards: int, seconds: float
) -> None:
    written: list[Progress] = []

    def write(progress: Progress, now: datetime) -> bool:
        del now
        written.append(progress)
        return True

    now = NOW
    notes = ProgressNotes(write, 2, shards=shards, now=lambda: now)
    notes.confirm(0, 1)
    now = NOW + timedelta(seconds=0.99 * seconds)
    notes.confirm(0, 2)
    before = len(written)
    now = NOW + timedelta(seconds=seconds)
    notes.confirm(0, 3)

    assert before == (1 if seconds else 2)
    assert len(written) == before + 1
