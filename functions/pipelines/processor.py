"""What is done with each record of a dataset: a pure transform and, where wanted, a call.

A processor sees a record at least once: what it calls must know the record's key again.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from functions.pipelines.records import Record, RecordRefusedError
from functions.pipelines.schema import Schema
from functions.shared.errors import PermanentError, TransientError

REFUSED = "refused"


class DownstreamThrottledError(TransientError):
    """Who is called asks to be called less often; *pause_seconds* where it says for how long."""

    def __init__(self, message: str, pause_seconds: float | None = None) -> None:
        super().__init__(message)
        self.pause_seconds = pause_seconds


class DownstreamFailedError(TransientError):
    """Who is called is there, and answers with neither yes nor no: maybe because of the tasks."""


class UnclearAnswerError(TransientError):
    """An answer was not understood; where that stays so, the job ends with *lasting*."""

    def __init__(self, lasting: PermanentError) -> None:
        super().__init__(str(lasting))
        self.lasting = lasting


class SomeRefusedError(RecordRefusedError):
    """Of several tasks those with *keys* are refused, and all others are done."""

    def __init__(self, keys: Iterable[str]) -> None:
        super().__init__(REFUSED, "the destination does not take the record")
        self.keys = frozenset(keys)


@dataclass(frozen=True, slots=True)
class Transform:
    """A pure function over records, with what it takes and what it gives.

    *version* is raised with every change of what it gives: what an earlier version made is made
    again. *key* is the field of a given record that tells it from all others.
    """

    name: str
    version: int
    takes: Schema
    gives: Schema
    key: str
    apply: Callable[[Record], Record]


@dataclass(frozen=True, slots=True)
class Task:
    """One record to call about; its *key* stays the same however often it is tried."""

    key: str
    record: Record


class Call(Protocol):
    """An effect outside, idempotent by the tasks' keys."""

    @property
    def batch_size(self) -> int:
        """How many tasks one call takes at most."""
        ...

    def __call__(self, tasks: Sequence[Task]) -> None:
        """Do it for all *tasks* or raise.

        Raises:
            DownstreamThrottledError: Slow down, then repeat.
            DownstreamFailedError: Repeat; where nothing else is answered, the tasks are to blame.
            UnclearAnswerError: Repeat a few times.
            TransientError: Repeat.
            SomeRefusedError: Some of the tasks are refused; these are then tried one by one.
            RecordRefusedError: One of the tasks is refused; they are then tried one by one.
        """
        ...


@dataclass(frozen=True, slots=True)
class Processor:
    """A transform, and what is called with what it gives; *keeps_output* writes that to S3."""

    transform: Transform
    call: Call | None = None
    keeps_output: bool = True

    @property
    def name(self) -> str:
        return self.transform.name

    @property
    def version(self) -> int:
        return self.transform.version
