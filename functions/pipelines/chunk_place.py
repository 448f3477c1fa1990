"""How far a chunk came that was put off: what was called with its records is not called again.

A quota of a few calls an hour lets a chunk come to its end in hours, a few calls at a time. The
place is a small object beside the parts. What the transform gives is made again each time, so the
place needs only to count: so many records were called, and these of them were refused.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from functions.pipelines.batch_run import BatchRun
from functions.pipelines.chunk_calls import ChunkCalls, Outcome
from functions.pipelines.digest import KeyDigest
from functions.pipelines.objects import ObjectMissingError, ObjectRef, Objects
from functions.pipelines.processor import Task
from functions.pipelines.records import RecordRefusedError


class PlaceLostError(Exception):
    """The chunk's records are not those any more that were called before."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a chunk goes on.

    *called* records at its beginning, with *keys*, were called; of them *refused* were refused, by
    position. Of the batch behind them, with *batch_keys*, those in *settled* were called alone.
    *tries* is how often in a row the chunk was tried and came no further.
    """

    called: int = 0
    keys: KeyDigest = field(default_factory=KeyDigest)
    refused: Mapping[int, RecordRefusedError] = field(default_factory=dict)
    batch_keys: KeyDigest = field(default_factory=KeyDigest)
    settled: Mapping[int, Outcome] = field(default_factory=dict)
    tries: int = 0

    def is_beyond(self, other: Self) -> bool:
        return (self.called, len(self.settled)) > (other.called, len(other.settled))

    def to_json(self, attempt: int) -> bytes:
        event = {
            "attempt": attempt,
            "called": self.called,
            "keys": str(self.keys),
            "refused": _told(self.refused),
            "batch_keys": str(self.batch_keys),
            "settled": _told(self.settled),
            "tries": self.tries,
        }
        return json.dumps(event).encode()

    @classmethod
    def from_json(cls, text: bytes, attempt: int) -> Self:
        """What *attempt* begins with: the failures of an earlier one are to be tried again."""
        event = json.loads(text)
        place = cls(
            event["called"],
            KeyDigest.from_text(event["keys"]),
            {position: error for position, error in _read(event["refused"]).items() if error},
            KeyDigest.from_text(event["batch_keys"]),
            _read(event["settled"]),
            event["tries"],
        )
        if event["attempt"] == attempt:
            return place
        if place.refused:
            return cls()
        taken = {position: None for position, error in place.settled.items() if error is None}
        return replace(place, settled=taken, tries=0)


def find_place(objects: Objects, run: BatchRun, chunk: int) -> Place:
    """The place that an earlier try left, or the chunk's beginning."""
    try:
        text = b"".join(objects.read(ObjectRef(run.place(chunk))))
    except ObjectMissingError:
        return Place()
    return Place.from_json(text, run.attempt)


def keep_place(objects: Objects, run: BatchRun, chunk: int, place: Place) -> None:
    objects.put(run.place(chunk), place.to_json(run.attempt))


class RememberedCalls:
    """The calls of one try of a chunk, from the place on that an earlier one left."""

    def __init__(self, calls: ChunkCalls, before: Place) -> None:
        self._calls = calls
        self._before = before
        self._called = 0
        self._keys = KeyDigest()
        self._batch_keys = KeyDigest()
        self._refused: dict[int, RecordRefusedError] = {}

    @property
    def batch_size(self) -> int:
        return self._calls.batch_size

    def __call__(self, tasks: Sequence[Task]) -> Mapping[int, RecordRefusedError]:
        """Do *tasks*, unless that was done; why some failed, by their position.

        Raises:
            PlaceLostError: Others were done before; begin anew, without a place.
        """
        self._batch_keys = KeyDigest.of([task.key for task in tasks])
        refused: Mapping[int, RecordRefusedError]
        if self._called < self._before.called:
            refused = self._known(tasks)
        else:
            if self._called == self._before.called and self._batch_keys == self._before.batch_keys:
                self._calls.settled = dict(self._before.settled)
            refused = self._calls(tasks)
        self._refused |= {self._called + place: error for place, error in refused.items()}
        self._called += len(tasks)
        self._keys += self._batch_keys
        return refused

    def check_end(self) -> None:
        """Raises `PlaceLostError` where there are fewer records than were called before."""
        if self._called < self._before.called:
            raise PlaceLostError

    @property
    def place(self) -> Place:
        """How far it is now; no less far than before."""
        settled = dict(self._calls.settled)
        batch_keys = self._batch_keys if settled else KeyDigest()
        now = Place(self._called, self._keys, dict(self._refused), batch_keys, settled)
        return now if now.is_beyond(self._before) else self._before

    def _known(self, tasks: Sequence[Task]) -> dict[int, RecordRefusedError]:
        """What an earlier try found out about *tasks*."""
        before, end = self._before, self._called + len(tasks)
        if end > before.called:
            raise PlaceLostError
        found = {place: before.refused.get(self._called + place) for place in range(len(tasks))}
        if end == before.called:
            if self._keys + self._batch_keys != before.keys:
                raise PlaceLostError
            taken = next((tasks[place] for place, error in found.items() if error is None), None)
            if taken is not None:
                self._calls.prove(taken)
        return {place: error for place, error in found.items() if error is not None}


def _told(outcomes: Mapping[int, Outcome]) -> list[Any]:
    return [
        [position, None if error is None else [error.code, error.reason]]
        for position, error in outcomes.items()
    ]


def _read(told: Sequence[Any]) -> dict[int, Outcome]:
    return {
        position: None if error is None else RecordRefusedError(*error) for position, error in told
    }
