"""How far a batch is, told in its job's row while it runs, and whether the job is still its own.

A worker learns from the refused write that somebody stopped the job, or that another attempt runs:
then it has nothing more to do. Written inside of steps only.
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NoReturn, Protocol

from functions.shared.batch_usage import seconds_between_notes
from functions.shared.errors import PermanentError
from functions.shared.job import Progress, timestamp

# Of one execution that has the row to itself.
PAUSE = timedelta(seconds=seconds_between_notes(0))
# What an item of DynamoDB takes of the smallest writes while one worker is silent, halved.
_WRITES_OF_TWO_SECONDS = 1_000
# Before, an estimate is only noise.
LEAST_SHARE = 0.02


class JobNotOursError(PermanentError):
    """The job was stopped, has ended, or is another attempt's; this worker stops."""


class Write(Protocol):
    """Shows progress in the row; False: the job is not ours any more."""

    def __call__(self, progress: Progress, now: datetime) -> bool: ...


def utc_now() -> datetime:
    return datetime.now(UTC)


class ProgressNotes:
    """The chunks of one execution, and its threads that work on them.

    *began_at* is when the execution began, for the estimate of its end; None: with the first note.
    The more *shards* share the row, the longer it is and the less often each of them writes there.
    """

    def __init__(
        self,
        write: Write,
        total: int,
        *,
        began_at: datetime | None = None,
        shards: int = 0,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._write = write
        self._total = total
        self._began_at = began_at
        self._pause = timedelta(seconds=seconds_between_notes(shards))
        # As often as all shards may write together that keep half of the row's units busy.
        self._least_pause = self._pause * shards / _WRITES_OF_TWO_SECONDS
        self._now = now
        self._lock = threading.Lock()
        self._records: dict[int, int] = {}
        self._under_way: dict[int, int] = {}
        self._told_at: datetime | None = None
        self._is_lost = False

    def remember(self, chunk: int, records: int) -> None:
        """A chunk is done; known from a checkpoint, so there is nothing to write."""
        with self._lock:
            self._under_way.pop(chunk, None)
            self._records[chunk] = records

    def tell(self, chunk: int, records: int) -> None:
        """So many records of a chunk are through.

        Raises:
            JobNotOursError: The job is not ours any more.
        """
        with self._lock:
            self._under_way[chunk] = records
            self._show(self._pause)

    def confirm(self, chunk: int, records: int) -> None:
        """A chunk is about to be written: ask whether the job is ours, whatever was told before.

        Raises:
            JobNotOursError: The job is not ours any more.
        """
        with self._lock:
            self._under_way[chunk] = records
            self._show(self._least_pause)

    def tell_done(self, chunk: int, records: int) -> None:
        """A chunk is done.

        Raises:
            JobNotOursError: The job is not ours any more.
        """
        with self._lock:
            self._under_way.pop(chunk, None)
            self._records[chunk] = records
            is_last = len(self._records) == self._total
            self._show(timedelta(0) if is_last else self._pause)

    def _show(self, pause: timedelta) -> None:
        # Known from another thread, perhaps, long before the next note is due.
        if self._is_lost:
            self._stop()
        now = self._now()
        if self._told_at is not None and now - self._told_at < pause:
            return
        self._told_at = now
        self._began_at = self._began_at or now
        done = len(self._records)
        records = sum(self._records.values())
        progress = Progress(
            done,
            self._total,
            records=records + sum(self._under_way.values()),
            ends_at=self._ends_at(now, records),
        )
        if not self._write(progress, now):
            self._is_lost = True
            self._stop()

    @staticmethod
    def _stop() -> NoReturn:
        raise JobNotOursError("the job was stopped or has ended: this worker stops too")

    def _ends_at(self, now: datetime, records: int) -> str | None:
        """As fast as it went so far; the chunks under way count by their records."""
        done = float(len(self._records))
        if records:
            done += sum(self._under_way.values()) * len(self._records) / records
        share = min(done / self._total, 1.0) if self._total else 1.0
        if share < LEAST_SHARE:
            return None
        passed = now - (self._began_at or now)
        return timestamp(now + passed * ((1 - share) / share))
