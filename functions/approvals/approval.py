"""What a `document-approval` job is asked for, and how its payload is checked.

Messages name the field and the rule, never the value: it may be personal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self
from urllib.parse import urlsplit

from functions.approvals.document import Kind
from functions.shared.errors import MalformedPayloadError
from functions.shared.mail import is_address
from functions.shared.payload_fields import is_clean, language, line, refuse_unknown, whole_number
from functions.shared.question import ANY_ONE, MAX_PEOPLE, MAX_TITLE_LENGTH, Language, Person, Rule

INCOMING = "incoming/"
MAX_FILE_NAME_LENGTH = 200
# S3's limit for a key, and what is added to the file's name where the document goes in the end.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
MAX_KEY_BYTES = 1024
MAX_NAME_LENGTH = 100
# Of an address where the document can be read; a presigned one is about that long.
MAX_READ_AT_LENGTH = 1_000
# Half of it passes before the reminder, and a callback waits whole minutes.
MIN_MINUTES = 2
MAX_MINUTES = 30 * 24 * 60
DEFAULT_MINUTES = 24 * 60

_FIELDS = frozenset(
    {
        "document",
        "read_at",
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
# No browser sends them unescaped, and where an address is shown they could end it.
_NOT_IN_ADDRESSES = frozenset(' "<>\\^`{|}')


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequest:
    """Which document is to be approved, by whom, by which rule, and until when."""

    document: str
    reviewers: tuple[Person, ...]
    rule: Rule = ANY_ONE
    title: str | None = None
    read_at: str | None = None
    requester: Person | None = None
    patience: timedelta = timedelta(minutes=DEFAULT_MINUTES)
    heartbeat: timedelta | None = None
    in_channel: bool = True

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """Read `{document, reviewers, read_at?, title?, requested_by?, rule?, ...}`.

        Raises:
            MalformedPayloadError: A field is missing, unknown or not what it should be.
        """
        refuse_unknown(payload, _FIELDS, "an approval")
        spoken = language(payload.get("language", Language.ENGLISH), "language")
        reviewers = _reviewers(payload.get("reviewers"), spoken)
        minutes = whole_number(
            payload.get("answer_within_minutes", DEFAULT_MINUTES),
            "answer_within_minutes",
            MIN_MINUTES,
            MAX_MINUTES,
        )
        return cls(
            document=_document(payload.get("document")),
            reviewers=reviewers,
            rule=_rule(payload.get("rule", "any"), len(reviewers)),
            title=_line(payload.get("title"), "title", MAX_TITLE_LENGTH),
            read_at=_read_at(payload.get("read_at")),
            requester=_requester(payload.get("requested_by"), spoken),
            patience=timedelta(minutes=minutes),
            heartbeat=_heartbeat(payload.get("heartbeat_minutes"), minutes),
            in_channel=_in_channel(payload.get("in_channel", True)),
        )


def _document(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith(INCOMING):
        raise MalformedPayloadError(f"document must be a key that begins with {INCOMING}")
    if not is_clean(value):
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


def _read_at(value: Any) -> str | None:
    """An address that a browser opens; which document lies there is the submitter's word."""
    if value is None:
        return None
    rule = f"read_at must be an https address of at most {MAX_READ_AT_LENGTH} ASCII characters"
    if not isinstance(value, str) or len(value) > MAX_READ_AT_LENGTH:
        raise MalformedPayloadError(rule)
    if not value.isascii() or not value.isprintable() or _NOT_IN_ADDRESSES & set(value):
        raise MalformedPayloadError(rule)
    try:
        parts = urlsplit(value)
        is_web = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise MalformedPayloadError(rule) from None
    # What stands before an @ looks like the place where the link leads, and is not.
    if not is_web or "@" in parts.netloc:
        raise MalformedPayloadError(rule)
    return value


def _reviewers(value: Any, spoken: Language) -> tuple[Person, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_PEOPLE:
        raise MalformedPayloadError(f"reviewers must be a list of 1 to {MAX_PEOPLE} people")
    reviewers = tuple(_reviewer(each, number, spoken) for number, each in enumerate(value))
    addresses: dict[str, int] = {}
    for number, reviewer in enumerate(reviewers):
        first = addresses.setdefault((reviewer.address or "").casefold(), number)
        if first != number:
            raise MalformedPayloadError(
                f"reviewers[{number}] is the same person as reviewers[{first}]; name each once"
            )
    return reviewers


def _reviewer(value: Any, number: int, spoken: Language) -> Person:
    where = f"reviewers[{number}]"
    fields = {"email": value} if isinstance(value, str) else value
    if not isinstance(fields, dict):
        raise MalformedPayloadError(
            f"{where} must be an e-mail address, or an object with email, name and language"
        )
    refuse_unknown(fields, _REVIEWER_FIELDS, where)
    return Person(
        person_id=f"p{number + 1}",
        address=_address(fields.get("email"), where),
        name=_line(fields.get("name"), f"{where}.name", MAX_NAME_LENGTH),
        language=language(fields.get("language", spoken), f"{where}.language"),
    )


def _requester(value: Any, spoken: Language) -> Person | None:
    if value is None:
        return None
    return Person(person_id="requester", address=_address(value, "requested_by"), language=spoken)


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


def _heartbeat(value: Any, minutes: int) -> timedelta | None:
    if value is None:
        return None
    return timedelta(minutes=whole_number(value, "heartbeat_minutes", 1, minutes))


def _in_channel(value: Any) -> bool:
    if not isinstance(value, bool):
        raise MalformedPayloadError("in_channel must be true or false")
    return value


def _line(value: Any, where: str, longest: int) -> str | None:
    return None if value is None else line(value, where, longest)
