"""What a document is to an approval: its bytes, what reviewers see of it, and how it ended."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any, Self

from functions.shared.errors import PermanentError
from functions.shared.job import parse_timestamp, timestamp

MAX_EXCERPT_LENGTH = 300


class DocumentUnfitError(PermanentError):
    """The document cannot be reviewed or stamped: broken, encrypted, empty, too large."""


class DocumentChangedError(PermanentError):
    """The document is not the one that was reviewed any more; nothing was finalized."""


class Kind(Enum):
    """What is in a document; told by how its name ends, and held to it when it is read."""

    PDF = (".pdf",)
    TEXT = (".txt", ".md", ".markdown")

    @classmethod
    def of(cls, key: str) -> "Kind | None":
        return next((kind for kind in cls if key.lower().endswith(kind.value)), None)

    @classmethod
    def suffixes(cls) -> Iterable[str]:
        return [suffix for kind in cls for suffix in kind.value]


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it was read; *version_id* is None in a bucket that keeps no versions."""

    key: str
    version_id: str | None
    etag: str
    sha256: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Summary:
    """What reviewers see of a document without opening it; *measure* is pages or words."""

    measure: str
    count: int
    title: str | None
    excerpt: str


@dataclass(frozen=True, slots=True)
class PreparedDocument:
    """Which bytes are reviewed, and what is said of them."""

    key: str
    version_id: str | None
    etag: str
    sha256: str
    size: int
    summary: Summary

    @classmethod
    def of(cls, document: Document, summary: Summary) -> Self:
        return cls(
            key=document.key,
            version_id=document.version_id,
            etag=document.etag,
            sha256=document.sha256,
            size=len(document.body),
            summary=summary,
        )

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Read what `to_event` wrote."""
        return cls(**{**event, "summary": Summary(**event["summary"])})

    def to_event(self) -> dict[str, Any]:
        return asdict(self)


class Outcome(StrEnum):
    """How a review ended."""

    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a job's review ended: the record that counts, written beside the document it is of.

    *source*, *version_id* and *etag* are the reviewed document's; *sha256* is that of its bytes.
    """

    job_id: str
    outcome: Outcome
    at: datetime
    source: str
    version_id: str | None
    etag: str
    sha256: str
    decided_by: str | None = None
    comment: str | None = None

    @property
    def document(self) -> str:
        """Where the document goes."""
        return _key(self.outcome, self.job_id, self.source)

    @property
    def record(self) -> str:
        """Where this record goes."""
        return f"{self.document}{_RECORD_SUFFIX}"

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Read what `to_event` wrote."""
        return cls(
            **{
                **event,
                "outcome": Outcome(event["outcome"]),
                "at": parse_timestamp(event["at"]),
            }
        )

    def to_event(self) -> dict[str, Any]:
        return {**asdict(self), "outcome": self.outcome.value, "at": timestamp(self.at)}

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        return cls.from_event(json.loads(text))

    def to_json(self) -> bytes:
        """For people too, who find it beside the document."""
        return json.dumps(self.to_event(), ensure_ascii=False, indent=2).encode()


def records_of(job_id: str, source: str) -> list[str]:
    """Every place where the ending of a job's review can be."""
    keys = dict.fromkeys(_key(outcome, job_id, source) for outcome in Outcome)
    return [f"{key}{_RECORD_SUFFIX}" for key in keys]


_RECORD_SUFFIX = ".decision.json"


def _key(outcome: Outcome, job_id: str, source: str) -> str:
    folder = "final" if outcome is Outcome.APPROVED else "archive"
    return f"{folder}/{job_id}/{source.rpartition('/')[2]}"


@dataclass(frozen=True, slots=True)
class Approved:
    """The document was approved, stamped and moved to its final place."""

    document: str
    sha256: str
    approved_at: datetime
    decided_by: str | None
    comment: str | None
    outcome: Outcome = Outcome.APPROVED


@dataclass(frozen=True, slots=True)
class Archived:
    """The document was put aside: rejected, or nobody answered in time."""

    document: str
    sha256: str
    archived_at: datetime
    decided_by: str | None
    comment: str | None
    outcome: Outcome


def result_of(ending: Ending) -> Approved | Archived:
    """What the job's result tells of how the review ended."""
    told = (ending.document, ending.sha256, ending.at, ending.decided_by, ending.comment)
    if ending.outcome is Outcome.APPROVED:
        return Approved(*told)
    return Archived(*told, ending.outcome)
