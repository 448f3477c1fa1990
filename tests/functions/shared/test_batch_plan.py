"""Whatever the dataset and the wishes: every byte once, and no execution near its limits."""

import itertools
import json
import math
from dataclasses import asdict, replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from functions.pipelines.batch_tree import PAUSES
from functions.pipelines.chunk_retries import most_repetitions
from functions.shared.batch_plan import (
    FIXED_OPERATIONS,
    MAX_CHUNKS_OF_EXECUTION,
    MAX_FIXED_CHUNK_BYTES,
    MAX_LONG_CHUNK_BYTES,
    MAX_OPERATIONS,
    MAX_REPETITIONS_OF_SHARD,
    MAX_SHARDS,
    OPERATIONS_BESIDES,
    SLOW,
    DatasetSize,
    DatasetTooLargeError,
    Plan,
    Wishes,
    plan,
)

TB = 10**12
MB = 1_000_000
# A summary as large as the SDK lets it be in practice, with every chunk tried twice.
LARGE_SUMMARY_BYTES = 10_000

SIZES = st.one_of(
    st.integers(0, 100 * TB),
    # As many small ones as large ones.
    st.integers(0, 14).flatmap(lambda digits: st.integers(0, 10**digits)),
)
RECORD_BYTES = st.one_of(st.floats(1, MB), st.floats(1, 1_000))
WISHES = st.builds(
    Wishes,
    target_seconds=st.integers(60, 86_400),
    max_workers=st.integers(1, 1_000),
    records_per_second=st.floats(1, 1_000_000),
    memory_mib=st.sampled_from([512, 1_769, 10_240]),
    chunks_at_once=st.integers(1, 10),
)


@st.composite
def plans(draw: st.DrawFn) -> tuple[DatasetSize, Wishes, Plan]:
    return planned(DatasetSize(draw(SIZES), draw(RECORD_BYTES)), draw(WISHES))


def planned(size: DatasetSize, wishes: Wishes) -> tuple[DatasetSize, Wishes, Plan]:
    """A part of the dataset that is not too large for what the wishes say of a worker."""
    while True:
        try:
            return size, wishes, plan(size, wishes)
        except DatasetTooLargeError:
            size = replace(size, size_bytes=size.size_bytes // 3)


def executions(made: Plan) -> list[int]:
    """How many chunks each execution has that has any."""
    if not made.shards:
        return [made.chunks]
    return [len(made.chunks_of_shard(shard)) for shard in range(made.shards)]


def records(count: int, record_bytes: float = 150, wishes: Wishes | None = None) -> Plan:
    return plan(DatasetSize(round(count * record_bytes), record_bytes), wishes or Wishes())


@given(plans())
def test_chunks_cover_every_byte_exactly_once(made: tuple[DatasetSize, Wishes, Plan]) -> None:
    size, _, cut = made

    # Two million ranges take too long: the first, the last, and their neighbours.
    chunks = sorted({*range(min(50, cut.chunks)), *range(max(0, cut.chunks - 50), cut.chunks)})
    ranges = [cut.chunk_range(chunk) for chunk in chunks]

    assert cut.chunks == -(-size.size_bytes // cut.chunk_bytes if cut.chunk_bytes else 0)
    assert all(first <= last for first, last in ranges)
    if ranges:
        assert (ranges[0][0], ranges[-1][1]) == (0, size.size_bytes - 1)
    for (one, (_, last)), (another, (first, _)) in itertools.pairwise(
        zip(chunks, ranges, strict=True)
    ):
        if another == one + 1:
            assert first == last + 1


@given(plans())
def test_shards_are_neighbours_and_balanced_within_one_chunk(
    made: tuple[DatasetSize, Wishes, Plan],
) -> None:
    _, wishes, cut = made
    if not cut.shards:
        return

    shards = [cut.chunks_of_shard(shard) for shard in range(cut.shards)]

    assert (shards[0].start, shards[-1].stop) == (0, cut.chunks)
    assert all(one.stop == another.start for one, another in itertools.pairwise(shards))
    assert max(map(len, shards)) - min(map(len, shards)) <= 1
    assert min(map(len, shards)) >= 1
    assert 1 <= cut.workers <= min(wishes.max_workers, cut.shards)
    assert cut.shards <= MAX_SHARDS


@given(plans())
def test_no_execution_comes_near_its_limits_even_if_every_sixth_chunk_is_tried_twice(
    made: tuple[DatasetSize, Wishes, Plan],
) -> None:
    _, _, cut = made
    most = max(executions(cut))
    retries = -(-most // 6)

    assert most <= MAX_CHUNKS_OF_EXECUTION
    assert cut.predicted.largest_execution_operations + retries <= MAX_OPERATIONS
    assert 2 * most * LARGE_SUMMARY_BYTES < 50 * MB
    assert cut.predicted.largest_execution_bytes < 50 * MB


@given(
    st.integers(5, 12).flatmap(lambda digits: st.integers(100_000, 10**digits)),
    st.floats(1, 8 * 1024) | st.floats(1, 500),
    WISHES,
    st.floats(SLOW, 1_000_000),
)
def test_operations_and_checkpoints_grow_with_chunks_and_not_with_records(
    count: int, record_bytes: float, wishes: Wishes, records_per_second: float
) -> None:
    """Of records of at most 8 KiB, at 10 a second or more: the others need shorter chunks."""
    asked = DatasetSize(math.ceil(count * record_bytes), record_bytes)
    size, _, cut = planned(asked, replace(wishes, records_per_second=records_per_second))

    assert cut.predicted.operations <= 1_010 * size.records / 1e6
    assert cut.predicted.checkpoint_bytes < 2 * MB * size.records / 1e6


@given(plans())
def test_a_chunk_fits_into_memory_and_into_a_third_of_an_invocation(
    made: tuple[DatasetSize, Wishes, Plan],
) -> None:
    size, wishes, cut = made
    of_a_chunk = cut.chunk_bytes / size.record_bytes

    assert cut.chunk_bytes <= MAX_LONG_CHUNK_BYTES
    assert (of_a_chunk - 1) / wishes.records_per_second * cut.chunks_at_once <= 300


def test_what_all_threads_of_a_worker_make_fits_into_a_quarter_of_its_memory() -> None:
    """Of each byte that is no text six are written; a part is held once more to be sent."""
    wishes = Wishes()
    longest = max(6 * MAX_LONG_CHUNK_BYTES, MAX_FIXED_CHUNK_BYTES)

    assert 2 * longest * wishes.chunks_at_once <= wishes.memory_mib * 1024 * 1024 / 4


@given(plans())
def test_the_predicted_operations_are_those_of_the_cut(
    made: tuple[DatasetSize, Wishes, Plan],
) -> None:
    _, _, cut = made

    parent = 6 + cut.shards if cut.shards else 6
    shards = [2 + chunks for chunks in executions(cut)] if cut.shards else [cut.chunks]

    assert cut.predicted.operations == parent + sum(shards)
    most = max(parent, *shards) if cut.shards else 6 + cut.chunks
    assert cut.predicted.largest_execution_operations == most


@given(plans())
# So many workers that 450 shards would be two waves of them, the second one hardly begun.
@example(
    planned(
        DatasetSize(220_000_000 * 150, 150),
        Wishes(max_workers=1_000, records_per_second=1_000, target_seconds=600),
    )
)
def test_a_target_is_missed_only_where_more_workers_may_not_or_cannot_help(
    made: tuple[DatasetSize, Wishes, Plan],
) -> None:
    size, wishes, cut = made
    may_have_more = cut.workers < min(wishes.max_workers, MAX_SHARDS, max(cut.chunks, 1))
    # A shard has 8,000 records at least.
    can_have_more = cut.workers < max(1, size.records // 8_000)

    if may_have_more and can_have_more:
        assert cut.predicted.meets_target


@given(SIZES, st.integers(0, 10 * TB), RECORD_BYTES, WISHES)
# A byte more, where one execution becomes a tree.
@example(8_000 * 150 * 450, 1, 150, Wishes(target_seconds=900))
def test_more_is_never_predicted_to_take_less(
    small: int, more: int, record_bytes: float, wishes: Wishes
) -> None:
    """But for the time of a dataset that may have more workers."""
    size, _, second = planned(DatasetSize(small + more, record_bytes), wishes)
    first = plan(replace(size, size_bytes=min(small, size.size_bytes)), wishes)

    one, another = first.predicted, second.predicted
    # Chunks are whole bytes.
    rounding = 1 + 1 / max(second.chunk_bytes, 1)
    assert one.operations <= another.operations * rounding + 1
    assert one.checkpoint_bytes <= another.checkpoint_bytes * rounding + 1_000
    assert one.dollars <= another.dollars * rounding + 1e-5
    assert one.worker_seconds <= another.worker_seconds * rounding + 0.2
    if (first.workers, first.shards) == (second.workers, second.shards):
        # The largest shard has a whole number of chunks.
        a_chunk = 1 + max(first.chunk_bytes, 1) / record_bytes / wishes.records_per_second
        waves = -(-first.shards // first.workers)
        assert one.seconds <= another.seconds * rounding + a_chunk * (waves + 1)


@given(st.integers(1, 100 * TB), WISHES, st.integers(2, 100))
def test_a_sample_that_is_wrong_by_any_factor_breaks_no_limit(
    size_bytes: int, wishes: Wishes, factor: int
) -> None:
    """Chunks are counted from bytes; only the predictions are wrong then."""
    for record_bytes in (200 / factor, 200 * factor):
        try:
            cut = plan(DatasetSize(size_bytes, record_bytes), wishes)
        except DatasetTooLargeError:
            continue
        assert max(executions(cut)) <= MAX_CHUNKS_OF_EXECUTION
        assert cut.shards <= MAX_SHARDS


@given(plans())
def test_a_plan_is_the_same_after_a_checkpoint(made: tuple[DatasetSize, Wishes, Plan]) -> None:
    _, _, cut = made

    assert Plan.from_dict(json.loads(json.dumps(cut.to_dict()))) == cut


@given(plans())
def test_no_parent_passes_its_bound_even_if_every_shard_is_repeated_as_often_as_may_be(
    made: tuple[DatasetSize, Wishes, Plan],
) -> None:
    _, _, cut = made
    invoked = cut.shards * (1 + 2 * MAX_REPETITIONS_OF_SHARD)

    assert len(PAUSES) == MAX_REPETITIONS_OF_SHARD
    assert FIXED_OPERATIONS + invoked + OPERATIONS_BESIDES <= MAX_OPERATIONS


@given(plans())
def test_no_execution_passes_its_bound_though_its_chunks_are_repeated_as_often_as_may_be(
    made: tuple[DatasetSize, Wishes, Plan],
) -> None:
    _, _, cut = made
    most = max(executions(cut))

    assert most_repetitions(most) > 300
    # Each of its threads may begin one more.
    repetitions = most_repetitions(most) + cut.chunks_at_once
    assert FIXED_OPERATIONS + most + repetitions <= MAX_OPERATIONS


@given(SIZES, RECORD_BYTES, WISHES)
# 3 million records at 10 a second, and a billion.
@example(3 * 10**6 * 150, 150, Wishes(records_per_second=10))
@example(10**9 * 150, 150, Wishes())
def test_a_partition_of_a_table_ends_in_time_and_fits_into_memory_or_is_refused(
    size_bytes: int, record_bytes: float, wishes: Wishes
) -> None:
    size = DatasetSize(size_bytes, record_bytes)
    of_a_chunk = size.records / 256

    try:
        cut = plan(size, wishes, fixed_chunks=256)
    except DatasetTooLargeError:
        rate = min(wishes.records_per_second, 25_000_000 / record_bytes)
        is_too_slow = of_a_chunk / rate > 300
        assert is_too_slow or of_a_chunk * (record_bytes + 250) > MAX_FIXED_CHUNK_BYTES
    else:
        assert of_a_chunk / wishes.records_per_second * cut.chunks_at_once <= 300 * (1 + 1e-9)
        assert of_a_chunk * record_bytes <= MAX_FIXED_CHUNK_BYTES


@given(st.integers(0, 10**9), st.floats(1, 1_000), WISHES)
def test_a_table_is_cut_by_its_partitions(
    size_bytes: int, record_bytes: float, wishes: Wishes
) -> None:
    # So many records, of a byte even, are few enough for the slowest processor.
    wishes = replace(wishes, records_per_second=max(wishes.records_per_second, 20_000))
    size_bytes = min(size_bytes, round(10**7 * record_bytes))
    cut = plan(DatasetSize(size_bytes, record_bytes), wishes, fixed_chunks=256)

    assert cut.chunks == 256
    assert sum(executions(cut)) == 256
    assert cut.workers <= wishes.max_workers
    assert cut.predicted.largest_execution_operations <= MAX_OPERATIONS
    with pytest.raises(IndexError):
        cut.chunk_range(0)


def test_a_small_dataset_is_one_execution_of_about_ten_chunks() -> None:
    cut = records(10_000)

    assert (cut.shards, cut.workers, cut.chunks) == (0, 1, 10)


def test_a_million_records_are_a_few_hundred_chunks_of_one_execution() -> None:
    cut = records(1_000_000)

    assert (cut.shards, cut.chunks) == (0, 250)
    assert cut.predicted.operations == 256


def test_ten_million_records_are_a_tree_within_all_limits() -> None:
    cut = records(10_000_000, 200)

    assert cut.shards > 1
    assert cut.predicted.meets_target
    assert cut.predicted.operations <= 10_100
    assert cut.predicted.checkpoint_bytes < 20 * MB
    assert cut.predicted.largest_execution_operations <= 2_000


def test_ten_billion_records_are_planned_within_all_limits() -> None:
    cut = records(10**10, 200)

    assert cut.shards <= MAX_SHARDS
    assert max(executions(cut)) <= MAX_CHUNKS_OF_EXECUTION
    assert cut.predicted.operations <= 1_010 * 10_000
    # It says so beforehand, instead of being stopped after a day.
    assert not cut.predicted.meets_target


def test_more_workers_are_faster_and_hardly_dearer() -> None:
    slow = records(100_000_000, wishes=Wishes(max_workers=5)).predicted
    fast = records(100_000_000, wishes=Wishes(max_workers=50)).predicted

    assert fast.seconds < slow.seconds / 5
    assert fast.dollars < 1.05 * slow.dollars


def test_nothing_is_no_chunk() -> None:
    cut = records(0)

    assert (cut.chunks, cut.shards, cut.predicted.operations) == (0, 0, 6)


def test_what_is_one_record_long_is_one_chunk() -> None:
    cut = records(1)

    assert cut.chunk_range(0) == (0, 149)
    with pytest.raises(IndexError):
        cut.chunk_range(1)


def test_what_no_tree_can_hold_is_refused_with_a_way_out() -> None:
    with pytest.raises(DatasetTooLargeError, match="split it"):
        plan(DatasetSize(100 * TB, 2), Wishes())


def test_a_slow_processor_has_chunks_that_end_in_time() -> None:
    cut = records(100_000, wishes=Wishes(records_per_second=1))

    assert cut.chunk_bytes / 150 <= 300
    assert cut.chunks_at_once == 1


def test_writing_into_a_table_is_in_the_price() -> None:
    without = records(1_000_000).predicted.dollars

    assert records(1_000_000, wishes=Wishes(table_writes=1)).predicted.dollars == pytest.approx(
        without + 0.625
    )


@pytest.mark.parametrize("field", [name for name in asdict(Wishes()) if "_" in name][:5])
def test_wishes_for_nothing_are_a_mistake(field: str) -> None:
    with pytest.raises(ValueError, match="above 0"):
        replace(Wishes(), **{field: 0})
