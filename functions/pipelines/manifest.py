"""What a staged dataset holds: its parts, their counts and checksums, where each one's source ends.

A part is written with its summary beside it, so that whoever is to make it next sees that it is
there; the manifest of all parts is written last. Nothing here tells of time or attempt: what is
made again is the same, byte for byte.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from functions.shared.job import canonical_json

# The name of an object's metadata that holds its summary.
SUMMARY = "summary"
MAX_PARTS = 100_000


def run_id(*identity: Any) -> str:
    """Which work this is; the same for every attempt that has the same to do."""
    return hashlib.sha256(canonical_json(list(identity)).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Position:
    """Where in its source a part begins.

    *item* counts the source's objects; *offset* the (decompressed) bytes or the rows of this
    one before the part; *cursor* is how a paged source names its next page.
    """

    item: int = 0
    offset: int = 0
    cursor: str | None = None

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Read what `to_event` wrote."""
        return cls(**event)

    def to_event(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PartSummary:
    """What one part holds; *following* is where its successor begins, None behind the last.

    *rejected* are the records that were refused while it was made, *rejects* tells which file they
    are in; *checksum* adds up those of its records in whatever order they come.
    """

    part: int
    records: int
    rejected: int
    size_bytes: int
    sha256: str
    checksum: str = ""
    following: Position | None = None
    rejects: str = ""
    replaced: int = 0

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Read what `to_event` wrote."""
        following = event["following"]
        return cls(**{**event, "following": following and Position.from_event(following)})

    def to_event(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Self:
        return cls.from_event(json.loads(metadata[SUMMARY]))

    def to_metadata(self) -> dict[str, str]:
        return {SUMMARY: canonical_json(self.to_event())}


@dataclass(frozen=True, slots=True)
class Manifest:
    """All parts of a staged dataset, and what they were made from."""

    source: Any
    parts: tuple[PartSummary, ...]

    @property
    def records(self) -> int:
        return sum(part.records for part in self.parts)

    @property
    def rejected(self) -> int:
        return sum(part.rejected for part in self.parts)

    @property
    def size_bytes(self) -> int:
        return sum(part.size_bytes for part in self.parts)

    @classmethod
    def of(cls, source: Any, parts: Sequence[PartSummary]) -> Self:
        """A manifest of what was made: who reads it needs no way back into the source."""
        return cls(source, tuple(replace(part, following=None) for part in parts))

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        event = json.loads(text)
        return cls(event["source"], tuple(PartSummary.from_event(part) for part in event["parts"]))

    def to_json(self) -> bytes:
        """For people too, who find it beside the parts."""
        event = {
            "source": self.source,
            "records": self.records,
            "rejected": self.rejected,
            "bytes": self.size_bytes,
            "parts": [part.to_event() for part in self.parts],
        }
        return (json.dumps(event, sort_keys=True, indent=1) + "\n").encode()
