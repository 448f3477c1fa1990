"""What a stream mapping does next with the records of one shard: decisions, no I/O.

The rules are those of the Lambda developer guide (with-ddb, services-ddb-batchfailurereporting,
services-dynamodb-errors): records go out in order; a failed batch is tried again before anything
behind it; throttling is waited out and costs no retry; splitting a batch costs no retry either.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Self

from local.batch_item_failures import BatchReport

UNLIMITED = -1

# A DynamoDB stream keeps a record for 24 hours (DynamoDB developer guide, Streams).
RECORD_LIFETIME_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """One stream record, in the form that the function gets."""

    sequence_number: str
    created_at: float
    event: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The error handling of one mapping, with AWS's defaults."""

    batch_size: int = 100
    batching_window_seconds: float = 0
    maximum_retry_attempts: int = UNLIMITED
    maximum_record_age_seconds: int = UNLIMITED
    bisects: bool = False
    reports_item_failures: bool = False
    # AWS documents that it backs off, not by how much.
    backoff_base_seconds: float = 0.2
    backoff_max_seconds: float = 5.0

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """Read an event source mapping as `ListEventSourceMappings` describes it."""
        return cls(
            batch_size=mapping.get("BatchSize", 100),
            batching_window_seconds=mapping.get("MaximumBatchingWindowInSeconds", 0),
            maximum_retry_attempts=mapping.get("MaximumRetryAttempts", UNLIMITED),
            maximum_record_age_seconds=mapping.get("MaximumRecordAgeInSeconds", UNLIMITED),
            bisects=bool(mapping.get("BisectBatchOnFunctionError")),
            reports_item_failures="ReportBatchItemFailures"
            in mapping.get("FunctionResponseTypes", []),
        )

    @property
    def oldest_age_seconds(self) -> float:
        if self.maximum_record_age_seconds == UNLIMITED:
            return RECORD_LIFETIME_SECONDS
        return self.maximum_record_age_seconds


class DiscardReason(Enum):
    """Why records were given up on; the value is the `condition` of the on-failure record."""

    RETRIES_EXHAUSTED = "RetryAttemptsExhausted"
    TOO_OLD = "MaxRecordAgeExceeded"


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records that go to the function in one invocation."""

    records: tuple[StreamRecord, ...]
    invoke_count: int = 0
    retries: int = 0
    # Throttled or failed attempts in a row: what the backoff grows with.
    setbacks: int = 0
    not_before: float = 0

    @property
    def identifiers(self) -> tuple[str, ...]:
        return tuple(record.sequence_number for record in self.records)


@dataclass(frozen=True, slots=True)
class Discarded:
    """Records that the mapping gave up on, for its on-failure destination."""

    batch: Batch
    reason: DiscardReason


@dataclass(slots=True)
class Shard:
    """The records read but not yet done with, oldest first."""

    policy: RetryPolicy
    _unsent: deque[StreamRecord] = field(default_factory=deque)
    _first_unsent_at: float = 0
    _batches: deque[Batch] = field(default_factory=deque)

    def __len__(self) -> int:
        return len(self._unsent) + sum(len(batch.records) for batch in self._batches)

    @property
    def oldest(self) -> str | None:
        """The sequence number of the first record that is not done with."""
        if self._batches:
            return self._batches[0].records[0].sequence_number
        return self._unsent[0].sequence_number if self._unsent else None

    def offer(self, records: Sequence[StreamRecord], now: float) -> None:
        """Take *records* in, in stream order."""
        if records and not self._unsent:
            self._first_unsent_at = now
        self._unsent.extend(records)

    def discard_expired(self, now: float) -> Discarded | None:
        """Give up on what got too old before the function took it."""
        self._gather(now)
        if not self._batches:
            return None
        batch = self._batches[0]
        oldest = now - self.policy.oldest_age_seconds
        expired = [record for record in batch.records if record.created_at < oldest]
        if not expired:
            return None
        # Records are in order of time, so the expired ones come first.
        self._batches.popleft()
        rest = batch.records[len(expired) :]
        if rest:
            self._batches.appendleft(replace(batch, records=rest))
        return Discarded(replace(batch, records=tuple(expired)), DiscardReason.TOO_OLD)

    def due(self, now: float) -> Batch | None:
        """The batch to send now, if there is one."""
        self._gather(now)
        if self._batches and self._batches[0].not_before <= now:
            return self._batches[0]
        return None

    def next_due_at(self) -> float | None:
        """When `due` can have an answer, if nothing new arrives."""
        if self._batches:
            return self._batches[0].not_before
        if self._unsent:
            return self._first_unsent_at + self.policy.batching_window_seconds
        return None

    def succeeded(self, report: BatchReport, now: float) -> Discarded | None:
        """The function answered; what it reports as failed goes out again from there on."""
        batch = self._take()
        failed = [i for i, key in enumerate(batch.identifiers) if key in report.failed]
        if not failed:
            return None
        # Several reported failures: the lowest sequence number is the checkpoint.
        checkpoint = failed[0]
        rest = replace(batch, records=batch.records[checkpoint:])
        if checkpoint > 0:
            # It moves, so there is no reason to wait longer than the first time.
            rest = replace(rest, setbacks=0)
        if self.policy.bisects and checkpoint > 0:
            # The split at the reported record is a bisection, which costs no retry.
            self._put_back(self._later(rest, now))
            return None
        return self._retry(rest, now)

    def failed(self, now: float) -> Discarded | None:
        """The function raised: the whole batch again, in halves where the mapping says so."""
        batch = self._take()
        if self.policy.bisects and len(batch.records) > 1:
            half = len(batch.records) // 2
            later = self._later(batch, now)
            self._put_back(replace(later, records=batch.records[half:]))
            self._put_back(replace(later, records=batch.records[:half]))
            return None
        return self._retry(batch, now)

    def throttled(self, now: float) -> None:
        """The function was not run: the same batch later, at no cost."""
        batch = self._take(counts=False)
        self._put_back(self._later(batch, now))

    def _gather(self, now: float) -> None:
        if self._batches or not self._unsent:
            return
        window_over = now >= self._first_unsent_at + self.policy.batching_window_seconds
        if len(self._unsent) < self.policy.batch_size and not window_over:
            return
        size = min(self.policy.batch_size, len(self._unsent))
        self._batches.append(Batch(tuple(self._unsent.popleft() for _ in range(size))))
        self._first_unsent_at = now

    def _take(self, *, counts: bool = True) -> Batch:
        batch = self._batches.popleft()
        return replace(batch, invoke_count=batch.invoke_count + 1) if counts else batch

    def _put_back(self, batch: Batch) -> None:
        self._batches.appendleft(batch)

    def _retry(self, batch: Batch, now: float) -> Discarded | None:
        limit = self.policy.maximum_retry_attempts
        if limit != UNLIMITED and batch.retries >= limit:
            return Discarded(batch, DiscardReason.RETRIES_EXHAUSTED)
        self._put_back(self._later(replace(batch, retries=batch.retries + 1), now))
        return None

    def _later(self, batch: Batch, now: float) -> Batch:
        delay = min(
            self.policy.backoff_base_seconds * 2**batch.setbacks, self.policy.backoff_max_seconds
        )
        # The exponent stops growing where the delay does.
        setbacks = batch.setbacks + (delay < self.policy.backoff_max_seconds)
        return replace(batch, setbacks=setbacks, not_before=now + delay)
