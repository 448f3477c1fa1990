"""What SES publishes about a mail.

https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from functions.shared.job import InvalidJobError, parse_timestamp
from functions.shared.mail_ledger import Fate
from functions.shared.question import QuestionRef

_PERMANENT = "Permanent"

# What each kind of event means, and where in the event its time is.
_FATES: Mapping[str, tuple[Fate | None, str]] = {
    "Send": (None, "send"),
    "Delivery": (Fate.DELIVERED, "delivery"),
    "DeliveryDelay": (Fate.DELAYED, "deliveryDelay"),
    "Bounce": (Fate.BOUNCED, "bounce"),
    "Complaint": (Fate.COMPLAINED, "complaint"),
    "Reject": (Fate.REJECTED, "reject"),
    "Rendering Failure": (Fate.REJECTED, "failure"),
}
_UNREACHABLE: Mapping[Fate, str] = {
    Fate.BOUNCED: "mail_bounced",
    Fate.COMPLAINED: "mail_complained",
    Fate.REJECTED: "mail_rejected",
}


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom a mail asked what."""

    ref: QuestionRef
    person_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailEvent:
    """One event about one mail of a job; *unreachable* is the code of why it reached nobody."""

    kind: str
    job_id: str
    mail: str
    message_id: str
    at: datetime | None
    fate: Fate | None = None
    unreachable: str | None = None
    reader: Reader | None = None

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Self | None:
        """Read an event; None where it is of a kind, or of a mail, that the ledger does not know.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: It is no event of SES.
        """
        kind = message["eventType"]
        about = message["mail"]
        tags = {name: values[0] for name, values in about.get("tags", {}).items() if values}
        if kind not in _FATES or not {"job_id", "mail"} <= tags.keys():
            return None
        fate, place = _FATES[kind]
        details = message.get(place) or {}
        # Full or busy: a mail to the same address may arrive another time, says SES.
        if fate is Fate.BOUNCED and details["bounceType"] != _PERMANENT:
            fate = Fate.SOFT_BOUNCED
        return cls(
            kind=kind,
            job_id=_text(tags["job_id"]),
            mail=_text(tags["mail"]),
            message_id=_text(about["messageId"]),
            at=_moment(details.get("timestamp")),
            fate=fate,
            unreachable=None if fate is None else _UNREACHABLE.get(fate),
            reader=_reader(tags),
        )


def _reader(tags: Mapping[str, Any]) -> Reader | None:
    """None where the mail asked nothing: a welcome, an outcome."""
    if not {"attempt", "question", "person"} <= tags.keys():
        return None
    ref = QuestionRef(_text(tags["job_id"]), int(tags["attempt"]), _text(tags["question"]))
    return Reader(ref, _text(tags["person"]))


def _moment(text: Any) -> datetime | None:
    try:
        return parse_timestamp(_text(text))
    except (TypeError, InvalidJobError):
        return None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
