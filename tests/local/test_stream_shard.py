"""How Lambda works through a shard (developer guide, with-ddb and services-dynamodb-errors)."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from local.batch_item_failures import BatchReport
from local.stream_shard import Discarded, DiscardReason, RetryPolicy, Shard, StreamRecord

# One try, then give up; tests that want more say so.
POLICY = RetryPolicy(backoff_base_seconds=1, backoff_max_seconds=8)
LONG_AFTER = 1_000.0


def records(count: int, *, created_at: float = 0) -> list[StreamRecord]:
    return [StreamRecord(str(number), created_at, {}) for number in range(count)]


def shard_of(count: int, policy: RetryPolicy = POLICY) -> Shard:
    shard = Shard(policy)
    shard.offer(records(count), 0)
    return shard


def sent(shard: Shard, now: float = LONG_AFTER) -> tuple[str, ...]:
    batch = shard.due(now)
    return () if batch is None else batch.identifiers


def failing(*identifiers: str) -> BatchReport:
    return BatchReport(frozenset(identifiers))


def test_records_go_out_in_order_in_batches_of_the_batch_size() -> None:
    shard = shard_of(5, replace(POLICY, batch_size=2))
    batches = []

    while batch := sent(shard):
        batches.append(batch)
        shard.succeeded(BatchReport(), 0)

    assert batches == [("0", "1"), ("2", "3"), ("4",)]


def test_a_batching_window_is_waited_out_unless_the_batch_is_full() -> None:
    policy = replace(POLICY, batch_size=2, batching_window_seconds=5)
    half_full = shard_of(1, policy)
    full = shard_of(2, policy)

    assert sent(half_full, now=4.9) == ()
    assert half_full.next_due_at() == 5
    assert sent(half_full, now=5) == ("0",)
    assert sent(full, now=0) == ("0", "1")


def test_a_reported_failure_is_sent_again_with_everything_after_it() -> None:
    shard = shard_of(4)
    shard.due(0)

    shard.succeeded(failing("2"), 0)

    assert sent(shard) == ("2", "3")


def test_of_several_reported_failures_the_lowest_is_the_checkpoint() -> None:
    shard = shard_of(4)
    shard.due(0)

    shard.succeeded(failing("3", "1"), 0)

    assert sent(shard) == ("1", "2", "3")


def test_a_function_error_sends_the_whole_batch_again_before_anything_behind_it() -> None:
    shard = shard_of(4, replace(POLICY, batch_size=2))
    shard.due(0)

    shard.failed(0)

    assert sent(shard) == ("0", "1")


def test_retries_wait_longer_each_time_up_to_a_bound() -> None:
    shard = shard_of(1)
    waits = []
    now = 0.0

    for _ in range(6):
        assert shard.due(now) is not None
        shard.failed(now)
        due_at = shard.next_due_at()
        assert due_at is not None
        waits.append(due_at - now)
        now = due_at

    assert waits == [1, 2, 4, 8, 8, 8]


def test_without_a_limit_a_batch_is_retried_until_its_records_expire() -> None:
    shard = shard_of(1)
    for _ in range(500):
        shard.due(LONG_AFTER)
        assert shard.failed(0) is None

    discarded = shard.discard_expired(86_401)

    assert discarded is not None
    assert discarded.reason is DiscardReason.TOO_OLD


def test_a_batch_is_given_up_after_its_retries() -> None:
    shard = shard_of(2, replace(POLICY, maximum_retry_attempts=2))
    outcomes = []

    for _ in range(3):
        shard.due(LONG_AFTER)
        outcomes.append(shard.failed(0))

    assert outcomes[:2] == [None, None]
    assert outcomes[2] is not None
    assert outcomes[2].reason is DiscardReason.RETRIES_EXHAUSTED
    assert outcomes[2].batch.invoke_count == 3
    assert len(shard) == 0


def test_records_over_the_maximum_age_are_given_up_and_the_younger_ones_go_on() -> None:
    shard = Shard(replace(POLICY, maximum_record_age_seconds=60))
    old = StreamRecord("old", 0, {})
    young = StreamRecord("young", 30, {})
    shard.offer([old, young], 30)

    discarded = shard.discard_expired(61)

    assert discarded is not None
    assert discarded.reason is DiscardReason.TOO_OLD
    assert discarded.batch.records == (old,)
    assert sent(shard) == ("young",)


def test_a_failing_batch_is_split_where_the_mapping_says_so_at_no_cost_in_retries() -> None:
    shard = shard_of(4, replace(POLICY, bisects=True, maximum_retry_attempts=0))
    tried = []
    given_up = []

    while batch := sent(shard):
        tried.append(batch)
        if "2" in batch:
            discarded = shard.failed(0)
            given_up += [discarded.batch.identifiers] if discarded else []
        else:
            shard.succeeded(BatchReport(), 0)

    assert tried == [("0", "1", "2", "3"), ("0", "1"), ("2", "3"), ("2",), ("3",)]
    assert given_up == [("2",)]


def test_with_bisection_a_report_splits_the_batch_at_the_reported_record() -> None:
    shard = shard_of(4, replace(POLICY, bisects=True, maximum_retry_attempts=0))
    shard.due(0)

    discarded = shard.succeeded(failing("2"), 0)

    assert discarded is None
    assert sent(shard) == ("2", "3")


def test_throttling_is_waited_out_and_costs_no_retry() -> None:
    shard = shard_of(1, replace(POLICY, maximum_retry_attempts=0))

    for _ in range(50):
        assert sent(shard) == ("0",)
        shard.throttled(0)

    assert sent(shard, now=0) == ()
    assert sent(shard) == ("0",)


@given(
    st.integers(1, 12),
    st.integers(1, 5),
    st.booleans(),
    st.integers(-1, 2),
    st.lists(st.integers(0, 3), max_size=60),
    st.data(),
)
def test_every_record_is_delivered_or_given_up_and_none_overtakes_another(
    count: int,
    batch_size: int,
    bisects: bool,  # noqa: FBT001  # hypothesis passes by position
    retries: int,
    answers: list[int],
    data: st.DataObject,
) -> None:
    policy = replace(POLICY, batch_size=batch_size, bisects=bisects, maximum_retry_attempts=retries)
    shard = shard_of(count, policy)
    done: list[str] = []
    answering = iter(answers)

    while batch := shard.due(LONG_AFTER):
        before = len(shard)
        discarded: Discarded | None = None
        match next(answering, 0):
            case 1:
                discarded = shard.failed(0)
            case 2:
                shard.throttled(0)
            case 3:
                failed = data.draw(st.sets(st.sampled_from(batch.identifiers)))
                discarded = shard.succeeded(BatchReport(frozenset(failed)), 0)
            case _:
                shard.succeeded(BatchReport(), 0)
        finished = before - len(shard)
        done += batch.identifiers[:finished]
        if discarded is not None:
            assert batch.identifiers[:finished][-len(discarded.batch.records) :] == (
                discarded.batch.identifiers
            )

    assert done == [str(number) for number in range(count)]
