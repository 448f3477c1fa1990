"""Payloads on their way into the table: one text for one value, and nothing that JSON cannot say.

What Python would quietly bend (NaN, numbers as keys, a key given twice) is refused by name here,
because after the row is written only the job itself could complain.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from functions.shared.job import MAX_PAYLOAD_BYTES, InvalidJobError, canonical_json

# A job reads its payload at every invocation and parses it in memory; data beyond this
# belongs into S3, with a reference to it in the payload.
MAX_STORED_PAYLOAD_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Payload:
    """A job's input as canonical JSON text (ASCII, so that characters are bytes)."""

    text: str

    @property
    def size_bytes(self) -> int:
        return len(self.text)

    @property
    def fits_the_row(self) -> bool:
        return self.size_bytes <= MAX_PAYLOAD_BYTES


def parse_payload(payload: Mapping[str, Any] | str) -> Payload:
    """Read a payload from a mapping or from JSON text.

    Raises:
        InvalidJobError: It is not an object, or JSON has no word for something in it.
    """
    try:
        value = _from_text(payload) if isinstance(payload, str) else payload
        text = canonical_json(_checked_object(value))
    except InvalidJobError:
        raise
    except RecursionError:
        raise InvalidJobError("payload is nested too deep") from None
    except ValueError as error:  # Python writes no integer of more than 4,300 digits
        raise InvalidJobError(f"payload cannot be written as JSON: {error}") from None
    if len(text) > MAX_STORED_PAYLOAD_BYTES:
        raise InvalidJobError(
            f"payload has {len(text):,} bytes, the limit is {MAX_STORED_PAYLOAD_BYTES:,}: "
            "put the data into S3 and send a reference to it"
        )
    return Payload(text)


def is_same_value(text: str, other: str) -> bool:
    """Whether two JSON texts say the same, however their producers spell it."""
    if text == other:
        return True
    try:
        return canonical_json(json.loads(text)) == canonical_json(json.loads(other))
    except (ValueError, RecursionError):
        return False


def _from_text(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise InvalidJobError(
            f"payload is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None


def _without_duplicates(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise InvalidJobError(f"payload names {key!r} twice in one object")
        found[key] = value
    return found


def _refuse(constant: str) -> Any:
    raise InvalidJobError(f"payload holds {constant}, which JSON does not have: send null or text")


def _checked_object(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise InvalidJobError(f"payload must be a JSON object, not {_kind(value)}")
    return _checked(value, "payload")


def _checked(value: Any, path: str) -> Any:
    """*value* as plain JSON types; a refusal names the place, never the value itself."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return int(value)
        case float():
            if not math.isfinite(value):
                raise InvalidJobError(
                    f"{path} is {value}, which JSON does not have: send null or text"
                )
            return float(value)
        case Mapping():
            for key in value:
                if not isinstance(key, str):
                    raise InvalidJobError(
                        f"{path} has the key {key!r}, which is {_kind(key)}: JSON keys are text"
                    )
            return {key: _checked(item, f"{path}.{key}") for key, item in value.items()}
        case list() | tuple():
            return [_checked(item, f"{path}[{index}]") for index, item in enumerate(value)]
        case _:
            raise InvalidJobError(f"{path} is {_kind(value)}, which JSON does not have: send text")


def _kind(value: Any) -> str:
    names = {list: "an array", str: "text", int: "a number", float: "a number", bool: "a boolean"}
    if value is None:
        return "null"
    return names.get(type(value), f"a {type(value).__name__}")
