"""How a dataset of any size is cut up so that no execution comes near its limits.

Small datasets stay in one execution; larger ones become a tree: a parent that has shards at work,
each an execution with limits of its own. An operation is paid and counted by the chunk, so chunks
are large: about a second of work, thousands of records.

Chunks are counted from bytes, so the limits hold however wrong the sample is that told how long a
record is; only the predictions do not.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from functions.shared.batch_usage import Extent
from functions.shared.errors import PermanentError
from functions.shared.prices import cost

# An execution has 3,000 operations and 100 MB of checkpoints, neither adjustable:
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
# 2,000 chunks leave 334 operations for retries below 2,400: every sixth chunk may be tried twice.
MAX_CHUNKS_OF_EXECUTION = 2_000
MAX_OPERATIONS = 2_400

# Start, claim, measure, map, report and record-completed; of a shard start and map.
FIXED_OPERATIONS = 6
FIXED_OPERATIONS_OF_SHARD = 2
# A report that takes more than one turn, and threads that count at the same time.
OPERATIONS_BESIDES = 60

# A shard that ends without a word is invoked again, each time after a wait: two operations of its
# parent. All shards of a tree may do so, that often, and the parent stays below its bound.
MAX_REPETITIONS_OF_SHARD = 2
MAX_SHARDS = 450

# At most 500 chunks and 3 x 125 operations of shards per million records: below 1,010. Only where
# a worker does fewer than SLOW records a second are chunks smaller, to end in time.
MIN_RECORDS_OF_CHUNK = 2_000
MIN_RECORDS_OF_SHARD = 8_000
SLOW = 10
# A small dataset is cut nevertheless, so that a crash loses a tenth and progress shows.
CHUNKS_OF_A_SMALL_DATASET = 10
MIN_RECORDS_OF_SMALL_CHUNK = 1_000
# Ranges are whole bytes; in smaller ones rounding would show in the number of chunks.
MIN_CHUNK_BYTES = 4 * 1024
# Where 2,000 records are not longer. What a chunk makes is in memory until it is written, in each
# thread, and a line of bytes that are no text is written with six characters for each of them. So
# of records of more than 8 KiB a chunk has fewer, and a million of them more operations.
MAX_CHUNK_BYTES = 4 * 1024 * 1024
MAX_LONG_CHUNK_BYTES = 16 * 1024 * 1024
# A partition of a table is one chunk, however large. So much may come out of it: all of its
# records with what is written beside each of one that failed.
MAX_FIXED_CHUNK_BYTES = 64 * 1024 * 1024
_BYTES_BESIDE_FAILED_RECORD = 250

# A second of work makes the cost of a chunk (100 ms) small, and a lost one cheap.
_SECONDS_OF_CHUNK = 1.0
_MAX_SECONDS_OF_GROWN_CHUNK = 60.0
# It must end within one invocation (15 min), even if the estimate is wrong by half.
_MAX_SECONDS_OF_CHUNK = 300.0
# What a worker reads, parses and writes at best, however few records that is.
_BYTES_PER_SECOND = 25_000_000
# For what a plan cannot know; so that as many workers as planned do meet the target.
_SPARE_SHARE = 0.1
# A slow shard keeps its worker after the others are done; with two, half as long.
_WAVES = 2
_MIN_CHUNKS_OF_WAVE = 16

# Measured: a checkpoint call takes 41 ms, a part's GET and PUT in S3 about 60 ms, a cold start
# with its imports 1.5 s, a replay 0.15 ms per operation.
_SECONDS_OF_CHECKPOINT = 0.041
_SECONDS_OF_PART = 0.060
_SECONDS_OF_START = 1.5
_SECONDS_OF_WAKE_UP = 0.2
_SECONDS_OF_REPLAY = 0.000_15
# Of the 15 minutes of an invocation, the last is left to put things off.
_SECONDS_OF_INVOCATION = 14 * 60
# What AWS stores, as measured: a chunk's summary where nothing fails; the other steps of an
# execution; of a shard its input, its sum, and what the parent and its report tell of it.
_BYTES_OF_CHUNK = 40
_BYTES_OF_EXECUTION = 1_350
_BYTES_OF_SHARD = 1_260
# A summary at its longest, with as many codes of failures as it may hold.
_MOST_BYTES_OF_CHUNK = 800


class DatasetTooLargeError(PermanentError):
    """Even chunks that just fit into an invocation would be too many."""


@dataclass(frozen=True, slots=True)
class DatasetSize:
    """How large a dataset is; *record_bytes* is the mean of a sample, line break included."""

    size_bytes: int
    record_bytes: float

    @property
    def records(self) -> int:
        """An estimate."""
        return round(self.size_bytes / max(self.record_bytes, 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a submitter wants, and what is known of the processor.

    *records_per_second* is what one worker does, all its threads together. *table_writes* is how
    often the processor writes into a table for each record.
    """

    target_seconds: float = 900
    max_workers: int = 50
    records_per_second: float = 4_000
    memory_mib: int = 1_769
    chunks_at_once: int = 2
    table_writes: float = 0
    retention_days: float = 30

    def __post_init__(self) -> None:
        least = (self.target_seconds, self.max_workers, self.records_per_second)
        if min(*least, self.memory_mib, self.chunks_at_once) <= 0:
            raise ValueError("wishes are numbers above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a plan will come to, without retries.

    *worker_seconds* is what all invocations take together, and is paid.
    """

    operations: int
    largest_execution_operations: int
    checkpoint_bytes: int
    largest_execution_bytes: int
    seconds: float
    worker_seconds: float
    dollars: float
    meets_target: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a dataset is cut: *shards* is 0 where one execution does all.

    *chunk_bytes* is 0 where chunks are no ranges of bytes.
    """

    size_bytes: int
    chunk_bytes: int
    chunks: int
    shards: int
    workers: int
    chunks_at_once: int
    predicted: Prediction

    def chunk_range(self, chunk: int) -> tuple[int, int]:
        """The first and the last byte of a chunk."""
        if not self.chunk_bytes or not 0 <= chunk < self.chunks:
            raise IndexError(f"there is no range of bytes for chunk {chunk}")
        first = chunk * self.chunk_bytes
        return first, min(first + self.chunk_bytes, self.size_bytes) - 1

    def chunks_of_shard(self, shard: int) -> range:
        """Neighbours; no shard has more than one chunk more than another."""
        if not 0 <= shard < self.shards:
            raise IndexError(f"there is no shard {shard}")
        return range(shard * self.chunks // self.shards, (shard + 1) * self.chunks // self.shards)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        return cls(**{**value, "predicted": Prediction(**value["predicted"])})


def plan(size: DatasetSize, wishes: Wishes, *, fixed_chunks: int | None = None) -> Plan:
    """Cut a dataset of *size*; *fixed_chunks* is what it is cut into already.

    Raises:
        DatasetTooLargeError: It cannot be cut within the limits of executions.
    """
    planner = _Planner(size, wishes, fixed_chunks)
    one = planner.one_execution()
    if one is not None and one.predicted.meets_target:
        return one
    tree = planner.tree()
    # A tree of one worker at a time is no faster.
    return one if one is not None and tree.workers == 1 else tree


class _Planner:
    """The arithmetic for one dataset."""

    def __init__(self, size: DatasetSize, wishes: Wishes, fixed_chunks: int | None) -> None:
        self._size = size
        self._wishes = wishes
        self._fixed = fixed_chunks
        self._record_bytes = max(size.record_bytes, 1.0)
        self._rate = min(wishes.records_per_second, _BYTES_PER_SECOND / self._record_bytes)
        is_fast = MIN_RECORDS_OF_CHUNK * wishes.chunks_at_once <= self._in_time(1)
        self._at_once = wishes.chunks_at_once if is_fast else 1
        self._longest = self._in_time(self._at_once)
        if fixed_chunks is not None:
            self._check_fixed(size.records / max(fixed_chunks, 1))

    def one_execution(self) -> Plan | None:
        """One that does all; None where that would be too many chunks, or too long ones."""
        chunk_bytes = self._chunk_bytes()
        chunks = self._chunks(chunk_bytes)
        if chunks > MAX_CHUNKS_OF_EXECUTION and self._fixed is None:
            chunk_bytes = self._grown(MAX_CHUNKS_OF_EXECUTION)
            chunks = self._chunks(chunk_bytes)
            grown = _MAX_SECONDS_OF_GROWN_CHUNK / _MAX_SECONDS_OF_CHUNK * self._longest
            most = min(MAX_CHUNK_BYTES, grown * self._record_bytes)
            if chunk_bytes > max(most, self._chunk_bytes()):
                return None
        if chunks > MAX_CHUNKS_OF_EXECUTION:
            return None
        return self._plan(chunk_bytes, chunks, shards=0, workers=1)

    def tree(self) -> Plan:
        """As many workers as the target takes, if there may be so many."""
        chunk_bytes = self._chunk_bytes()
        chunks = self._chunks(chunk_bytes)
        useful = chunks
        if self._rate >= SLOW and self._fixed is None:
            useful = min(chunks, max(1, self._size.records // MIN_RECORDS_OF_SHARD))
        workers = min(self._wanted_workers(chunks), self._wishes.max_workers, MAX_SHARDS, useful)
        # Whole waves: a few shards more than that take as long as another wave.
        most = MAX_SHARDS // workers * workers
        shards = min(workers * self._waves(chunk_bytes), most, useful)
        if chunks > shards * MAX_CHUNKS_OF_EXECUTION:
            waves = math.ceil(chunks / MAX_CHUNKS_OF_EXECUTION / workers)
            shards = min(workers * waves, MAX_SHARDS)
            if shards < workers * waves:
                workers = min(self._wishes.max_workers, MAX_SHARDS)
        if chunks > shards * MAX_CHUNKS_OF_EXECUTION:
            chunk_bytes = self._grown(shards * MAX_CHUNKS_OF_EXECUTION)
            chunks = self._chunks(chunk_bytes)
            self._check_growth(chunk_bytes)
        return self._plan(chunk_bytes, chunks, shards=shards, workers=workers)

    def _in_time(self, at_once: int) -> float:
        """How many records a chunk may have to end within an invocation, beside others."""
        return _MAX_SECONDS_OF_CHUNK * self._rate / at_once

    def _chunk_bytes(self) -> int:
        """What a chunk should have, whatever it is a chunk of; 0 where it is no range."""
        if self._fixed is not None or not self._size.size_bytes:
            return 0
        a_second = self._rate * _SECONDS_OF_CHUNK
        wanted = max(
            MIN_CHUNK_BYTES,
            min(self._bytes_of(a_second), MAX_CHUNK_BYTES),
            min(self._bytes_of(MIN_RECORDS_OF_CHUNK), MAX_LONG_CHUNK_BYTES),
        )
        small = max(
            MIN_CHUNK_BYTES,
            min(self._bytes_of(MIN_RECORDS_OF_SMALL_CHUNK), MAX_LONG_CHUNK_BYTES),
            math.ceil(self._size.size_bytes / CHUNKS_OF_A_SMALL_DATASET),
        )
        return min(wanted, small, max(self._bytes_of(self._longest), 1))

    def _bytes_of(self, records: float) -> int:
        return math.ceil(records * self._record_bytes)

    def _grown(self, chunks: int) -> int:
        """The bytes of a chunk, so that no more than *chunks* are needed."""
        return -(-self._size.size_bytes // chunks)

    def _chunks(self, chunk_bytes: int) -> int:
        if self._fixed is not None:
            return self._fixed
        return -(-self._size.size_bytes // chunk_bytes) if chunk_bytes else 0

    def _check_growth(self, chunk_bytes: int) -> None:
        is_too_long = chunk_bytes > min(MAX_LONG_CHUNK_BYTES, self._bytes_of(self._longest))
        if self._fixed is not None or is_too_long:
            raise DatasetTooLargeError(
                f"the dataset has {self._size.size_bytes:,} bytes, too many for"
                f" {MAX_SHARDS:,} shards of {MAX_CHUNKS_OF_EXECUTION:,} chunks: split it into"
                " several datasets"
            )

    def _check_fixed(self, records: float) -> None:
        """Refuse chunks that cannot be cut any smaller, and are too large."""
        if records > self._longest:
            # Alone, it has the worker to itself.
            self._at_once = 1
            self._longest = self._in_time(1)
        if records > self._longest:
            raise DatasetTooLargeError(
                f"a partition of the table has some {records:,.0f} records, and "
                f"{self._longest:,.0f} can be done within an invocation: name a narrower range in "
                "from and to, several jobs for the table, or more records_per_second if the "
                "processor does more"
            )
        size = records * (self._record_bytes + _BYTES_BESIDE_FAILED_RECORD)
        if size > MAX_FIXED_CHUNK_BYTES:
            raise DatasetTooLargeError(
                f"a partition of the table may make some {size:,.0f} bytes, and "
                f"{MAX_FIXED_CHUNK_BYTES:,} are held at most: name a narrower range in from and "
                "to, several jobs for the table"
            )

    def _wanted_workers(self, chunks: int) -> int:
        starts = (1 + _WAVES) * _Execution(0, 0).overhead
        budget = (1 - _SPARE_SHARE) * (self._wishes.target_seconds - starts)
        return math.ceil(self._work(self._size.records, chunks) / max(budget, 1.0))

    def _waves(self, chunk_bytes: int) -> int:
        """How many shards come one after the other; told from the wishes only, not from the size.

        So that a dataset with a few bytes more never costs less.
        """
        a_chunk = max(chunk_bytes, 1) / self._record_bytes / self._rate
        chunks_of_worker = self._wishes.target_seconds / a_chunk
        return _WAVES if chunks_of_worker >= _WAVES * _MIN_CHUNKS_OF_WAVE else 1

    def _work(self, records: float, chunks: int) -> float:
        """The seconds that one worker takes for them; others of its chunks run in the meantime."""
        besides = (_SECONDS_OF_CHECKPOINT + _SECONDS_OF_PART) / self._at_once
        return records / self._rate + chunks * besides

    def _plan(self, chunk_bytes: int, chunks: int, *, shards: int, workers: int) -> Plan:
        return Plan(
            size_bytes=self._size.size_bytes,
            chunk_bytes=chunk_bytes,
            chunks=chunks,
            shards=shards,
            workers=workers,
            chunks_at_once=self._at_once,
            predicted=self._predicted(chunks, shards, workers),
        )

    def _predicted(self, chunks: int, shards: int, workers: int) -> Prediction:
        records = self._size.records
        # Of the worker with the most to do: the only one, or a shard.
        largest = -(-chunks // shards) if shards else chunks
        worker = _Execution(
            self._work(records * largest / chunks if chunks else 0, largest), largest
        )
        every = self._work(records, chunks)
        if shards:
            parent = FIXED_OPERATIONS + shards
            operations = parent + shards * FIXED_OPERATIONS_OF_SHARD + chunks
            most_operations = max(parent, FIXED_OPERATIONS_OF_SHARD + largest)
            most_bytes = max(shards * _BYTES_OF_SHARD, largest * _MOST_BYTES_OF_CHUNK)
            wake_up = _SECONDS_OF_WAKE_UP + _SECONDS_OF_REPLAY * parent
            seconds = worker.seconds * -(-shards // workers) + _Execution(0, parent).seconds
            worker_seconds = every + shards * (worker.overhead + wake_up) + _SECONDS_OF_START
            requests = shards * (worker.invocations + 1) + 1
        else:
            operations = most_operations = FIXED_OPERATIONS + chunks
            most_bytes = chunks * _MOST_BYTES_OF_CHUNK
            seconds = worker_seconds = worker.seconds
            requests = worker.invocations
        checkpoint_bytes = _BYTES_OF_EXECUTION + shards * _BYTES_OF_SHARD + chunks * _BYTES_OF_CHUNK
        extent = Extent(
            operations=operations,
            checkpoint_bytes=checkpoint_bytes,
            worker_seconds=worker_seconds,
            requests=requests,
            chunks=chunks,
            shards=shards,
            memory_mib=self._wishes.memory_mib,
            record_bytes=self._record_bytes,
            written=records * self._wishes.table_writes,
            table_bytes=0 if self._fixed is None else self._size.size_bytes,
        )
        return Prediction(
            operations=operations,
            largest_execution_operations=most_operations,
            checkpoint_bytes=checkpoint_bytes,
            largest_execution_bytes=_BYTES_OF_EXECUTION + most_bytes,
            seconds=round(seconds, 1),
            worker_seconds=round(worker_seconds, 1),
            dollars=round(cost(extent.usage(), retention_days=self._wishes.retention_days), 6),
            meets_target=seconds <= self._wishes.target_seconds,
        )


@dataclass(frozen=True, slots=True)
class _Execution:
    """The invocations of one execution, which has *work* seconds to do in *operations*."""

    work: float
    operations: int

    @property
    def invocations(self) -> int:
        return max(1, math.ceil(self.work / _SECONDS_OF_INVOCATION))

    @property
    def overhead(self) -> float:
        again = self.invocations - 1
        replays = again * _SECONDS_OF_REPLAY * self.operations
        fixed = FIXED_OPERATIONS * _SECONDS_OF_CHECKPOINT
        return self.invocations * _SECONDS_OF_START + replays + fixed

    @property
    def seconds(self) -> float:
        return self.work + self.overhead
