"""One chunk of a batch: read, processed, written as a part, and told in a summary.

The part is its own ledger. It is written last and carries the summary, so whoever finds it does
nothing again: not the process that comes after one that died, and not the next attempt at the job.
Only records that failed are tried again by the next attempt, with the chunk that they are in.
"""

import itertools
import resource
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from functions.pipelines.batch_run import BatchRun
from functions.pipelines.chunk_calls import ChunkCalls
from functions.pipelines.chunk_source import ChunkSource, Entry
from functions.pipelines.chunk_summary import ChunkSummary, few_codes
from functions.pipelines.chunk_time import ChunkTime, Stopwatch
from functions.pipelines.digest import KeyDigest
from functions.pipelines.failed_records import failed_line
from functions.pipelines.objects import ObjectMissingError, ObjectRef, Objects
from functions.pipelines.pace import Pace
from functions.pipelines.processor import Call, Processor, Task
from functions.pipelines.progress_notes import ProgressNotes
from functions.pipelines.record_format import record_line
from functions.pipelines.records import Record, RecordRefusedError
from functions.pipelines.transforms.transforming import transforming
from functions.shared.errors import PermanentError

# Between two looks at the clock and at the job's row.
GROUP = 500
SUMMARY = "summary"
ATTEMPT = "attempt"
_KIB_PER_MIB = 1024


class CountsDifferError(PermanentError):
    """What came out is not as much as went in: a mistake of the code, and no record's."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What the chunks of one execution share; *time_left* tells the invocation's seconds."""

    run: BatchRun
    objects: Objects
    source: ChunkSource
    processor: Callable[[], Processor]
    notes: ProgressNotes
    pace: Pace
    time_left: Callable[[], float]
    stopwatch: Stopwatch
    clock: Callable[[], float]
    sleep: Callable[[float], None]


def process_chunk(worker: Worker, chunk: int) -> ChunkSummary:
    """Process *chunk*, unless that was done.

    Raises:
        DatasetChangedError: The dataset is another one by now.
        JobNotOursError: Somebody stopped the job, or runs it.
        DownstreamUnavailableError: The destination takes nothing.
        OutOfTimeError: The invocation is nearly over.
        ChunkTooSlowError: An invocation is not enough for the chunk.
    """
    chunk_time = ChunkTime(worker.time_left)
    chunk_time.check()
    before = _before(worker, chunk)
    if before is not None and before.counts:
        worker.notes.tell_done(chunk, before.summary.records)
        return before.summary

    part = _Part(worker, chunk_time)
    entries = worker.source.entries(chunk)
    while group := list(itertools.islice(entries, GROUP)):
        part.add(group)
        worker.notes.tell(chunk, part.records)

    summary = part.summary(round(worker.stopwatch.lap() * 1000))
    # The failures first: that the processed part is there says that all is there.
    if summary.failed or (before is not None and before.summary.failed):
        worker.objects.put(worker.run.failed_part(chunk), bytes(part.failed))
    worker.objects.put(
        worker.run.processed_part(chunk),
        bytes(part.processed),
        {SUMMARY: summary.to_text(), ATTEMPT: str(worker.run.attempt)},
    )
    worker.notes.tell_done(chunk, summary.records)
    return summary


@dataclass(frozen=True, slots=True)
class _Before:
    """What is there of a chunk; it *counts* if nobody could mend any of it by trying again."""

    summary: ChunkSummary
    counts: bool


def _before(worker: Worker, chunk: int) -> _Before | None:
    try:
        head = worker.objects.head(ObjectRef(worker.run.processed_part(chunk)))
    except ObjectMissingError:
        return None
    if SUMMARY not in head.metadata:
        return None
    summary = ChunkSummary.from_text(head.metadata[SUMMARY])
    is_ours = int(head.metadata[ATTEMPT]) >= worker.run.attempt
    return _Before(summary, counts=is_ours or not summary.failed)


class _Ready(NamedTuple):
    """A record that went through the transform, and the line that is written of it."""

    entry: Entry
    given: Record
    line: bytes


class _Part:
    """What has come out of a chunk so far."""

    def __init__(self, worker: Worker, chunk_time: ChunkTime) -> None:
        processor = worker.processor()
        self._root = worker.run.root
        self._key = processor.transform.key
        self._keeps_output = processor.keeps_output
        self._transformed = transforming(processor.transform)
        self._calls = None if processor.call is None else _calls(worker, processor.call, chunk_time)
        self._time = chunk_time
        self.records = 0
        self.processed = bytearray()
        self.failed = bytearray()
        self._digest = KeyDigest()
        self._failures: Counter[str] = Counter()

    def add(self, group: list[Entry]) -> None:
        """Process some records."""
        self._time.check()
        self.records += len(group)
        transformed, keeps_output = self._transformed, self._keeps_output
        ready: list[_Ready] = []
        for entry in group:
            found = entry.found
            if isinstance(found, RecordRefusedError):
                self._fail(entry, found)
                continue
            try:
                given = transformed(found)
                ready.append(_Ready(entry, given, record_line(given) if keeps_output else b""))
            except RecordRefusedError as refused:
                self._fail(entry, refused)
        self._keep(ready if self._calls is None else self._called(self._calls, ready))

    def summary(self, work_millis: int) -> ChunkSummary:
        """The counts.

        Raises:
            CountsDifferError: They do not add up.
        """
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // _KIB_PER_MIB
        summary = ChunkSummary(self._digest, few_codes(self._failures), work_millis, peak)
        if summary.records != self.records:
            raise CountsDifferError(
                f"of {self.records} records of a chunk {summary.succeeded} came through "
                f"and {summary.failed} failed"
            )
        return summary

    def _called(self, calls: ChunkCalls, ready: list[_Ready]) -> list[_Ready]:
        """Call with what is ready; what the destination took."""
        taken: list[_Ready] = []
        for start in range(0, len(ready), calls.batch_size):
            batch = ready[start : start + calls.batch_size]
            refused = calls([Task(self._task_key(one.entry), one.given) for one in batch])
            for position, error in refused.items():
                self._fail(batch[position].entry, error)
            taken += [one for position, one in enumerate(batch) if position not in refused]
        return taken

    def _keep(self, ready: list[_Ready]) -> None:
        key = self._key
        self._digest += KeyDigest.of([one.given[key] for one in ready])
        if self._keeps_output:
            self.processed += b"".join([one.line for one in ready])

    def _fail(self, entry: Entry, refused: RecordRefusedError) -> None:
        self._failures[refused.code] += 1
        self.failed += failed_line(
            refused,
            key=self._task_key(entry),
            offset=entry.offset,
            record=entry.original,
            part=entry.part,
        )

    def _task_key(self, entry: Entry) -> str:
        return entry.key or f"{self._root}-{entry.offset}"


def _calls(worker: Worker, call: Call, chunk_time: ChunkTime) -> ChunkCalls:
    return ChunkCalls(call, worker.pace, chunk_time, clock=worker.clock, sleep=worker.sleep)
