"""What a `send-email` job is asked to send, and how its payload is checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from functions.shared.errors import MalformedPayloadError
from functions.shared.mail import Mail, is_address

# SES takes 50 recipients in a mail:
# https://docs.aws.amazon.com/ses/latest/dg/quotas.html
MAX_RECIPIENTS = 50
MAX_SUBJECT_LENGTH = 998

_FIELDS = frozenset({"to", "subject", "text", "html", "on_doubt"})


class OnDoubt(StrEnum):
    """What to do where nobody knows whether the mail went out."""

    RESEND = "resend"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class RequestedMail(Mail):
    """The mail of a job, and what to do in doubt about it."""

    on_doubt: OnDoubt = OnDoubt.RESEND

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """Read the payload `{to, subject, text, html?, on_doubt?}`.

        Messages name the field and the rule, never the value: it may be personal.

        Raises:
            MalformedPayloadError: A field is missing, unknown or not what it should be.
        """
        unknown = sorted(payload.keys() - _FIELDS)
        if unknown:
            raise MalformedPayloadError(
                f"unknown field {unknown[0][:40]!r}: a mail has {', '.join(sorted(_FIELDS))}"
            )
        return cls(
            to=_recipients(payload.get("to")),
            subject=_subject(payload),
            text=_text(payload, "text"),
            html=None if payload.get("html") is None else _text(payload, "html"),
            on_doubt=_on_doubt(payload.get("on_doubt", OnDoubt.RESEND)),
        )


def _recipients(value: Any) -> tuple[str, ...]:
    addresses = [value] if isinstance(value, str) else value
    if not isinstance(addresses, list) or not 1 <= len(addresses) <= MAX_RECIPIENTS:
        raise MalformedPayloadError(
            f"to must be an e-mail address or a list of 1 to {MAX_RECIPIENTS} of them"
        )
    for position, address in enumerate(addresses):
        if not isinstance(address, str) or not is_address(address):
            raise MalformedPayloadError(f"to[{position}] is not an e-mail address")
    return tuple(addresses)


def _subject(payload: Mapping[str, Any]) -> str:
    subject = _text(payload, "subject")
    # A line break would end the header and begin another one.
    if len(subject) > MAX_SUBJECT_LENGTH or "\n" in subject or "\r" in subject:
        raise MalformedPayloadError(
            f"subject must be one line of at most {MAX_SUBJECT_LENGTH} characters"
        )
    return subject


def _text(payload: Mapping[str, Any], name: str) -> str:
    value = payload.get(name)
    if not isinstance(value, str) or not value.strip():
        raise MalformedPayloadError(f"{name} must be a text, and not an empty one")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise MalformedPayloadError(f"{name} holds half of a surrogate pair") from None
    return value


def _on_doubt(value: Any) -> OnDoubt:
    try:
        return OnDoubt(value)
    except ValueError:
        raise MalformedPayloadError("on_doubt must be resend or stop") from None
