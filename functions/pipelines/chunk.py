"""One chunk of a batch: read, processed, written as a part, and told in a summary.

The part is its own ledger. It is written last and carries the summary, so whoever finds it does
nothing again: not the process that comes after one that died, and not the next attempt at the job.
Only records that failed are tried again by the next attempt, with the chunk that they are in.
"""

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from functions.pipelines.batch_run import BatchRun
from functions.pipelines.chunk_calls import ChunkCalls, Proof
from functions.pipelines.chunk_parts import MadePart, find_made, write_failed, write_processed
from functions.pipelines.chunk_place import (
    Place,
    PlaceLostError,
    RememberedCalls,
    find_place,
    keep_place,
)
from functions.pipelines.chunk_source import ChunkSource, Entry
from functions.pipelines.chunk_summary import ChunkSummary, few_codes
from functions.pipelines.chunk_time import ChunkTime, OutOfTimeError, Stopwatch
from functions.pipelines.digest import KeyDigest
from functions.pipelines.failed_records import failed_line
from functions.pipelines.objects import Objects
from functions.pipelines.pace import Pace
from functions.pipelines.peak_memory import peak_memory_mib
from functions.pipelines.processor import Call, Processor, Task
from functions.pipelines.progress_notes import ProgressNotes
from functions.pipelines.record_format import record_line
from functions.pipelines.records import Record, RecordRefusedError
from functions.pipelines.transforms.transforming import transforming
from functions.shared.aws_errors import is_transient
from functions.shared.errors import PermanentError

# Between two looks at the clock and at the job's row.
GROUP = 500


class CountsDifferError(PermanentError):
    """What came out is not as much as went in: a mistake of the code, and no record's."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What the chunks of one execution share; *time_left* tells the invocation's seconds.

    *vain_tries* tells of chunks that failed how often in a row they did so and came no further.
    """

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
    proof: Proof = field(default_factory=Proof)
    vain_tries: dict[int, int] = field(default_factory=dict)


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
    begun = _Begun(worker, chunk)
    try:
        return begun.process(chunk_time)
    except Exception as error:
        if is_transient(error):
            begun.put_off(error)
        raise


class _Begun:
    """One try of a chunk."""

    def __init__(self, worker: Worker, chunk: int) -> None:
        self._worker = worker
        self._chunk = chunk
        self._part: _Part | None = None
        # Asked for where it may help: most processors call nothing, and most chunks are begun once.
        self._before: Place | None = None

    def process(self, chunk_time: ChunkTime) -> ChunkSummary:
        worker, chunk, run = self._worker, self._chunk, self._worker.run
        made = find_made(worker.objects, run, chunk)
        if made is not None and made.counts_for(run.attempt):
            worker.notes.tell_done(chunk, made.summary.records)
            return made.summary
        if worker.processor().call is not None:
            self._before = find_place(worker.objects, run, chunk)
        try:
            part = self._read(chunk_time, self._before or Place())
        except PlaceLostError:
            # A table whose records are others by now.
            part = self._read(chunk_time, Place())
        return self._write(part, made)

    def put_off(self, error: Exception) -> None:
        """Remember how far the chunk came, and whether that was further than before."""
        worker, chunk = self._worker, self._chunk
        try:
            before = self._before or find_place(worker.objects, worker.run, chunk)
            now = (self._part and self._part.place) or before
            vain = 0 if now.is_beyond(before) else before.tries
            if not now.is_beyond(before) and not isinstance(error, OutOfTimeError):
                vain += 1
            worker.vain_tries[chunk] = vain
            now = replace(now, tries=vain)
            if now != before:
                keep_place(worker.objects, worker.run, chunk, now)
        except Exception as another:
            # Then the next try begins with less; what is to be told is why this one failed.
            if not is_transient(another):
                raise
            worker.vain_tries.pop(chunk, None)

    def _read(self, chunk_time: ChunkTime, before: Place) -> "_Part":
        worker = self._worker
        self._part = part = _Part(worker, chunk_time, before)
        entries = worker.source.entries(self._chunk)
        while group := list(itertools.islice(entries, GROUP)):
            part.add(group)
            worker.notes.tell(self._chunk, part.records)
        part.check_end()
        return part

    def _write(self, part: "_Part", made: MadePart | None) -> ChunkSummary:
        worker, chunk = self._worker, self._chunk
        summary = part.summary(round(worker.stopwatch.lap() * 1000))
        worker.notes.confirm(chunk, summary.records)
        # The failures first: that the processed part is there says that all is there.
        if summary.failed or (made is not None and made.summary.failed):
            write_failed(worker.objects, worker.run, chunk, bytes(part.failed))
        body = part.body(worker.run.attempt)
        counts = write_processed(worker.objects, worker.run, chunk, body, summary, seen=made)
        worker.notes.tell_done(chunk, counts.records)
        return counts


class _Ready(NamedTuple):
    """A record that went through the transform, and the line that is written of it."""

    entry: Entry
    given: Record
    line: bytes


class _Part:
    """What has come out of a chunk so far."""

    def __init__(self, worker: Worker, chunk_time: ChunkTime, before: Place) -> None:
        processor = worker.processor()
        self._root = worker.run.root
        self._key = processor.transform.key
        self._keeps_output = processor.keeps_output
        self._transformed = transforming(processor.transform)
        self._calls: RememberedCalls | None = None
        if processor.call is not None:
            self._calls = RememberedCalls(_calls(worker, processor.call, chunk_time), before)
        self._time = chunk_time
        self.records = 0
        self.processed = bytearray()
        self.failed = bytearray()
        self._digest = KeyDigest()
        self._failures: Counter[str] = Counter()
        self._failed_keys: list[str] = []

    @property
    def place(self) -> Place | None:
        """How far the calls are, where there are any."""
        return None if self._calls is None else self._calls.place

    def check_end(self) -> None:
        """Raises `PlaceLostError` where the chunk has fewer records than were called before."""
        if self._calls is not None:
            self._calls.check_end()

    def body(self, attempt: int) -> bytes:
        """What is written of the records that came through.

        Nothing but a blank line for each attempt where the output is not kept: so no two attempts
        have parts of the same bytes, and one's ETag never passes for another's.
        """
        return bytes(self.processed) if self._keeps_output else b"\n" * attempt

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
        summary = ChunkSummary(
            self._digest,
            few_codes(self._failures),
            work_millis,
            peak_memory_mib(),
            failed_keys=KeyDigest.of(self._failed_keys),
        )
        if summary.records != self.records:
            raise CountsDifferError(
                f"of {self.records} records of a chunk {summary.succeeded} came through "
                f"and {summary.failed} failed"
            )
        return summary

    def _called(self, calls: RememberedCalls, ready: list[_Ready]) -> list[_Ready]:
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
        key = self._task_key(entry)
        self._failures[refused.code] += 1
        self._failed_keys.append(key)
        self.failed += failed_line(
            refused,
            key=key,
            offset=entry.offset,
            record=entry.original,
            part=entry.part,
        )

    def _task_key(self, entry: Entry) -> str:
        return entry.key or f"{self._root}-{entry.offset}"


def _calls(worker: Worker, call: Call, chunk_time: ChunkTime) -> ChunkCalls:
    return ChunkCalls(
        call,
        worker.pace,
        chunk_time,
        worker.proof,
        clock=worker.clock,
        sleep=worker.sleep,
    )
