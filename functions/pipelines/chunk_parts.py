"""The parts of a chunk, written so that the latest attempt's stay.

A worker that everybody took for dead may come back when another attempt has long made its chunks.
So a part is written only where nothing is that its writer has not seen. Who finds another one looks
whose it is: that of the same or of a later attempt counts, an earlier one's is replaced.
"""

from dataclasses import dataclass

from functions.pipelines.batch_run import BatchRun
from functions.pipelines.chunk_summary import ChunkSummary
from functions.pipelines.objects import ObjectHead, ObjectMissingError, ObjectRef, Objects
from functions.pipelines.progress_notes import JobNotOursError

SUMMARY = "summary"
ATTEMPT = "attempt"


@dataclass(frozen=True, slots=True)
class MadePart:
    """A processed part that is there; *etag* tells its bytes."""

    summary: ChunkSummary
    attempt: int
    etag: str

    def counts_for(self, attempt: int) -> bool:
        """Whether nobody in *attempt* could mend any of it by trying again."""
        return self.attempt >= attempt or not self.summary.failed


def find_made(objects: Objects, run: BatchRun, chunk: int) -> MadePart | None:
    head = _head(objects, run.processed_part(chunk))
    if head is None or SUMMARY not in head.metadata:
        return None
    summary = ChunkSummary.from_text(head.metadata[SUMMARY])
    return MadePart(summary, int(head.metadata[ATTEMPT]), head.etag)


def write_failed(objects: Objects, run: BatchRun, chunk: int, body: bytes) -> None:
    """Write the failed records of a chunk.

    Raises:
        JobNotOursError: A later attempt has written them.
    """
    key = run.failed_part(chunk)
    is_written = False
    while not is_written:
        there = _head(objects, key)
        if there is not None and int(there.metadata.get(ATTEMPT, 0)) > run.attempt:
            raise JobNotOursError("a later attempt has made this chunk: this worker stops")
        etag = None if there is None else there.etag
        is_written = objects.put_if(key, body, {ATTEMPT: str(run.attempt)}, etag=etag)


def write_processed(
    objects: Objects,
    run: BatchRun,
    chunk: int,
    body: bytes,
    summary: ChunkSummary,
    *,
    seen: MadePart | None,
) -> ChunkSummary:
    """Write what came out of a chunk where there is still what was *seen*; the summary that counts.

    It is another one than *summary* where somebody was quicker.
    """
    metadata = {SUMMARY: summary.to_text(), ATTEMPT: str(run.attempt)}
    key = run.processed_part(chunk)
    while True:
        etag = None if seen is None else seen.etag
        if objects.put_if(key, body, metadata, etag=etag):
            return summary
        seen = find_made(objects, run, chunk)
        if seen is not None and seen.attempt >= run.attempt:
            return seen.summary


def _head(objects: Objects, key: str) -> ObjectHead | None:
    try:
        return objects.head(ObjectRef(key))
    except ObjectMissingError:
        return None
