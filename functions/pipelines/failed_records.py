"""The file of a job's failed records, from which they are tried again.

A line holds the record as it was, and the key that it had: what was called with it before knows it
again by that key.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from functions.pipelines.lines import MAX_LINE_BYTES
from functions.pipelines.record_format import json_record, kept_line
from functions.pipelines.records import Line, Record, RecordRefusedError, Refusal

# What a table has may be longer than a line.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
_LONGEST_BYTES = max(MAX_LINE_BYTES, 400 * 1024)
# Written again, a control character becomes six, and nothing grows more; besides the record there
# are its key and the reason.
MAX_FAILED_LINE_BYTES = 6 * _LONGEST_BYTES + 4 * 1024

_FIELDS = frozenset({"error", "reason", "key", "offset", "record"})
_KEY = re.compile(r"[!-~]{1,255}")


class FailedRecord(NamedTuple):
    """A record that is tried again, with what it carries from the first time."""

    key: str
    offset: int
    record: Record
    part: int | None = None


def failed_line(
    error: RecordRefusedError,
    *,
    key: str,
    offset: int,
    record: Record | Line,
    part: int | None = None,
) -> bytes:
    """A line of the file, whatever the record holds; of what is no record the text is kept.

    Of a dataset of many objects *part* says which of them the *offset* is in.
    """
    original = (
        record.content.decode(errors="backslashreplace") if isinstance(record, Line) else record
    )
    told = {
        "error": error.code,
        "reason": error.reason,
        "key": key,
        **({} if part is None else {"part": part}),
        "offset": offset,
    }
    return kept_line(told, original)


def failed_record(wrapped: Mapping[str, Any]) -> FailedRecord:
    """The record in a line of the file.

    Raises:
        RecordRefusedError: The line holds none that could be tried again.
    """
    key, offset, record = wrapped.get("key"), wrapped.get("offset"), wrapped.get("record")
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise RecordRefusedError(Refusal.SCHEMA, "key must be 1 to 255 visible ASCII characters")
    if not isinstance(offset, int) or isinstance(offset, bool) or offset < 0:
        raise RecordRefusedError(Refusal.SCHEMA, "offset must be a whole number, 0 or more")
    if isinstance(record, str):
        raise RecordRefusedError(
            Refusal.NOT_AN_OBJECT,
            "record is a text that could not be read: mend it in a dataset of its own",
        )
    if not isinstance(record, dict):
        raise RecordRefusedError(Refusal.SCHEMA, "record must be an object")
    return FailedRecord(key, offset, record, part_of(wrapped))


def is_failed_line(line: Line) -> bool:
    """Whether *line* looks like one of the file."""
    try:
        return json_record(line).keys() >= _FIELDS
    except RecordRefusedError:
        return False


def part_of(wrapped: Mapping[str, Any]) -> int | None:
    """The object that the record was in; None where there was only one."""
    part = wrapped.get("part")
    return part if isinstance(part, int) and not isinstance(part, bool) else None
