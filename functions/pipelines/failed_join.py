"""The failed records of a batch in one file, joined in turns that each fit into an invocation.

Few are joined in one turn. Of more, each turn joins a section, and in the end S3 puts the sections
together. The keys are held against those that the summaries know, so that a part which is not of
this batch's end shows here and not in somebody's books.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Self

from functions.pipelines.batch_run import BatchRun
from functions.pipelines.chunk import CountsDifferError
from functions.pipelines.chunk_parts import SUMMARY
from functions.pipelines.chunk_summary import ChunkSummary
from functions.pipelines.digest import KeyDigest
from functions.pipelines.objects import ObjectHead, ObjectMissingError, ObjectRef, Objects
from functions.shared.errors import PermanentError

# Of one turn: some minutes of reading and writing. S3 copies 5 GiB at once.
SECTION_BYTES = 4 * 1024 * 1024 * 1024
SECTION_PARTS = 30_000
# S3 joins no smaller ones, but the last.
LEAST_SECTION_BYTES = 8 * 1024 * 1024
# Each is two operations.
MAX_TURNS = 25
# Small parts are read so many at a time, and so much of them; a large one as it arrives.
_AT_ONCE = 8
_HELD_BYTES = 16 * 1024 * 1024


class FailedRecordsTooLargeError(PermanentError):
    """The failed records are too many for one file; they stay in the parts of their chunks."""


@dataclass(frozen=True, slots=True)
class JoinPlace:
    """Where the next turn goes on: behind the part *after*, with so many *sections* and *keys*.

    *is_strict*: each part is compared with its chunk's summary, since together they are others.
    """

    after: str = ""
    sections: int = 0
    keys: KeyDigest = field(default_factory=KeyDigest)
    is_strict: bool = False

    def to_event(self) -> dict[str, Any]:
        return {
            "after": self.after,
            "sections": self.sections,
            "keys": str(self.keys),
            "is_strict": self.is_strict,
        }

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        keys = KeyDigest.from_text(event["keys"])
        return cls(event["after"], event["sections"], keys, event["is_strict"])


def join_failed(
    objects: Objects, run: BatchRun, expected: KeyDigest, place: JoinPlace
) -> JoinPlace | None:
    """Do one turn; where the next one goes on, or None: all of what is *expected* is joined.

    Raises:
        CountsDifferError: The failed parts do not hold what the summaries say.
    """
    parts = _parts(objects, run, place)
    taken, has_more = _turn(parts)
    keys = _Keys(place.keys)
    is_all = not has_more and not place.sections
    key = run.failed_records if is_all else run.failed_section(place.sections)
    objects.put_joined(key, keys.counted(_bodies(objects, taken)))
    if has_more:
        last = taken[-1].ref.key
        return replace(place, after=last, sections=place.sections + 1, keys=keys.digest)
    if keys.digest != expected:
        if place.is_strict:
            raise CountsDifferError(
                f"{expected.count} records failed, and the failed parts hold {keys.digest.count}, "
                "or others"
            )
        again = JoinPlace(is_strict=True)
        return again if place.sections else join_failed(objects, run, expected, again)
    if not is_all:
        sections = range(place.sections + 1)
        refs = [ObjectRef(run.failed_section(number)) for number in sections]
        objects.put_copied(run.failed_records, refs)
    return None


def _parts(objects: Objects, run: BatchRun, place: JoinPlace) -> Iterator[ObjectHead]:
    """The parts that are not joined yet, in the order of their keys."""
    for part in objects.in_prefix(run.failed):
        is_new = part.ref.key > place.after and part.size_bytes
        if is_new and (not place.is_strict or _counts(objects, run, part)):
            yield part


def _counts(objects: Objects, run: BatchRun, failed_part: ObjectHead) -> bool:
    """Whether the processed part beside it, which was written after it, knows of failures.

    A record that failed before a process died may come through when its chunk is tried again; a
    chunk that nothing fails in writes no failed part, so the one from before is still there.

    Raises:
        CountsDifferError: It knows of others.
    """
    name = failed_part.ref.key.removeprefix(run.failed)
    try:
        processed = objects.head(ObjectRef(run.processed + name))
    except ObjectMissingError:
        raise CountsDifferError(f"{name} has failed records and was not processed") from None
    summary = ChunkSummary.from_text(processed.metadata[SUMMARY])
    if not summary.failed:
        return False
    keys = _Keys(KeyDigest())
    for _ in keys.counted(objects.read(failed_part.ref)):
        pass
    if keys.digest != summary.failed_keys:
        raise CountsDifferError(
            f"{summary.failed} records of {name} failed, and its failed part holds "
            f"{keys.digest.count}, or others"
        )
    return True


def _turn(parts: Iterator[ObjectHead]) -> tuple[list[ObjectHead], bool]:
    """The parts of one turn, and whether there are more."""
    taken: list[ObjectHead] = []
    size_bytes = 0
    for part in parts:
        is_much = size_bytes >= SECTION_BYTES or len(taken) >= SECTION_PARTS
        if is_much and size_bytes >= LEAST_SECTION_BYTES:
            return taken, True
        taken.append(part)
        size_bytes += part.size_bytes
    return taken, False


class _Keys:
    """The keys in lines of failed records that pass by."""

    def __init__(self, before: KeyDigest) -> None:
        self.digest = before

    def counted(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """*pieces*, looked at.

        Raises:
            CountsDifferError: They hold something else.
        """
        rest = b""
        for piece in pieces:
            *lines, rest = (rest + piece).split(b"\n")
            self._add(lines)
            yield piece
        if rest:
            self._add([rest])

    def _add(self, lines: Sequence[bytes]) -> None:
        try:
            self.digest += KeyDigest.of([json.loads(line)["key"] for line in lines])
        except (ValueError, LookupError, TypeError, AttributeError):
            raise CountsDifferError("a failed part holds what is no failed record") from None


def _bodies(objects: Objects, parts: Iterable[ObjectHead]) -> Iterator[bytes]:
    """What is in the parts, in their order; small ones are read ahead."""

    def read(part: ObjectHead) -> bytes:
        return b"".join(objects.read(part.ref))

    with ThreadPoolExecutor(_AT_ONCE) as readers:
        for group in _groups(parts):
            if len(group) == 1:
                yield from objects.read(group[0].ref)
            else:
                yield from readers.map(read, group)


def _groups(parts: Iterable[ObjectHead]) -> Iterator[list[ObjectHead]]:
    """Neighbours that are held together."""
    group: list[ObjectHead] = []
    held = 0
    for part in parts:
        if group and (len(group) == _AT_ONCE or held + part.size_bytes > _HELD_BYTES):
            yield group
            group, held = [], 0
        group.append(part)
        held += part.size_bytes
    if group:
        yield group
