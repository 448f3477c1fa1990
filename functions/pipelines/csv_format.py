"""CSV with a header (RFC 4180), read line by line or as a stream.

A range of bytes tells nothing of the quotes before it: there, a record is one line, and a line
break in quotes is refused. A stream is read from its beginning; line breaks in quotes are kept, as
line feeds.
"""

import csv
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from functions.pipelines.lines import MAX_LINE_BYTES, all_lines, every_line
from functions.pipelines.record_format import Parsed, refusal, text_of
from functions.pipelines.records import Line, Record, RecordRefusedError, Refusal
from functions.shared.errors import PermanentError

# A field may be as long as its line; the module's own limit is half of that.
csv.field_size_limit(MAX_LINE_BYTES)
# A record of a stream may be as long as a line, and of this many lines: the lines after a quote
# that nothing closes are read as often as such quotes come.
MAX_RECORD_LINES = 1_000
# The columns are in a checkpoint, and in the input of each of hundreds of shards.
MAX_COLUMNS = 1_000
MAX_HEADER_BYTES = 16 * 1024


class CsvHeaderError(PermanentError):
    """The first line does not name the columns."""


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """The columns that the header at *header_offset* names; every value is a text."""

    columns: tuple[str, ...]
    header_offset: int = 0

    @classmethod
    def of_pieces(cls, pieces: Iterable[bytes]) -> Self | None:
        """Read the header at the beginning of an object; None where nothing is written there.

        Raises:
            CsvHeaderError: There is no header.
        """
        header = next(all_lines(pieces), None)
        return None if header is None else cls.from_header(header)

    @classmethod
    def from_header(cls, line: Line) -> Self:
        """Read the first line that is not blank.

        Raises:
            CsvHeaderError: It is no header.
        """
        try:
            columns = [column.strip() for column in _fields(line)]
        except RecordRefusedError as error:
            raise CsvHeaderError(f"the CSV header cannot be read: {error.reason}") from None
        seen: dict[str, int] = {}
        for number, column in enumerate(columns, start=1):
            if not column:
                raise CsvHeaderError(f"column {number} of the CSV header has no name")
            if column in seen:
                raise CsvHeaderError(
                    f"columns {seen[column]} and {number} of the CSV header have the same name"
                )
            seen[column] = number
        _check_size(columns)
        return cls(tuple(columns), line.offset)

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        return cls(tuple(event["columns"]), event["header_offset"])

    def to_event(self) -> dict[str, Any]:
        return {"columns": list(self.columns), "header_offset": self.header_offset}

    def lacks(self, fields: Iterable[str]) -> list[str]:
        """Those of *fields* that no column holds, sorted."""
        return sorted(set(fields).difference(self.columns))

    def is_header(self, line: Line) -> bool:
        return line.offset == self.header_offset

    def record(self, line: Line) -> Record:
        """The record that *line* holds all of.

        Raises:
            RecordRefusedError: It holds none, or only a part of one.
        """
        return self._named(_fields(line), line)

    def records(self, pieces: Iterable[bytes], start: int = 0) -> Iterator[Parsed]:
        """The records of a stream that begins with a record, or the header, at offset *start*.

        To go on later, begin at the offset of the first record that was not taken. A quote that
        nothing closes costs the line that opens it, not all that follow.
        """
        taken = _TakenLines(every_line(pieces, start))
        reader = csv.reader(taken, strict=True)
        while True:
            taken.clear()
            try:
                fields = next(reader)
            except StopIteration:
                return
            except (csv.Error, RecordRefusedError):
                line = taken.give_back_but_first()
                yield Parsed(line, _why_not(line))
            else:
                line = taken.joined()
                if not self.is_header(line):
                    yield self._parsed(line, fields)

    def _parsed(self, line: Line, fields: list[str]) -> Parsed:
        try:
            return Parsed(line, self._named(fields, line))
        except RecordRefusedError as error:
            return Parsed(line, error)

    def _named(self, fields: list[str], line: Line) -> Record:
        if len(fields) != len(self.columns):
            raise refusal(
                line,
                Refusal.WRONG_COLUMNS,
                f"the line has {len(fields)} fields, and the header names {len(self.columns)}",
            )
        return dict(zip(self.columns, fields, strict=True))


class _TakenLines(Iterator[str]):
    """Lines as the csv module takes them, remembered until the record that they make is known."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._again: deque[Line] = deque()
        self._taken: list[Line] = []
        self._taken_bytes = 0

    def clear(self) -> None:
        self._taken = []
        self._taken_bytes = 0

    def __next__(self) -> str:
        line = self._next_line()
        # A blank line is a part of a record, or there is none in it.
        while not self._taken and (not line.content or line.content.isspace()):
            line = self._next_line()
        self._taken.append(line)
        self._taken_bytes += len(line.content)
        lines = len(self._taken)
        if lines > MAX_RECORD_LINES or (lines > 1 and self._taken_bytes > MAX_LINE_BYTES):
            raise csv.Error("a quote is not closed")
        return text_of(line) + "\n"

    def _next_line(self) -> Line:
        return self._again.popleft() if self._again else next(self._lines)

    def joined(self) -> Line:
        """The lines that made a record, as one."""
        first = self._taken[0]
        if len(self._taken) == 1:
            return first
        content = b"\n".join(line.content for line in self._taken)
        return Line(first.offset, content, self._taken[-1].is_terminated)

    def give_back_but_first(self) -> Line:
        """The line where a record should begin; those after it are to be read again."""
        first, *others = self._taken
        self._again.extendleft(reversed(others))
        return first


def _check_size(columns: list[str]) -> None:
    if len(columns) > MAX_COLUMNS:
        raise CsvHeaderError(
            f"the CSV header names {len(columns):,} columns, more than {MAX_COLUMNS:,}: leave out "
            "those that are not needed"
        )
    size = len(json.dumps(columns))
    if size > MAX_HEADER_BYTES:
        raise CsvHeaderError(
            f"the names in the CSV header take {size:,} bytes as JSON, more than "
            f"{MAX_HEADER_BYTES:,}: make them shorter, or leave columns out"
        )


def _fields(line: Line) -> list[str]:
    text = text_of(line)
    try:
        return next(csv.reader((text,), strict=True))
    except csv.Error:
        raise _unreadable(line, open_quote=Refusal.QUOTED_LINE_BREAK) from None


def _why_not(line: Line) -> RecordRefusedError:
    """Why no record of a stream begins with *line*."""
    try:
        text_of(line)
    except RecordRefusedError as error:
        return error
    return _unreadable(line, open_quote=Refusal.NOT_CSV)


def _unreadable(line: Line, *, open_quote: Refusal) -> RecordRefusedError:
    if line.content.count(b'"') % 2:
        return refusal(line, open_quote, "a quote is opened and not closed in the line")
    return refusal(line, Refusal.NOT_CSV, "the line is no CSV as RFC 4180 has it")
