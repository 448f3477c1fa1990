"""A record, and why one is refused.

Refusing a record is no error of the job: it is counted, kept in a file of its own with its reason,
and the job goes on. A reason names the field and the rule, never the value.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

Record = Mapping[str, Any]


class Refusal(StrEnum):
    """Why a line is no record; a processor has codes of its own besides."""

    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_CSV = "not_csv"
    NOT_AN_OBJECT = "not_an_object"
    TRUNCATED = "truncated"
    TOO_LONG = "too_long"
    WRONG_COLUMNS = "wrong_columns"
    QUOTED_LINE_BREAK = "quoted_line_break"
    SCHEMA = "schema"
    TRANSFORM_FAILED = "transform_failed"


class RecordRefusedError(Exception):
    """This record cannot be processed, however often it is tried; the others can.

    *code* is lower case with underscores, *reason* one line of at most 200 characters for people.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason[:200]


class Line(NamedTuple):
    """One line of a dataset, without its line break.

    *offset* is where it begins, in bytes of the (decompressed) object; *is_terminated* says
    whether a line break followed, *is_too_long* that *content* is only its beginning (and then
    nobody looked for the line break).
    """

    # A tuple, since it is made once per record: a frozen dataclass takes twice as long to make.
    offset: int
    content: bytes
    is_terminated: bool = True
    is_too_long: bool = False
