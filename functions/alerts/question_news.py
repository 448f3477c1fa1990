"""What the inviter tells of a question: it was asked, it was asked again, or it ended.

Whatever calls itself news of a question and is not what the inviter sends is none: a button under
somebody else's words would let them speak in the project's name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from functions.shared.job import (
    InvalidJobError,
    check_job_id,
    check_job_type,
    parse_timestamp,
    timestamp,
)
from functions.shared.question import ANSWERS, MAX_FACTS, Answer, Kind, QuestionStatus, Via
from functions.shared.question_event import QuestionEvent

KIND = "question"

_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
# Room is left for the answer that a button adds; 3,000 is what Slack takes.
_ADDRESS = re.compile(r"https?://[!-~]{1,2900}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionNews:
    """How a question was decided; *via* None: the message does not say by which way."""

    answer: Answer
    by: str
    at: datetime
    via: Via | None = None
    comment: str | None = None

    @classmethod
    def from_message(cls, message: Any) -> Self:
        if not isinstance(message, dict):
            raise TypeError
        via = message.get("via")
        comment = message.get("comment")
        return cls(
            answer=Answer(message["answer"]),
            by=_text(message["by"]),
            at=_moment(message["at"]),
            via=None if via is None else Via(via),
            comment=None if comment is None else _text(comment),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionNews:
    """News of one question; title, facts, and what the decision says may be anybody's words.

    *needed* None: the first answer decides. *url* None: the channel cannot answer.
    """

    event: QuestionEvent
    job_id: str
    job_type: str
    attempt: int
    name: str
    kind: Kind
    title: str
    facts: tuple[tuple[str, str], ...]
    asked_of: int
    needed: int | None
    asked_at: datetime
    until: datetime
    url: str | None
    answers: tuple[Answer, ...]
    status: QuestionStatus
    decision: DecisionNews | None

    @property
    def key(self) -> str:
        # A job's id may come again before what was told is forgotten.
        question = f"{self.job_id}:{self.attempt}:{self.name}:{timestamp(self.asked_at)}"
        return f"question:{question}:{self.event}"

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Self | None:
        """The news that *message* is; None where a part is missing or is not what it must be."""
        try:
            news = cls._from_message(message)
        except (KeyError, TypeError, ValueError, OverflowError, InvalidJobError):
            return None
        is_decided = news.status is QuestionStatus.DECIDED
        has_ended = news.status is not QuestionStatus.OPEN
        fits = is_decided == (news.decision is not None) and (
            has_ended or news.event is not QuestionEvent.ENDED
        )
        return news if fits else None

    @classmethod
    def _from_message(cls, message: Mapping[str, Any]) -> Self:
        kind = Kind(message["question_kind"])
        decision = message["decision"]
        needed, url = message["needed"], message["url"]
        return cls(
            event=QuestionEvent(message["event"]),
            job_id=check_job_id(_text(message["job_id"])),
            job_type=check_job_type(_text(message["job_type"])),
            attempt=_count(message["attempt"]),
            name=_matching(_NAME, message["question"]),
            kind=kind,
            title=_text(message["title"]),
            facts=tuple(
                (_text(label), _text(value)) for label, value in message["facts"][:MAX_FACTS]
            ),
            asked_of=_count(message["asked_of"]),
            needed=None if needed is None else _count(needed),
            asked_at=_moment(message["asked_at"]),
            until=_moment(message["until"]),
            url=None if url is None else _matching(_ADDRESS, url),
            answers=tuple(_answer(kind, each) for each in message["answers"]),
            status=QuestionStatus(message["status"]),
            decision=None if decision is None else DecisionNews.from_message(decision),
        )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    if value < 1:
        raise ValueError
    return value


def _moment(value: Any) -> datetime:
    """In UTC, where the first and the last day of the calendar are out of reach for some."""
    return parse_timestamp(_text(value)).astimezone(UTC)


def _answer(kind: Kind, value: Any) -> Answer:
    answer = Answer(value)
    if answer not in ANSWERS[kind]:
        raise ValueError
    return answer


def _matching(pattern: re.Pattern[str], value: Any) -> str:
    if not pattern.fullmatch(_text(value)):
        raise ValueError
    return _text(value)
