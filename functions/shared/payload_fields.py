"""What the payloads of several job types have in common, and how it is checked.

Messages name the field and the rule, never the value: it may be personal.
"""

import unicodedata
from collections.abc import Mapping
from typing import Any

from functions.shared.errors import MalformedPayloadError
from functions.shared.question import Language

# Unicode's control, format, surrogate, private and unassigned characters, and its line and
# paragraph separators.
_UNCLEAN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# They join letters in names, and turn nothing around.
_JOINERS = str.maketrans("", "", "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}")


def refuse_unknown(fields: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    """Let nothing be overlooked, such as a field that is misspelled.

    Raises:
        MalformedPayloadError: *fields* has another one than *what* has.
    """
    unknown = sorted(fields.keys() - known)
    if unknown:
        raise MalformedPayloadError(
            f"unknown field {unknown[0][:40]!r}: {what} has {', '.join(sorted(known))}"
        )


def line(value: Any, where: str, longest: int) -> str:
    """A line for people to read, without the spaces around it.

    Raises:
        MalformedPayloadError: It is none.
    """
    text = value.strip() if isinstance(value, str) else ""
    if not 1 <= len(text) <= longest or not is_clean(text.translate(_JOINERS)):
        raise MalformedPayloadError(f"{where} must be one line of 1 to {longest} characters")
    return text


def language(value: Any, where: str) -> Language:
    """A language of pages and mails.

    Raises:
        MalformedPayloadError: It is none.
    """
    try:
        return Language(value)
    except ValueError:
        raise MalformedPayloadError(f"{where} must be {' or '.join(Language)}") from None


def whole_number(value: Any, where: str, least: int, most: int) -> int:
    """A whole number in its bounds.

    Raises:
        MalformedPayloadError: It is something else.
    """
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole or not least <= value <= most:
        raise MalformedPayloadError(f"{where} must be a whole number from {least} to {most}")
    return int(value)


def is_clean(text: str) -> bool:
    """No control characters, no invisible ones that turn text around, no half surrogate pairs.

    Wide and narrow spaces may stay, which `str.isprintable` would refuse: file names have them.
    """
    return not any(unicodedata.category(character) in _UNCLEAN for character in text)
