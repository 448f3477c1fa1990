"""What a `document-approval` job is asked for, and how its payload is checked.

Messages name the field and the rule, never the value: it may be personal.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from functions.approvals.document import Kind
from functions.shared.errors import MalformedPayloadError
from functions.shared.mail import is_address
from functions.shared.question import ANY_ONE, MAX_PEOPLE, MAX_TITLE_LENGTH, Language, Person, Rule

INCOMING = "incoming/"
MAX_FILE_NAME_LENGTH = 200
# S3's limit for a key, and what is added to the file's name where the document goes in the end.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
MAX_KEY_BYTES = 1024
MAX_NAME_LENGTH = 100
# Half of it passes before the reminder, and a callback waits whole minutes.
MIN_MINUTES = 2
MAX_MINUTES = 30 * 24 * 60
DEFAULT_MINUTES = 24 * 60

_FIELDS = frozenset(
    {
        "document",
        "title",
        "requested_by",
        "reviewers",
        "rule",
        "answer_within_minutes",
        "heartbeat_minutes",
        "in_channel",
        "language",
    }
)
_REVIEWER_FIELDS = frozenset({"email", "name", "language"})
# Unicode's control, format and surrogate characters, and its line and paragraph separators.
_UNCLEAN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequest:
    """Which document is to be approved, by whom, by which rule, and until when."""

    document: str
    reviewers: tuple[Person, ...]
    rule: Rule = ANY_ONE
    title: str | None = None
    requester: Person | None = None
    patience: timedelta = timedelta(minutes=DEFAULT_MINUTES)
    heartbeat: timedelta | None = None
    in_channel: bool = True

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """Read `{document, reviewers, title?, requested_by?, rule?, answer_within_minutes?, ...}`.

        Raises:
            MalformedPayloadError: A field is missing, unknown or not what it should be.
        """
        _refuse_unknown(payload, _FIELDS, "an approval")
        language = _language(payload.get("language", Language.ENGLISH), "language")
        reviewers = _reviewers(payload.get("reviewers"), language)
        minutes = _minutes(payload.get("answer_within_minutes", DEFAULT_MINUTES))
        return cls(
            document=_document(payload.get("document")),
            reviewers=reviewers,
            rule=_rule(payload.get("rule", "any"), len(reviewers)),
            title=_line(payload.get("title"), "title", MAX_TITLE_LENGTH),
            requester=_requester(payload.get("requested_by"), language),
            patience=timedelta(minutes=minutes),
            heartbeat=_heartbeat(payload.get("heartbeat_minutes"), minutes),
            in_channel=_in_channel(payload.get("in_channel", True)),
        )


def _document(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith(INCOMING):
        raise MalformedPayloadError(f"document must be a key that begins with {INCOMING}")
    if not _is_clean(value):
        raise MalformedPayloadError("document must not hold control characters")
    if len(value.encode()) > MAX_KEY_BYTES:
        raise MalformedPayloadError(f"document must have at most {MAX_KEY_BYTES} bytes of UTF-8")
    parts = value.split("/")
    if {"", ".", ".."} & set(parts):
        raise MalformedPayloadError("document must not have empty, . or .. between its slashes")
    if len(parts[-1]) > MAX_FILE_NAME_LENGTH:
        raise MalformedPayloadError(
            f"document must have a file name of at most {MAX_FILE_NAME_LENGTH} characters"
        )
    if Kind.of(value) is None:
        raise MalformedPayloadError(f"document must end with one of {', '.join(Kind.suffixes())}")
    return value


def _reviewers(value: Any, language: Language) -> tuple[Person, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_PEOPLE:
        raise MalformedPayloadError(f"reviewers must be a list of 1 to {MAX_PEOPLE} people")
    reviewers = tuple(_reviewer(each, number, language) for number, each in enumerate(value))
    addresses: dict[str, int] = {}
    for number, reviewer in enumerate(reviewers):
        first = addresses.setdefault((reviewer.address or "").casefold(), number)
        if first != number:
            raise MalformedPayloadError(
                f"reviewers[{number}] is the same person as reviewers[{first}]; name each once"
            )
    return reviewers


def _reviewer(value: Any, number: int, language: Language) -> Person:
    where = f"reviewers[{number}]"
    fields = {"email": value} if isinstance(value, str) else value
    if not isinstance(fields, dict):
        raise MalformedPayloadError(
            f"{where} must be an e-mail address, or an object with email, name and language"
        )
    _refuse_unknown(fields, _REVIEWER_FIELDS, where)
    return Person(
        person_id=f"p{number + 1}",
        address=_address(fields.get("email"), where),
        name=_line(fields.get("name"), f"{where}.name", MAX_NAME_LENGTH),
        language=_language(fields.get("language", language), f"{where}.language"),
    )


def _requester(value: Any, language: Language) -> Person | None:
    if value is None:
        return None
    return Person(person_id="requester", address=_address(value, "requested_by"), language=language)


def _address(value: Any, where: str) -> str:
    if not isinstance(value, str) or not is_address(value):
        raise MalformedPayloadError(f"{where} must be an e-mail address")
    return value


def _rule(value: Any, reviewers: int) -> Rule:
    match value:
        case "any":
            return ANY_ONE
        case "all":
            return Rule(reviewers)
        case {"quorum": int(needed)} if len(value) == 1 and not isinstance(needed, bool):
            if 1 <= needed <= reviewers:
                return Rule(needed)
            raise MalformedPayloadError(f"rule.quorum must be 1 to {reviewers}, the reviewers")
        case _:
            raise MalformedPayloadError('rule must be "any", "all" or {"quorum": a whole number}')


def _minutes(value: Any) -> int:
    if not _is_whole(value) or not MIN_MINUTES <= value <= MAX_MINUTES:
        raise MalformedPayloadError(
            f"answer_within_minutes must be a whole number from {MIN_MINUTES} to {MAX_MINUTES}"
        )
    return int(value)


def _heartbeat(value: Any, minutes: int) -> timedelta | None:
    if value is None:
        return None
    if not _is_whole(value) or not 1 <= value <= minutes:
        raise MalformedPayloadError(
            "heartbeat_minutes must be a whole number from 1 to answer_within_minutes"
        )
    return timedelta(minutes=value)


def _in_channel(value: Any) -> bool:
    if not isinstance(value, bool):
        raise MalformedPayloadError("in_channel must be true or false")
    return value


def _language(value: Any, where: str) -> Language:
    try:
        return Language(value)
    except ValueError:
        raise MalformedPayloadError(f"{where} must be one of {', '.join(Language)}") from None


def _line(value: Any, where: str, longest: int) -> str | None:
    """A line for people to read, or none."""
    if value is None:
        return None
    is_line = isinstance(value, str) and value.strip() and _is_clean(value)
    if not is_line or len(value) > longest:
        raise MalformedPayloadError(f"{where} must be one line of 1 to {longest} characters")
    return str(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_clean(text: str) -> bool:
    """No control characters, no invisible ones that turn text around, no half surrogate pairs.

    Wide and narrow spaces may stay, which `str.isprintable` would refuse: file names have them.
    """
    return not any(unicodedata.category(character) in _UNCLEAN for character in text)


def _refuse_unknown(fields: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    unknown = sorted(fields.keys() - known)
    if unknown:
        raise MalformedPayloadError(
            f"unknown field {unknown[0][:40]!r}: {what} has {', '.join(sorted(known))}"
        )
