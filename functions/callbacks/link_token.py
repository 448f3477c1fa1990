"""The token in a link: what it claims, and the one way to write that down.

Only what would be written exactly so is read: a token that could be spelled in two ways could be
changed without its signature noticing.
"""

import base64
import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from functions.shared.job import InvalidJobError, canonical_json, check_job_id
from functions.shared.question import (
    ANSWERS,
    CHANNEL,
    Answer,
    Question,
    QuestionRef,
    from_epoch,
)

# HMAC-SHA-256.
MAC_BYTES = 32
# Far more than any token of ours has, and far less than API Gateway lets through.
MAX_TOKEN_LENGTH = 600
# The last moment that every platform can name.
_MAX_EPOCH_SECONDS = 253_402_300_799
_MAX_ATTEMPT = 999_999

_TOKEN = re.compile(
    r"(?P<generation>[1-9][0-9]{0,5})\.(?P<payload>[A-Za-z0-9_-]+)\.(?P<mac>[A-Za-z0-9_-]{43})"
)
_QUESTION_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PERSON = re.compile(rf"p[1-9][0-9]{{0,3}}|{CHANNEL}")
_CLAIMS = 7
_MAY_BE_GIVEN = frozenset(answer for answers in ANSWERS.values() for answer in answers)


class NotATokenError(ValueError):
    """The text is no token: a part is missing, or it is written in another way than ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkClaims:
    """What a link lets somebody do, and until when (seconds since 1970).

    Without *answers* it only shows. *asked_at* (milliseconds since 1970) tells the question from
    any other of the same name: a job's id may be used again after its row is forgotten.
    """

    job_id: str
    attempt: int
    question: str
    asked_at: int
    person: str
    answers: tuple[Answer, ...]
    expires_at: int

    @property
    def ref(self) -> QuestionRef:
        return QuestionRef(self.job_id, self.attempt, self.question)

    def is_about(self, question: Question) -> bool:
        return self.ref == question.ref and self.asked_at == milliseconds(question.asked_at)

    def is_expired(self, now: datetime) -> bool:
        return now > from_epoch(self.expires_at)


@dataclass(frozen=True, slots=True)
class LinkToken:
    """Claims, and the signature that somebody put to them; nobody has checked it yet."""

    generation: int
    claims: LinkClaims
    mac: bytes

    def __str__(self) -> str:
        parts = (str(self.generation), _base64(_payload(self.claims)), _base64(self.mac))
        return ".".join(parts)


def milliseconds(moment: datetime) -> int:
    """*moment* since 1970, as exactly as records keep it."""
    return (moment - from_epoch(0)) // timedelta(milliseconds=1)


def parse_token(text: str) -> LinkToken:
    """Read what `str` of a token wrote.

    Raises:
        NotATokenError: It did not write this.
    """
    found = _TOKEN.fullmatch(text) if len(text) <= MAX_TOKEN_LENGTH else None
    if found is None:
        raise NotATokenError("a token is a number, claims and a signature, joined by dots")
    try:
        mac = _from_base64(found["mac"])
        claims = _claims(json.loads(_from_base64(found["payload"])))
    except (InvalidJobError, RecursionError, ValueError):
        raise NotATokenError("the token's claims cannot be read") from None
    token = LinkToken(int(found["generation"]), claims, mac)
    if str(token) != text:
        raise NotATokenError("the token is not written as tokens are")
    return token


def signed_message(stage: str, generation: int, claims: LinkClaims) -> bytes:
    """What the signature is of.

    The line before the claims keeps a signature from meaning something elsewhere: in another
    stage, by another key, for another purpose of the same key.
    """
    return f"durable-jobs link v1 {stage} {generation}\n".encode() + _payload(claims)


def _payload(claims: LinkClaims) -> bytes:
    """A list instead of a record: half as long, and links end up in mails and chats."""
    return canonical_json(
        [
            claims.job_id,
            claims.attempt,
            claims.question,
            claims.asked_at,
            claims.person,
            [answer.value for answer in claims.answers],
            claims.expires_at,
        ]
    ).encode()


def _claims(values: Any) -> LinkClaims:
    if not isinstance(values, list) or len(values) != _CLAIMS:
        raise NotATokenError("a token has seven claims")
    job_id, attempt, question, asked_at, person, answers, expires_at = values
    if not isinstance(answers, list) or len(answers) > len(_MAY_BE_GIVEN):
        raise NotATokenError("the answers are a list")
    return LinkClaims(
        job_id=check_job_id(_text(job_id)),
        attempt=_number(attempt, _MAX_ATTEMPT),
        question=_matching(_QUESTION_NAME, question),
        asked_at=_number(asked_at, _MAX_EPOCH_SECONDS * 1_000),
        person=_matching(_PERSON, person),
        answers=_answers(answers),
        expires_at=_number(expires_at, _MAX_EPOCH_SECONDS),
    )


def _answers(values: list[Any]) -> tuple[Answer, ...]:
    answers = tuple(Answer(_text(value)) for value in values)
    if len(set(answers)) != len(answers) or not _MAY_BE_GIVEN.issuperset(answers):
        raise NotATokenError("an answer is named twice, or is nobody's to give")
    return answers


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise NotATokenError("a text is expected")
    return value


def _matching(pattern: re.Pattern[str], value: Any) -> str:
    if not pattern.fullmatch(_text(value)):
        raise NotATokenError("a name is not one of ours")
    return str(value)


def _number(value: Any, most: int) -> int:
    # True is an int to Python, and would be written as `true`.
    if type(value) is not int or not 1 <= value <= most:
        raise NotATokenError("a number is out of bounds")
    return value


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _from_base64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
