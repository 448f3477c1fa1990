"""No sequence of writes breaks a rule of a job's life; tried against DynamoDB's own semantics.

Messages of several executions and attempts arrive late, twice, reordered and replayed, by clocks
that jump. After each one the row is compared with what the rules allow, told here in plain
statements and without the table's conditions.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from functions.shared.job import (
    INDEXED_AS_OPEN,
    RETRYABLE,
    TERMINAL,
    JobError,
    JobStatus,
    Progress,
    may_follow,
)
from functions.shared.job_table import JobExistsError, JobNotRetryableError, JobTable
from tests.functions.job_table_rows import Rows, any_job

START = datetime.now(UTC)
ATTEMPTS = st.integers(1, 3)
EXECUTIONS = st.sampled_from(["arn:a", "arn:b", "arn:c"])
ENDINGS = st.sampled_from(sorted(RETRYABLE))
ERROR = JobError("any_error", "any message")
OF_PROGRESS = {"progress", "shard_progress"}
OF_AN_ATTEMPT = OF_PROGRESS | {"error", "result", "execution_arn", "finished_at"}


@dataclass(frozen=True)
class Message:
    """A write on its way to the table; it can arrive more than once."""

    name: str
    attempt: int
    execution: str | None
    send: Callable[[], Any]


def _counts(before: dict[str, Any], after: dict[str, Any]) -> Iterator[tuple[int, int]]:
    """What was counted in a row, and is now."""
    if "progress" in before:
        yield before["progress"]["done"], after["progress"]["done"]
    for shard, progress in before.get("shard_progress", {}).items():
        yield progress["done"], after["shard_progress"][shard]["done"]


class JobLife(RuleBasedStateMachine):
    """One job, and everybody who writes about it."""

    rows: ClassVar[Rows]
    messages: Bundle[Message] = Bundle("messages")

    def __init__(self) -> None:
        super().__init__()
        self.jobs = JobTable(self.rows.client, self.rows.table_name)
        self.clock = START
        self.row: dict[str, Any] = {}

    @initialize()
    def submit(self) -> None:
        self.rows.clear()
        self.jobs.submit(any_job())
        self.row = self.rows.peek()

    @rule(hours=st.floats(-1, 1))
    def clock_jumps(self, hours: float) -> None:
        self.clock += timedelta(hours=hours)

    @rule(target=messages, attempt=ATTEMPTS, execution=EXECUTIONS)
    def claim(self, attempt: int, execution: str) -> Message:
        return self.arrive(
            "claim",
            attempt,
            execution,
            lambda: (
                self.jobs.claim("job-1", "send-email", attempt, execution, self.clock).is_granted
            ),
        )

    @rule(target=messages, attempt=ATTEMPTS, execution=EXECUTIONS)
    def complete(self, attempt: int, execution: str) -> Message:
        return self.arrive(
            "complete",
            attempt,
            execution,
            lambda: self.jobs.complete("job-1", attempt, execution, '"done"', self.clock),
        )

    @rule(target=messages, attempt=ATTEMPTS, execution=st.none() | EXECUTIONS, ending=ENDINGS)
    def end(self, attempt: int, execution: str | None, ending: JobStatus) -> Message:
        return self.arrive(
            "end",
            attempt,
            execution,
            lambda: self.jobs.end(
                "job-1", attempt, ending, ERROR, self.clock, execution_arn=execution
            ),
        )

    @rule(target=messages, attempt=ATTEMPTS, execution=EXECUTIONS, done=st.integers(0, 9))
    def note_progress(self, attempt: int, execution: str, done: int) -> Message:
        return self.arrive(
            "progress",
            attempt,
            execution,
            lambda: self.jobs.note_progress(
                "job-1", attempt, execution, Progress(done), self.clock
            ),
        )

    @rule(
        target=messages,
        attempt=ATTEMPTS,
        execution=EXECUTIONS,
        shard=st.integers(0, 2),
        done=st.integers(0, 9),
    )
    def note_shard_progress(self, attempt: int, execution: str, shard: int, done: int) -> Message:
        def note() -> bool:
            # As the parent does before it starts any shard.
            self.jobs.note_progress(
                "job-1", attempt, execution, Progress(0), self.clock, shards=True
            )
            return self.jobs.note_shard_progress(
                "job-1", attempt, execution, shard, Progress(done), self.clock
            )

        return self.arrive("progress", attempt, execution, note)

    @rule()
    def admit(self) -> None:
        self.arrive("admit", 0, None, lambda: self.jobs.admit(any_job(), self.clock))

    @rule()
    def submit_again(self) -> None:
        def submit() -> None:
            with pytest.raises(JobExistsError):
                self.jobs.submit(any_job(payload='{"another": 1}'))

        self.arrive("submit", 0, None, submit)

    @rule()
    def retry(self) -> None:
        def retry() -> bool:
            try:
                return self.jobs.retry("job-1", self.clock).status is JobStatus.PENDING
            except JobNotRetryableError:
                return False

        self.arrive("retry", 0, None, retry)

    @rule(message=messages)
    def arrive_again(self, message: Message) -> None:
        self.arrive(message.name, message.attempt, message.execution, message.send)

    def arrive(
        self, name: str, attempt: int, execution: str | None, send: Callable[[], Any]
    ) -> Message:
        before = self.row
        answer = send()
        self.row = after = self.rows.peek()
        was, now = JobStatus(before["status"]), JobStatus(after["status"])
        current = before.get("attempt", 1)

        assert now is was or may_follow(was, now)
        assert after["payload"] == before["payload"]
        assert after.get("attempt", 1) - current in {0, 1}
        if after.get("attempt", 1) != current or now is JobStatus.PENDING is not was:
            # Only a retry leaves a terminal status, and only as the next attempt.
            assert name == "retry"
            assert was in RETRYABLE
            assert (now, after["attempt"]) == (JobStatus.PENDING, current + 1)
            assert not OF_AN_ATTEMPT & set(after)
        elif name == "progress":
            assert all(now >= was for was, now in _counts(before, after))
            owner = (JobStatus.PROCESSING, current, before.get("execution_arn"))
            assert answer is ((was, attempt, execution) == owner)
        if name in {"claim", "complete", "end", "progress"}:
            if attempt != current:
                assert after == before
                assert not answer
            if before.get("execution_arn") not in {None, execution}:
                # The claim is somebody else's, or the end is.
                assert after == before
        if was is JobStatus.COMPLETED and name != "admit":
            assert after == before
        if name == "claim":
            is_own = was is JobStatus.PROCESSING and before["execution_arn"] == execution
            may_claim = was is JobStatus.PENDING or is_own
            assert answer is (attempt == current and may_claim)
        if now is JobStatus.COMPLETED is not was:
            assert name == "complete"
            assert before["execution_arn"] == execution
        if name in {"complete", "end"} and answer:
            assert now in TERMINAL
        return Message(name, attempt, execution, send)

    @invariant()
    def the_row_is_consistent(self) -> None:
        if not self.row:
            return
        status = JobStatus(self.row["status"])
        # TTL may take only what has ended: a live row has no `expires_at` (failure 16).
        assert ("expires_at" in self.row) is (status in TERMINAL)
        assert ("finished_at" in self.row) is (status in TERMINAL)
        assert ("result" in self.row) is (status is JobStatus.COMPLETED)
        assert status is not JobStatus.COMPLETED or not OF_PROGRESS & set(self.row)
        assert ("error" in self.row) is (status in RETRYABLE)
        assert ("open_status" in self.row) is (status in INDEXED_AS_OPEN)
        assert ("open_since" in self.row) is (status in INDEXED_AS_OPEN)
        assert self.row.get("open_status", status) == status


STEPS = 50
# 2,500 events in every run; the 100,000 of `make soak` start elsewhere each time.
EXAMPLES = 50
SOAK_EXAMPLES = 2_000


def live(rows: Rows, *, examples: int, derandomize: bool) -> None:
    JobLife.rows = rows
    run_state_machine_as_test(
        JobLife,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            derandomize=derandomize,
            database=None,
            report_multiple_bugs=False,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.matrix
def test_failures_14_and_15_no_late_duplicate_reordered_or_replayed_write_breaks_a_rule(
    rows: Rows,
) -> None:
    live(rows, examples=EXAMPLES, derandomize=True)


@pytest.mark.soak
def test_failures_14_and_15_not_even_among_a_hundred_thousand_writes(rows: Rows) -> None:
    live(rows, examples=SOAK_EXAMPLES, derandomize=False)
