"""What a document is to an approval: its bytes, what reviewers see of it, and how it ended."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any, Self

from functions.shared.errors import PermanentError
from functions.shared.job import parse_timestamp, timestamp
from functions.shared.question import Answer, Decision, Via, Vote

MAX_EXCERPT_LENGTH = 300


class DocumentUnfitError(PermanentError):
    """The document cannot be reviewed or stamped: broken, encrypted, empty, too large."""


class DocumentChangedError(PermanentError):
    """The document is not the one that was reviewed any more; nothing was finalized."""


class DocumentConflictError(PermanentError):
    """The job's place is taken by what another job of its id filed; that stays as it is."""


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
    """What reviewers see of a document without opening it.

    *measure* is pages, words or characters.
    """

    measure: str
    count: int
    title: str | None
    excerpt: str


@dataclass(frozen=True, slots=True)
class PreparedDocument:
    """Which bytes are reviewed, for which submission of a job, and what is said of them."""

    submission: str
    key: str
    version_id: str | None
    etag: str
    sha256: str
    size: int
    summary: Summary

    @classmethod
    def of(cls, document: Document, summary: Summary, submission: str) -> Self:
        return cls(
            submission=submission,
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
class Voice:
    """What somebody said to a document, and by which way.

    By the channel *by* is a name that somebody gave there: a claim, which nothing proves.
    """

    answer: Answer
    by: str
    via: Via
    at: datetime
    comment: str | None = None

    @classmethod
    def of(cls, vote: Vote | Decision) -> Self:
        act = vote.act
        return cls(answer=vote.answer, by=act.by, via=act.via, at=act.at, comment=act.comment)

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Read what `to_event` wrote."""
        return cls(
            answer=Answer(event["answer"]),
            by=event["by"],
            via=Via(event["via"]),
            at=parse_timestamp(event["at"]),
            comment=event.get("comment"),
        )

    def to_event(self) -> dict[str, Any]:
        return {
            "answer": self.answer.value,
            "by": self.by,
            "via": self.via.value,
            "at": timestamp(self.at),
            **({} if self.comment is None else {"comment": self.comment}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a job's review ended: the record that counts, written beside the document it is of.

    *submission* says of which job, whose id may come again. *source*, *version_id* and *etag* are
    the reviewed document's; *sha256* is that of its bytes. *decided_by*, *via* and *comment* are
    of whoever settled it; *voices* are all that counted.
    """

    job_id: str
    submission: str
    outcome: Outcome
    at: datetime
    source: str
    version_id: str | None
    etag: str
    sha256: str
    decided_by: str | None = None
    via: Via | None = None
    comment: str | None = None
    voices: tuple[Voice, ...] = ()

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
                "via": event["via"] and Via(event["via"]),
                "voices": tuple(Voice.from_event(voice) for voice in event["voices"]),
            }
        )

    def to_event(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "outcome": self.outcome.value,
            "at": timestamp(self.at),
            "via": self.via and self.via.value,
            "voices": [voice.to_event() for voice in self.voices],
        }

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """The document was approved, stamped and moved to its final place."""

    document: str
    sha256: str
    approved_at: datetime
    decided_by: str | None
    via: Via | None
    comment: str | None
    voices: tuple[Voice, ...]
    outcome: Outcome = Outcome.APPROVED


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """The document was put aside: rejected, or nobody answered in time."""

    document: str
    sha256: str
    archived_at: datetime
    decided_by: str | None
    via: Via | None
    comment: str | None
    voices: tuple[Voice, ...]
    outcome: Outcome


def result_of(ending: Ending) -> Approved | Archived:
    """What the job's result tells of how the review ended."""
    told: dict[str, Any] = {
        name: getattr(ending, name)
        for name in ("document", "sha256", "decided_by", "via", "comment", "voices")
    }
    if ending.outcome is Outcome.APPROVED:
        return Approved(**told, approved_at=ending.at)
    return Archived(**told, archived_at=ending.at, outcome=ending.outcome)
