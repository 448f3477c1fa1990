"""Chunks that are put off: what was called is not called again, and what helped is no try."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from functions.pipelines.chunk import process_chunk
from functions.pipelines.chunk_place import Place, find_place
from functions.pipelines.chunk_retries import MOST_REPETITIONS, TRIES, when_to_repeat
from functions.pipelines.chunk_summary import ChunkSummary
from functions.pipelines.chunk_time import DownstreamUnavailableError, OutOfTimeError
from functions.pipelines.dataset import Dataset
from functions.pipelines.dataset_table import DatasetTable, Row
from functions.pipelines.objects import ObjectsBusyError
from functions.pipelines.processor import DownstreamThrottledError, Task
from functions.pipelines.records import RecordRefusedError
from functions.shared.errors import PermanentError, TransientError
from tests.functions.pipelines.batch_jobs import Destination, PatientTime, product, products
from tests.functions.pipelines.chunk_rig import RUN, Rig, attempt

HOUR = 3600.0


class Quota:
    """So many calls in each hour of the clock."""

    def __init__(self, calls: int, time: PatientTime) -> None:
        self._calls = calls
        self._time = time
        self._used: dict[int, int] = {}

    def __call__(self, _tasks: Sequence[Task]) -> None:
        hour, passed = divmod(self._time.now, HOUR)
        if self._used.get(int(hour), 0) >= self._calls:
            raise DownstreamThrottledError("slowly", HOUR - passed)
        self._used[int(hour)] = self._used.get(int(hour), 0) + 1


def until_it_ends(rig: Rig) -> tuple[ChunkSummary, int]:
    """Repeat the step of the only chunk as it is wanted; how often that was."""
    for repetitions in range(MOST_REPETITIONS + 2):
        try:
            return process_chunk(rig.worker, 0), repetitions
        except Exception as error:
            vain = rig.worker.vain_tries.get(0)
            decision = when_to_repeat(error, repetitions + 1, vain)
            if not decision.should_retry:
                raise
            rig.time.sleep(decision.delay_seconds)
            # Another invocation, which knows nothing.
            rig.run_as(rig.worker.run)
    raise AssertionError("no end")


@pytest.fixture
def destination() -> Destination:
    return Destination(batch_size=1)


@pytest.fixture
def rig(destination: Destination) -> Rig:
    return Rig(products(20), 1_000_000, call=destination)


@pytest.mark.parametrize("calls_an_hour", [1, 15])
def test_a_quota_of_a_few_calls_an_hour_slows_a_chunk_down_and_fails_nothing(
    rig: Rig, destination: Destination, calls_an_hour: int
) -> None:
    destination.rule = Quota(calls_an_hour, rig.time)

    summary, repetitions = until_it_ends(rig)

    assert (summary.succeeded, summary.failed) == (20, 0)
    assert repetitions <= 20 / calls_an_hour + 1
    assert rig.time.now <= (20 / calls_an_hour + 2) * HOUR
    refused = len(destination.calls) - 20
    assert refused <= repetitions + 1


def test_records_that_are_tried_alone_keep_their_place_within_a_batch(rig: Rig) -> None:
    rig.processor = replace(rig.processor, call=(destination := Destination(batch_size=10)))
    quota = Quota(4, rig.time)

    def rule(tasks: Sequence[Task]) -> None:
        quota(tasks)
        if any(task.record["sku"] == "sku-7" for task in tasks):
            raise RecordRefusedError("sold_out", "none left")

    destination.rule = rule

    summary, _ = until_it_ends(rig)

    assert (summary.succeeded, summary.failures) == (19, {"sold_out": 1})
    alone = [keys for keys in destination.calls if len(keys) == 1]
    # A throttled call is repeated, and one that was settled is not.
    assert max(Counter(alone).values()) <= 2


def test_what_was_refused_before_is_told_as_if_it_were_now(
    rig: Rig, destination: Destination
) -> None:
    quota = Quota(15, rig.time)

    def rule(tasks: Sequence[Task]) -> None:
        quota(tasks)
        if tasks[0].record["sku"] in {"sku-3", "sku-18"}:
            raise RecordRefusedError("sold_out", "none left")

    destination.rule = rule

    summary, _ = until_it_ends(rig)

    assert (summary.succeeded, summary.failures) == (18, {"sold_out": 2})
    assert [line["record"]["sku"] for line in rig.parts("failed")] == ["sku-3", "sku-18"]


def test_where_an_invocation_ends_the_next_one_goes_on(rig: Rig, destination: Destination) -> None:
    # A call takes a minute.
    destination.rule = lambda _tasks: rig.time.sleep(60.0)

    def invocation(left: float) -> None:
        ends_at = rig.time.now + left
        rig.worker = replace(rig.worker, time_left=lambda: ends_at - rig.time.now)

    for _ in range(10):
        invocation(500.0)
        try:
            summary = process_chunk(rig.worker, 0)
        except OutOfTimeError:
            rig.run_as(RUN)
        else:
            break

    assert summary.succeeded == 20
    assert len(destination.calls) == len(set(destination.calls)) == 20


def test_an_outage_still_ends_after_its_tries(rig: Rig, destination: Destination) -> None:
    def down(_tasks: Sequence[Task]) -> None:
        raise TransientError("no connection")

    destination.rule = down

    with pytest.raises(DownstreamUnavailableError):
        until_it_ends(rig)

    assert find_place(rig.objects, RUN, 0).tries == TRIES


def test_being_put_off_is_no_try(rig: Rig) -> None:
    vain: list[int | None] = []
    for _ in range(TRIES - 1):
        vain.append(_failing_with(rig, TransientError("no connection")))
        vain.append(_failing_with(rig, OutOfTimeError(1)))

    assert vain[-1] == TRIES - 1
    assert when_to_repeat(TransientError("busy"), len(vain), vain[-1]).should_retry
    assert not when_to_repeat(TransientError("busy"), len(vain), TRIES).should_retry


def _failing_with(rig: Rig, error: Exception) -> int | None:
    """One try in another invocation that ends in *error*."""
    rig.run_as(RUN)
    rig.objects.fail(error, method="head")
    with pytest.raises(type(error)):
        process_chunk(rig.worker, 0)
    return rig.worker.vain_tries.get(0)


def test_however_far_they_bring_it_repetitions_have_an_end() -> None:
    busy = TransientError("busy")

    assert when_to_repeat(busy, MOST_REPETITIONS - 1, 0).should_retry
    assert not when_to_repeat(busy, MOST_REPETITIONS, 0).should_retry
    assert not when_to_repeat(PermanentError("no"), 1, 0).should_retry


def test_where_the_place_cannot_be_kept_what_failed_is_told(
    rig: Rig, destination: Destination
) -> None:
    destination.rule = Quota(1, rig.time)
    rig.objects.fail(ObjectsBusyError("503"), method="put")

    with pytest.raises(DownstreamUnavailableError):
        process_chunk(rig.worker, 0)

    # Nobody knows; the attempts count.
    assert rig.worker.vain_tries == {}


def test_another_attempt_goes_on_there_but_for_what_failed(
    rig: Rig, destination: Destination
) -> None:
    destination.rule = Quota(15, rig.time)
    with pytest.raises(DownstreamUnavailableError):
        process_chunk(rig.worker, 0)
    assert find_place(rig.objects, attempt(2), 0).called == 15

    refused = Place(called=3, refused={1: RecordRefusedError("sold_out", "none left")})
    rig.objects.store(RUN.place(0), refused.to_json(1))

    assert find_place(rig.objects, attempt(2), 0) == Place()
    assert find_place(rig.objects, attempt(1), 0).called == 3


@pytest.mark.parametrize("others", [range(1, 21), range(10)])
def test_where_a_table_has_other_records_by_now_none_is_left_out(others: range) -> None:
    rows = [range(20)]

    class Changing(DatasetTable):
        def records_of(
            self, dataset: str, bucket: int, first: str | None = None, last: str | None = None
        ) -> Iterator[Row]:
            del dataset, bucket, first, last
            for number in rows[0]:
                yield Row(f"sku-{number:02}", product(number))

    destination = Destination(batch_size=1)
    rig = Rig(b"", 1, call=destination)
    rig.dataset = Dataset(1, 1.0, table="products")
    table = Changing.__new__(Changing)
    rig.run_as(RUN, table)
    destination.rule = Quota(15, rig.time)
    with pytest.raises(DownstreamUnavailableError):
        process_chunk(rig.worker, 0)

    rows[0] = others
    destination.rule = None
    rig.run_as(RUN, table)
    summary = process_chunk(rig.worker, 0)

    assert summary.succeeded == len(others)
    assert set(destination.skus) >= {f"sku-{number}" for number in others}


def test_a_place_is_read_as_it_was_written() -> None:
    error = RecordRefusedError("sold_out", "none left")
    place = replace(Place(7, tries=3), refused={2: error}, settled={0: None, 5: error})

    read = Place.from_json(place.to_json(1), 1)

    assert (read.called, read.tries, read.keys) == (7, 3, place.keys)
    assert [str(it) for it in read.refused.values()] == [str(error)]
    assert list(read.settled) == [0, 5]
    assert read.settled[0] is None


def test_a_chunk_that_comes_to_its_end_leaves_no_place(rig: Rig) -> None:
    process_chunk(rig.worker, 0)

    assert [key for key in rig.objects.written if "/places/" in key] == []
