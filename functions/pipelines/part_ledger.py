"""The parts of a staged dataset in the data bucket, which are their own ledger.

A part lies under its number with its summary beside it, so whoever is to make it looks first:
what is there counts, and is not made again, whether this process wrote it, or one that died before
it could say so, or an earlier attempt.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from functions.pipelines.manifest import SUMMARY, Manifest, PartSummary, Position
from functions.pipelines.objects import ObjectHead, ObjectMissingError, ObjectRef, Objects
from functions.pipelines.records import Record
from functions.shared.errors import PermanentError

# In the place of a part: its ETag is not that of a part whose records were all rejected.
_TO_BE_MADE = b"to be made again\n"
# Of the digest of a part's rejects, in their name.
_REJECTS_DIGITS = 16


class StagedPartChangedError(PermanentError):
    """A staged part is not what its manifest says, or is gone; nothing was done with it."""


@dataclass(frozen=True, slots=True)
class Part:
    """What is to become a part: its records and its rejects, each as a line."""

    lines: Sequence[bytes]
    rejects: Sequence[bytes] = ()
    checksum: str = ""
    following: Position | None = None


class PartLedger:
    """Parts and manifest of one stage, below a prefix of its own."""

    def __init__(self, objects: Objects, prefix: str) -> None:
        self._objects = objects
        self.prefix = prefix
        # What this process has seen, so that the manifest asks for the others only.
        self._seen: dict[int, PartSummary] = {}

    def part_key(self, part: int) -> str:
        return f"{self.prefix}part-{part:05}.jsonl"

    def rejects_key(self, summary: PartSummary) -> str:
        return f"{self.prefix}rejects-{summary.part:05}-{summary.rejects}.jsonl"

    @property
    def manifest_key(self) -> str:
        return f"{self.prefix}manifest.json"

    def find(self, part: int) -> PartSummary | None:
        """The part's summary, if the part is there."""
        metadata = self._metadata(self.part_key(part))
        if SUMMARY not in metadata:
            return None
        summary = PartSummary.from_metadata(metadata)
        self._seen[part] = summary
        return summary

    def add(self, number: int, part: Part) -> PartSummary:
        """Write a part, the rejects first: that the part is there says that all of it is.

        Whoever was quicker wins, for the source may have given something else since: a part is
        written only where none is, and what the other one wrote is what there is. Its rejects
        have a name of their own, so that nobody replaces those of the part that counts.
        """
        head = head_of(self._objects, ObjectRef(self.part_key(number)))
        if head is not None and SUMMARY in head.metadata:
            return self._there(number)
        # Without a summary it was a part, and is to be made again.
        etag = None if head is None else head.etag
        body = b"".join(part.lines)
        rejects = b"".join(part.rejects)
        summary = PartSummary(
            part=number,
            records=len(part.lines),
            rejected=len(part.rejects),
            size_bytes=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
            checksum=part.checksum,
            following=part.following,
            rejects=hashlib.sha256(rejects).hexdigest()[:_REJECTS_DIGITS] if rejects else "",
        )
        if rejects:
            self._objects.put(self.rejects_key(summary), rejects)
        if not self._objects.put_if(self.part_key(number), body, summary.to_metadata(), etag=etag):
            return self._there(number)
        self._seen[number] = summary
        return summary

    def mark(self, summary: PartSummary, body: bytes = b"") -> None:
        """Remember that something was done with a part, which itself is elsewhere."""
        self._objects.put(self.part_key(summary.part), body, summary.to_metadata())

    def unmark(self, part: int) -> None:
        """Let it be done again."""
        self._objects.put(self.part_key(part), _TO_BE_MADE)

    def body(self, part: int) -> bytes:
        return b"".join(self._read(self.part_key(part), part))

    def checked_body(self, summary: PartSummary) -> bytes:
        """The bytes of a part.

        Raises:
            StagedPartChangedError: They are not those that were written.
        """
        body = self.body(summary.part)
        if hashlib.sha256(body).hexdigest() != summary.sha256:
            raise StagedPartChangedError(
                f"part {summary.part} of the staged dataset is not what was written:"
                " submit the job anew"
            )
        return body

    def rejects(self, manifest: Manifest) -> Iterator[tuple[int, Iterable[bytes]]]:
        """The rejects of each part that has some, as they are."""
        for part in manifest.parts:
            if part.rejected:
                yield part.part, self._read(self.rejects_key(part), part.part)

    def totals(self) -> Mapping[str, Any] | None:
        """What all of the stage comes to, if it is there.

        Parts are forgotten in the order in which they were made, and before their manifest: where
        the first one is gone, the stage is to be done again.
        """
        metadata = self._metadata(self.manifest_key)
        if SUMMARY not in metadata:
            return None
        totals: Mapping[str, Any] = json.loads(metadata[SUMMARY])
        is_there = not totals["parts"] or self.find(0) is not None
        return totals if is_there else None

    def manifest(self) -> Manifest:
        try:
            return Manifest.from_json(b"".join(self._objects.read(ObjectRef(self.manifest_key))))
        except ObjectMissingError:
            raise _gone() from None

    def write_manifest(self, source: Any, parts: int) -> Manifest:
        """Say what the whole is; written last, for it says that all parts are there."""
        summaries = [self._seen.get(part) or self._there(part) for part in range(parts)]
        manifest = Manifest.of(source, summaries)
        totals = {
            "parts": parts,
            "records": manifest.records,
            "rejected": manifest.rejected,
        }
        self._objects.put(self.manifest_key, manifest.to_json(), {SUMMARY: json.dumps(totals)})
        return manifest

    def _there(self, part: int) -> PartSummary:
        summary = self.find(part)
        if summary is None:
            raise _gone()
        return summary

    def _read(self, key: str, part: int) -> Iterator[bytes]:
        try:
            yield from self._objects.read(ObjectRef(key))
        except ObjectMissingError:
            # So that the next attempt takes neither the part nor the stage as done.
            self.unmark(part)
            self._objects.put(self.manifest_key, b"")
            raise _gone() from None

    def _metadata(self, key: str) -> Mapping[str, str]:
        head = head_of(self._objects, ObjectRef(key))
        return {} if head is None else head.metadata


def _gone() -> StagedPartChangedError:
    return StagedPartChangedError(
        "a part of the staged dataset is gone, which is kept for 30 days: retry the job, and it is"
        " made again"
    )


def head_of(objects: Objects, ref: ObjectRef) -> ObjectHead | None:
    try:
        return objects.head(ref)
    except ObjectMissingError:
        return None


def records_in(body: bytes) -> Iterator[Record]:
    """The records of a part, which are lines of our own."""
    for line in body.split(b"\n"):
        if line:
            yield json.loads(line)
