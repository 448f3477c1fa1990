"""How a dataset is written: which format its key tells of, and JSON Lines.

What is read comes from anybody: whatever a line holds, it refuses this one record and nothing more.
"""

import json
import math
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, NamedTuple, Never

from functions.pipelines.lines import all_lines
from functions.pipelines.records import Line, Record, RecordRefusedError, Refusal
from functions.shared.errors import PermanentError

# Stands for a number while a record is written; nobody outside can put it into one.
_NUMBER = f"number-{secrets.token_hex(16)}-"
# Far under the interpreter's own limit (1,000), which the stack of a worker has used in part.
MAX_DEPTH = 100


# How files begin that are compressed, or Parquet, whatever their names say.
GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"


class UnknownFormatError(PermanentError):
    """Neither the payload nor the key tells how the dataset is written."""


class RecordFormat(StrEnum):
    """How records are written, compressed or not."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class Encoding:
    """How an object's bytes are to be read."""

    format: RecordFormat
    is_gzipped: bool


class Parsed(NamedTuple):
    """One line and what it holds: a record, or why it is none."""

    line: Line
    found: Record | RecordRefusedError


_SUFFIXES = {
    "jsonl": RecordFormat.JSONL,
    "ndjson": RecordFormat.JSONL,
    "json": RecordFormat.JSONL,
    "csv": RecordFormat.CSV,
    "parquet": RecordFormat.PARQUET,
}


def encoding_of(key: str, stated: str | None = None) -> Encoding:
    """What the end of *key* tells; *stated* is the format that the payload names, if it does.

    Raises:
        UnknownFormatError: Neither names a format.
    """
    name = key.rpartition("/")[2].lower()
    is_gzipped = name.endswith(".gz")
    suffix = PurePosixPath(name.removesuffix(".gz")).suffix.removeprefix(".")
    if stated is not None:
        if stated not in list(RecordFormat):
            raise UnknownFormatError(f"format must be one of {', '.join(RecordFormat)}")
        return Encoding(RecordFormat(stated), is_gzipped)
    if suffix not in _SUFFIXES:
        raise UnknownFormatError(
            "the dataset's key must end in .jsonl, .ndjson, .csv (each also with .gz) or .parquet,"
            f" or the payload must name its format: {', '.join(RecordFormat)}"
        )
    return Encoding(_SUFFIXES[suffix], is_gzipped)


def json_record(line: Line) -> Record:
    """The object that *line* holds.

    Raises:
        RecordRefusedError: It holds none, or one that could not be written again.
    """
    text = text_of(line)
    try:
        record = _DECODE(text)
    except _UnwantedError as error:
        raise RecordRefusedError(Refusal.NOT_JSON, str(error)) from None
    except RecursionError:
        refuse_deep()
    except json.JSONDecodeError:
        raise refusal(line, Refusal.NOT_JSON, "the line is no JSON") from None
    except ValueError:
        # CPython reads no whole number of more than 4,300 digits.
        raise RecordRefusedError(Refusal.NOT_JSON, "a number has too many digits") from None
    if not isinstance(record, dict):
        raise RecordRefusedError(Refusal.NOT_AN_OBJECT, "the line is JSON, and no object")
    if text.count("{") + text.count("[") > MAX_DEPTH and _is_deep(record):
        refuse_deep()
    if "\\u" in text and not _is_text(record):
        raise RecordRefusedError(Refusal.NOT_UTF8, "a text holds half of a surrogate pair")
    return record


def json_records(pieces: Iterable[bytes], start: int = 0) -> Iterator[Parsed]:
    """The lines of a stream that begins with a line, at offset *start*, and what each holds."""
    for line in all_lines(pieces, start):
        try:
            yield Parsed(line, json_record(line))
        except RecordRefusedError as error:
            yield Parsed(line, error)


def record_line(record: Record) -> bytes:
    """*record* as a line of JSON Lines, its line break included; a `Decimal` with all its digits.

    Raises:
        RecordRefusedError: It holds what JSON cannot say; whoever made it made a mistake.
    """
    try:
        try:
            return _ENCODE(record).encode() + b"\n"
        except TypeError:
            return _exactly(record, is_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise RecordRefusedError(
            Refusal.TRANSFORM_FAILED,
            f"the record cannot be written as JSON: {type(error).__name__}",
        ) from None


def kept_line(told: Record, original: Any) -> bytes:
    """What is *told* of a record and the *original* itself as a line, whatever it holds.

    What UTF-8 cannot write is escaped, and what JSON cannot say is a text that people can read.
    """
    try:
        return record_line({**told, "record": original})
    except RecordRefusedError:
        pass
    try:
        return _exactly({**told, "record": original}, is_ascii=True)
    except (TypeError, ValueError, RecursionError):
        return record_line({**told, "record": _text(original)})


def _text(original: Any) -> str:
    try:
        return ascii(original)
    except (ValueError, RecursionError) as error:
        return f"a record that cannot be written: {type(error).__name__}"


def _exactly(record: Record, *, is_ascii: bool) -> bytes:
    """With each `Decimal` as the number that it is, for which `json` has no way."""
    numbers: list[str] = []

    def number(value: Any) -> str:
        if not isinstance(value, Decimal) or not value.is_finite():
            raise TypeError
        numbers.append(str(value))
        return f"{_NUMBER}{len(numbers) - 1}"

    text = json.dumps(
        record, ensure_ascii=is_ascii, allow_nan=False, separators=(",", ":"), default=number
    )
    text = re.sub(rf'"{_NUMBER}(\d+)"', lambda found: numbers[int(found[1])], text)
    return text.encode() + b"\n"


def text_of(line: Line) -> str:
    """The text of *line*.

    Raises:
        RecordRefusedError: It is not UTF-8, or there is more of it than is read.
    """
    if line.is_too_long:
        raise RecordRefusedError(
            Refusal.TOO_LONG, f"the line is longer than {len(line.content)} bytes"
        )
    try:
        return line.content.decode()
    except UnicodeDecodeError:
        raise refusal(line, Refusal.NOT_UTF8, "the line is not UTF-8") from None


def refusal(line: Line, code: str, reason: str) -> RecordRefusedError:
    """Why *line* is refused: whatever is wrong with it, a last line without its end is cut off."""
    if line.is_terminated:
        return RecordRefusedError(code, reason)
    return RecordRefusedError(
        Refusal.TRUNCATED, f"the last line is cut off: no line break ends it, and {reason}"
    )


def refuse_deep() -> Never:
    raise RecordRefusedError(
        Refusal.NOT_JSON, f"the record is nested deeper than {MAX_DEPTH} levels"
    ) from None


class _UnwantedError(Exception):
    """Python reads it, JSON does not have it, or two readers would read two things."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise _UnwantedError("an object has two fields of one name")
    return fields


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _UnwantedError("a number is too large")
    return number


def _no_constant(_: str) -> Never:
    raise _UnwantedError("NaN and Infinity are no JSON")


# Made once: `json.loads` and `json.dumps` would make them anew for every record.
_DECODE = json.JSONDecoder(
    object_pairs_hook=_once, parse_float=_finite, parse_constant=_no_constant
).decode
_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def _is_deep(record: Record) -> bool:
    level: list[Any] = [record]
    for _ in range(MAX_DEPTH):
        level = [
            value
            for holder in level
            for value in (holder.values() if isinstance(holder, dict) else holder)
            if isinstance(value, (dict, list))
        ]
    return bool(level)


def _is_text(record: Record) -> bool:
    try:
        _ENCODE(record).encode()
    except UnicodeEncodeError:
        return False
    return True
