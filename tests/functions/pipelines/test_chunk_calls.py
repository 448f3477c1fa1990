from collections.abc import Sequence
from math import inf

import pytest

from functions.pipelines.chunk_calls import (
    FAILING_SECONDS,
    OUTAGE_PAUSE_SECONDS,
    PATIENCE_SECONDS,
    UNAVAILABLE,
    ChunkCalls,
    Proof,
)
from functions.pipelines.chunk_time import (
    ChunkTime,
    ChunkTooSlowError,
    DownstreamUnavailableError,
    OutOfTimeError,
)
from functions.pipelines.pace import Pace
from functions.pipelines.processor import (
    DownstreamFailedError,
    DownstreamThrottledError,
    SomeRefusedError,
    Task,
    UnclearAnswerError,
)
from functions.pipelines.records import RecordRefusedError
from functions.shared.errors import PermanentError, TransientError
from tests.functions.pipelines.batch_jobs import Destination, PatientTime


class Chunk:
    """The calls of one chunk, whose time passes by waiting only."""

    def __init__(self, *, seconds: float = inf, proof: Proof | None = None) -> None:
        self.time = PatientTime()
        self.destination = Destination()
        left = ChunkTime(lambda: seconds - self.time.now)
        self.calls = ChunkCalls(
            self.destination,
            Pace(self.time.clock),
            left,
            proof,
            clock=self.time.clock,
            sleep=self.time.sleep,
        )


def tasks(*names: str) -> list[Task]:
    return [Task(name, {"sku": name}) for name in names]


def failing_with(*names: str, error: Exception | None = None) -> Destination:
    """A destination that fails whenever one of *names* is among the tasks."""

    def rule(given: Sequence[Task]) -> None:
        if any(task.key in names for task in given):
            raise error or TransientError("500")

    return Destination(rule=rule)


def chunk_with(
    destination: Destination, *, seconds: float = inf, proof: Proof | None = None
) -> Chunk:
    chunk = Chunk(seconds=seconds, proof=proof)
    chunk.destination = destination
    chunk.calls._call = destination
    return chunk


def test_a_batch_that_is_taken_is_one_call() -> None:
    chunk = Chunk()

    assert chunk.calls(tasks("a", "b", "c")) == {}
    assert chunk.destination.calls == [("a", "b", "c")]


def test_of_a_refused_batch_each_record_is_tried_alone() -> None:
    chunk = chunk_with(failing_with("b", error=RecordRefusedError("sold_out", "none left")))

    refused = chunk.calls(tasks("a", "b", "c"))

    assert {position: error.code for position, error in refused.items()} == {1: "sold_out"}
    assert chunk.destination.calls == [("a", "b", "c"), ("a",), ("b",), ("c",)]


def test_a_hiccup_is_repeated_as_a_batch() -> None:
    chunk = Chunk()
    chunk.destination.outcomes = [TransientError("500"), TransientError("500")]

    assert chunk.calls(tasks("a", "b")) == {}
    assert chunk.destination.calls == [("a", "b")] * 3


def test_a_record_that_the_destination_fails_with_fails_alone() -> None:
    chunk = chunk_with(failing_with("b"))

    refused = chunk.calls(tasks("a", "b", "c"))

    assert {position: error.code for position, error in refused.items()} == {1: UNAVAILABLE}
    assert set(chunk.destination.taken) == {"a", "c"}


def test_the_first_record_may_be_the_one_to_blame() -> None:
    chunk = chunk_with(failing_with("a"))

    refused = chunk.calls(tasks("a", "b"))

    assert {position: error.code for position, error in refused.items()} == {0: UNAVAILABLE}


def test_before_a_record_is_to_blame_the_destination_must_take_what_it_took() -> None:
    chunk = Chunk()
    chunk.calls(tasks("before"))
    # Down for a while, from the next call on.
    chunk.destination.outcomes = [TransientError("503")] * 25

    assert chunk.calls(tasks("a", "b")) == {}
    assert set(chunk.destination.taken) == {"before", "a", "b"}
    assert ("before",) in chunk.destination.calls[1:]


def test_an_outage_is_waited_for_some_minutes_and_is_then_no_failure_of_records() -> None:
    chunk = chunk_with(failing_with("a", "b"))

    with pytest.raises(DownstreamUnavailableError):
        chunk.calls(tasks("a", "b"))

    assert PATIENCE_SECONDS / 2 < chunk.time.now <= PATIENCE_SECONDS


def test_records_that_are_answered_with_failures_only_are_to_blame_after_a_while() -> None:
    chunk = chunk_with(failing_with("a", "b", error=DownstreamFailedError("500")))

    refused = chunk.calls(tasks("a", "b"))

    assert {position: error.code for position, error in refused.items()} == {
        0: UNAVAILABLE,
        1: UNAVAILABLE,
    }
    assert FAILING_SECONDS <= chunk.time.now < PATIENCE_SECONDS
    # What is known then, no other batch waits for.
    chunk.destination.rule = failing_with("c", error=DownstreamFailedError("500")).rule
    before = chunk.time.now
    assert list(chunk.calls(tasks("c"))) == [0]
    assert chunk.time.now - before < 5


def test_a_hundred_poisoned_records_come_to_their_end() -> None:
    names = [f"sku-{number}" for number in range(100)]
    chunk = chunk_with(failing_with(*names, error=DownstreamFailedError("500")))

    assert len(chunk.calls(tasks(*names))) == 100


@pytest.mark.parametrize(
    "error", [TransientError("no connection"), DownstreamThrottledError("slowly")]
)
def test_an_outage_blames_no_record_however_long_it_takes(error: Exception) -> None:
    chunk = chunk_with(failing_with("a", "b", error=error))

    for _ in range(5):
        with pytest.raises(DownstreamUnavailableError):
            chunk.calls(tasks("a", "b"))


def test_a_destination_that_answers_only_now_and_then_is_left_to_the_step() -> None:
    chunk = Chunk()

    def rule(given: Sequence[Task]) -> None:
        if given[0].key == "a":
            raise TransientError("no connection")
        raise DownstreamFailedError("500")

    chunk.destination.rule = rule

    with pytest.raises(DownstreamUnavailableError):
        chunk.calls(tasks("a", "b"))


def test_what_another_chunk_of_the_worker_proved_spares_the_waiting() -> None:
    proof = Proof(Task("before", {"sku": "before"}))
    chunk = chunk_with(failing_with("a", error=DownstreamFailedError("500")), proof=proof)

    assert list(chunk.calls(tasks("a"))) == [0]
    assert ("before",) in chunk.destination.calls
    assert chunk.time.now < OUTAGE_PAUSE_SECONDS


def test_of_a_batch_whose_refused_records_are_named_these_alone_are_tried_again() -> None:
    chunk = Chunk()

    def rule(given: Sequence[Task]) -> None:
        if len(given) > 1:
            raise SomeRefusedError(["b"])
        raise RecordRefusedError("sold_out", "none left")

    chunk.destination.rule = rule

    refused = chunk.calls(tasks("a", "b", "c"))

    assert {position: error.code for position, error in refused.items()} == {1: "sold_out"}
    assert chunk.destination.calls == [("a", "b", "c"), ("b",)]


def test_an_answer_that_stays_unclear_is_final() -> None:
    lasting = PermanentError("the answer must be JSON")
    chunk = chunk_with(failing_with("a", error=UnclearAnswerError(lasting)))

    with pytest.raises(PermanentError) as raised:
        chunk.calls(tasks("a", "b"))

    assert raised.value is lasting
    assert len(chunk.destination.calls) == 3


def test_what_was_settled_before_an_interruption_is_not_called_again() -> None:
    chunk = Chunk()
    chunk.calls.settled = {0: None, 2: RecordRefusedError("sold_out", "none left")}

    refused = chunk.calls(tasks("a", "b", "c"))

    assert list(refused) == [2]
    assert chunk.destination.calls == [("b",)]


def test_a_throttle_is_waited_for_and_the_batch_repeated() -> None:
    chunk = Chunk()
    chunk.destination.outcomes = [DownstreamThrottledError("slowly", 60.0)]

    assert chunk.calls(tasks("a", "b")) == {}
    assert chunk.time.slept == [60.0]


def test_a_long_pause_is_left_to_the_step() -> None:
    chunk = Chunk()
    chunk.destination.outcomes = [DownstreamThrottledError("slowly", 3600.0)]

    with pytest.raises(DownstreamUnavailableError) as raised:
        chunk.calls(tasks("a"))

    assert raised.value.pause_seconds == pytest.approx(3600.0)
    assert chunk.time.slept == []


def test_what_no_repetition_mends_is_raised_at_once() -> None:
    chunk = chunk_with(failing_with("a", error=PermanentError("403")))

    with pytest.raises(PermanentError):
        chunk.calls(tasks("a", "b"))

    assert len(chunk.destination.calls) == 1


def test_no_call_begins_that_would_end_after_the_invocation() -> None:
    chunk = chunk_with(Destination(), seconds=100.0)
    chunk.destination.outcomes = [DownstreamThrottledError("slowly", 90.0)]

    with pytest.raises(OutOfTimeError) as raised:
        chunk.calls(tasks("a"))

    # When the invocation is over for certain.
    assert raised.value.pause_seconds == 101


def test_a_chunk_that_had_its_time_is_too_slow() -> None:
    left = [880.0, 20.0]
    chunk_time = ChunkTime(lambda: left.pop(0))

    with pytest.raises(ChunkTooSlowError):
        chunk_time.check()


def test_where_the_destination_took_the_time_it_is_not_the_chunk() -> None:
    left = [880.0, 20.0]
    chunk_time = ChunkTime(lambda: left.pop(0))
    chunk_time.waited = 500.0

    with pytest.raises(DownstreamUnavailableError):
        chunk_time.check()
