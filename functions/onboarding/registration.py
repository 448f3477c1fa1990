"""Who wants an account and how they want it set up, as a producer submits it.

What is wrong is told by the field and the rule, never by the value: nearly all of it is personal.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self

from functions.shared.errors import MalformedPayloadError
from functions.shared.mail import is_address
from functions.shared.payload_fields import language, line, refuse_unknown, whole_number
from functions.shared.question import Language

MAX_NAME_LENGTH = 100
MIN_VERIFY_MINUTES = 2
MAX_VERIFY_MINUTES = 7 * 24 * 60
DEFAULT_VERIFY_MINUTES = 48 * 60
# All of it is repeated in a mail that somebody reads.
MAX_SETTINGS = 20
MAX_SETTING_LENGTH = 200
MAX_SETTING_NUMBER = 1_000_000_000
MAX_INTERESTS = 10
MAX_INTEREST_LENGTH = 40

Setting = str | int | bool

_FIELDS = frozenset(
    {
        "email",
        "name",
        "language",
        "verify_within_minutes",
        "preferences",
        "notifications",
        "interests",
    }
)
_SETTING_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Somebody who wants an account; *email* is the one spelling of their address."""

    email: str
    name: str
    language: Language = Language.ENGLISH
    verify_within: timedelta = timedelta(minutes=DEFAULT_VERIFY_MINUTES)
    preferences: Mapping[str, Setting] = field(default_factory=dict)
    notifications: Mapping[str, Setting] = field(default_factory=dict)
    interests: tuple[str, ...] = ()

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """Read the payload.

        `{email, name, language?, verify_within_minutes?, preferences?, notifications?, interests?}`

        Raises:
            MalformedPayloadError: A field is missing, unknown or not what it should be.
        """
        refuse_unknown(payload, _FIELDS, "a registration")
        return cls(
            email=_email(payload.get("email")),
            name=line(payload.get("name"), "name", MAX_NAME_LENGTH),
            language=language(payload.get("language", Language.ENGLISH), "language"),
            verify_within=_patience(payload.get("verify_within_minutes", DEFAULT_VERIFY_MINUTES)),
            preferences=_settings(payload.get("preferences", {}), "preferences"),
            notifications=_settings(payload.get("notifications", {}), "notifications"),
            interests=_interests(payload.get("interests", [])),
        )


def _email(value: Any) -> str:
    """The address, in small letters: two spellings of one address are one account.

    Only ASCII, for SES delivers to no other, and letters of other scripts that merely look alike,
    or become alike in small letters, are no concern then. Mail goes to this spelling, so that
    whoever verifies an account reads the mail of the very address that it belongs to.
    """
    if not isinstance(value, str) or not value.isascii() or not is_address(value):
        raise MalformedPayloadError(
            "email must be an e-mail address in ASCII (a domain in other letters as punycode)"
        )
    return value.lower()


def _patience(value: Any) -> timedelta:
    minutes = whole_number(value, "verify_within_minutes", MIN_VERIFY_MINUTES, MAX_VERIFY_MINUTES)
    return timedelta(minutes=minutes)


def _settings(value: Any, where: str) -> dict[str, Setting]:
    if not isinstance(value, dict) or len(value) > MAX_SETTINGS:
        raise MalformedPayloadError(f"{where} must be an object of at most {MAX_SETTINGS} settings")
    for position, name in enumerate(value):
        if not _SETTING_NAME.fullmatch(name):
            raise MalformedPayloadError(
                f"{where}: the name of setting {position + 1} must be 1 to 40 characters of "
                "a-z 0-9 _ - and begin with a letter"
            )
    return {name: _setting(each, f"{where}.{name}") for name, each in value.items()}


def _setting(value: Any, where: str) -> Setting:
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= MAX_SETTING_NUMBER:
        return value
    if isinstance(value, str):
        return line(value, where, MAX_SETTING_LENGTH)
    raise MalformedPayloadError(
        f"{where} must be a text, true, false, or a whole number of at most {MAX_SETTING_NUMBER}"
    )


def _interests(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MAX_INTERESTS:
        raise MalformedPayloadError(f"interests must be a list of at most {MAX_INTERESTS} texts")
    interests = [
        line(each, f"interests[{position}]", MAX_INTEREST_LENGTH)
        for position, each in enumerate(value)
    ]
    if len({interest.casefold() for interest in interests}) < len(interests):
        raise MalformedPayloadError("interests must name each interest once")
    return tuple(interests)
