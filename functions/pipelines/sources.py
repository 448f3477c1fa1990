"""Where a pipeline's records come from, cut into parts: objects in S3, or the pages of an API.

A source is read on from wherever a part ended: an object that is not compressed from that byte, a
gzipped one by skipping what was read, an API by the cursor of its next page. Cut is the same
wherever reading begins, so that a part that is made again is the same part.
"""

import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, Self

from functions.pipelines.csv_format import CsvFormat
from functions.pipelines.http_source import Page, Pause, RefusedItem
from functions.pipelines.lines import MAX_LINE_BYTES
from functions.pipelines.manifest import Position
from functions.pipelines.objects import (
    DatasetChangedError,
    ObjectAccessError,
    ObjectMissingError,
    ObjectRef,
    Objects,
)
from functions.pipelines.processor import DownstreamThrottledError
from functions.pipelines.record_format import (
    GZIP_MAGIC,
    Encoding,
    RecordFormat,
    json_records,
    kept_line,
    record_line,
)
from functions.pipelines.records import Line, Record, RecordRefusedError, Refusal
from functions.shared.errors import PermanentError

# What one part may hold, whatever its number of records: a worker has it in memory several times.
MAX_PART_BYTES = 16 * 1024 * 1024
_BLOCK_BYTES = 256 * 1024
# zlib's way to say: gzip, with its header and its checksum.
_GZIP_BITS = 16 + zlib.MAX_WBITS


class SourceChangedError(PermanentError):
    """An object of the source is not the one any more that was looked at first."""


class SourceAccessError(PermanentError):
    """The function may not read the source."""


class SourceUnreadableError(PermanentError):
    """The source is not what its name or its format says."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What the next part is to hold, as lines.

    *share* is how much of the source lies before *following*, None where nobody knows.
    """

    lines: Sequence[bytes]
    rejects: Sequence[bytes]
    following: Position | None
    pause_seconds: float = 0
    share: float | None = None


class Source(Protocol):
    """Records to be had from any position on, part by part."""

    def drafts(self, begin: Position) -> Generator[Draft, None, None]:
        """The parts from *begin* on; none at all where the source has no record.

        Raises:
            TransientError: It may be tried again, from the part after the last one that came.
            SourceChangedError: The source is another one now.
        """
        ...


@dataclass(frozen=True, slots=True)
class SourceObject:
    """One object of a source, and how it is written."""

    ref: ObjectRef
    etag: str
    size_bytes: int
    encoding: Encoding

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Read what `to_event` wrote."""
        return cls(
            ObjectRef(event["key"], event["bucket"]),
            event["etag"],
            event["size_bytes"],
            Encoding(RecordFormat(event["format"]), event["is_gzipped"]),
        )

    def to_event(self) -> dict[str, Any]:
        return {
            "key": self.ref.key,
            "bucket": self.ref.bucket,
            "etag": self.etag,
            "size_bytes": self.size_bytes,
            "format": self.encoding.format.value,
            "is_gzipped": self.encoding.is_gzipped,
        }


class Found(NamedTuple):
    """A record or a reject, as a line, and where it begins."""

    item: int
    offset: int
    line: bytes
    is_reject: bool


# Rows of a Parquet file from the given one on, each with its number.
ReadParquet = Callable[[SourceObject, int], Iterator[tuple[int, Record]]]


@dataclass
class ObjectsSource:
    """Objects in the order of their keys, read one after the other as if they were one.

    *pause_seconds* is what the payload wants between two parts; S3 itself asks for nothing.
    """

    objects: Objects
    items: Sequence[SourceObject]
    part_records: int
    read_parquet: ReadParquet
    pause_seconds: float = 0
    max_part_bytes: int = MAX_PART_BYTES
    _bytes_before: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self._bytes_before = [0]
        for item in self.items:
            self._bytes_before.append(self._bytes_before[-1] + item.size_bytes)

    def drafts(self, begin: Position) -> Generator[Draft, None, None]:
        lines: list[bytes] = []
        rejects: list[bytes] = []
        held = 0
        for found in self._found(begin):
            if len(lines) + len(rejects) >= self.part_records or held >= self.max_part_bytes:
                following = Position(found.item, found.offset)
                yield Draft(lines, rejects, following, self.pause_seconds, self._share(following))
                lines, rejects, held = [], [], 0
            (rejects if found.is_reject else lines).append(found.line)
            held += len(found.line)
        if lines or rejects:
            yield Draft(lines, rejects, None, share=1.0)

    def _share(self, position: Position) -> float:
        """About how much of the source is read: of what is compressed, nobody knows how much."""
        item = self.items[position.item]
        is_plain = not item.encoding.is_gzipped and item.encoding.format != RecordFormat.PARQUET
        within = min(position.offset, item.size_bytes) if is_plain else item.size_bytes // 2
        return (self._bytes_before[position.item] + within) / max(self._bytes_before[-1], 1)

    def _found(self, begin: Position) -> Iterator[Found]:
        for number in range(begin.item, len(self.items)):
            offset = begin.offset if number == begin.item else 0
            yield from self._found_in(number, offset)

    def _found_in(self, number: int, offset: int) -> Iterator[Found]:
        item = self.items[number]
        with _translated():
            if item.encoding.format is RecordFormat.PARQUET:
                for row, record in self.read_parquet(item, offset):
                    yield _of_record(number, row, record)
                return
            for line, found in self._parsed(item, offset):
                if isinstance(found, RecordRefusedError):
                    reject = reject_line(found, "extract", _original(line), item=number, at=line[0])
                    yield Found(number, line.offset, reject, is_reject=True)
                else:
                    yield _of_record(number, line.offset, found)

    def _parsed(self, item: SourceObject, offset: int) -> Iterator[Any]:
        if item.encoding.format is RecordFormat.JSONL:
            return json_records(self._pieces(item, offset), offset)
        header = CsvFormat.of_pieces(self._pieces(item, 0))
        if header is None:
            return iter(())
        return header.records(self._pieces(item, offset), offset)

    def _pieces(self, item: SourceObject, offset: int) -> Iterator[bytes]:
        """The (decompressed) bytes from *offset* on."""
        if item.encoding.is_gzipped:
            whole = self.objects.read(item.ref, etag=item.etag)
            return _without(gunzipped(whole), offset)
        pieces = self.objects.read(item.ref, etag=item.etag, first=offset)
        return _plain(pieces) if offset == 0 else pieces


class Pages(Protocol):
    """An API that gives its records page by page."""

    def fetch(self, cursor: str | None) -> Page | Pause: ...


@dataclass
class PagedSource:
    """An API whose pages are the parts.

    *pause_seconds* is what the payload wants between two pages, instead of what the API asks for.
    """

    pages: Pages
    pause_seconds: float | None = None

    def drafts(self, begin: Position) -> Generator[Draft, None, None]:
        position: Position | None = begin
        while position is not None:
            page = self.pages.fetch(position.cursor)
            if isinstance(page, Pause):
                raise DownstreamThrottledError("the source asks for a pause", page.seconds)
            following = None
            if page.next_cursor is not None:
                following = Position(position.item + 1, 0, page.next_cursor)
            lines, rejects = _page_lines(position.item, page.items)
            asked = page.pause_seconds if self.pause_seconds is None else self.pause_seconds
            yield Draft(lines, rejects, following, (asked or 0) if following else 0)
            position = following


def reject_line(refused: RecordRefusedError, stage: str, record: Any, **where: int | None) -> bytes:
    """A line of the rejects file: why, where, and the record itself."""
    told = {"stage": stage, "error": refused.code, "reason": refused.reason, **where}
    return kept_line(told, record)


def gunzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """What gzip made small, block by block: a few bytes can become very many.

    Raises:
        SourceUnreadableError: It is no gzip, or only a part of one.
    """
    inflater = None
    for piece in pieces:
        rest = piece
        while rest:
            if inflater is None:
                # Between two members, and behind the last, there may be zeros.
                rest = rest.lstrip(b"\0")
                if not rest:
                    break
                inflater = zlib.decompressobj(_GZIP_BITS)
            try:
                block = inflater.decompress(rest, _BLOCK_BYTES)
                while block:
                    yield block
                    rest = inflater.unconsumed_tail
                    if inflater.eof:
                        break
                    block = inflater.decompress(rest, _BLOCK_BYTES)
            except zlib.error:
                raise SourceUnreadableError("the source ends with .gz and is no gzip") from None
            rest = inflater.unconsumed_tail
            if inflater.eof:
                rest, inflater = inflater.unused_data, None
    if inflater is not None:
        raise SourceUnreadableError("the source's gzip is cut off: its end is missing")


def _of_record(item: int, offset: int, record: Record) -> Found:
    try:
        return Found(item, offset, _fitting_line(record), is_reject=False)
    except RecordRefusedError as refused:
        return Found(
            item,
            offset,
            reject_line(refused, "extract", record, item=item, at=offset),
            is_reject=True,
        )


def _fitting_line(record: Record) -> bytes:
    """*record* as a line; a longer one of a file is not even read, and others are no better."""
    line = record_line(record)
    if len(line) > MAX_LINE_BYTES:
        raise RecordRefusedError(
            Refusal.TOO_LONG, f"the record is longer than {MAX_LINE_BYTES} bytes as JSON"
        )
    return line


def _page_lines(number: int, items: Sequence[Any]) -> tuple[list[bytes], list[bytes]]:
    lines: list[bytes] = []
    rejects: list[bytes] = []
    for at, each in enumerate(items):
        if isinstance(each, Mapping):
            found = _of_record(number, at, each)
            (rejects if found.is_reject else lines).append(found.line)
        elif isinstance(each, RefusedItem):
            rejects.append(reject_line(each.refused, "extract", each.text, item=number, at=at))
        else:
            refused = RecordRefusedError(Refusal.NOT_AN_OBJECT, "the page's item is no object")
            rejects.append(reject_line(refused, "extract", each, item=number, at=at))
    return lines, rejects


def _original(line: Line) -> str:
    return line.content.decode(errors="backslashreplace")


def _plain(pieces: Iterable[bytes]) -> Iterator[bytes]:
    is_first = True
    for piece in pieces:
        if is_first and piece.startswith(GZIP_MAGIC):
            raise SourceUnreadableError("the source is gzip: its key must end with .gz")
        is_first = False
        yield piece


def _without(pieces: Iterable[bytes], offset: int) -> Iterator[bytes]:
    """*pieces* without the first *offset* bytes."""
    for piece in pieces:
        if offset >= len(piece):
            offset -= len(piece)
            continue
        yield piece[offset:]
        offset = 0


@contextmanager
def _translated() -> Iterator[None]:
    """Say what the store says in the words of a source."""
    try:
        yield
    except (DatasetChangedError, ObjectMissingError):
        raise SourceChangedError(
            "the source was changed or removed while it was read: submit the job anew, or retry it"
        ) from None
    except ObjectAccessError:
        raise SourceAccessError("the function may not read the source") from None
