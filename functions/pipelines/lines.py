"""The lines of an object, read as a stream: of all of it, or of one range of its bytes.

A range ends in the middle of a line as often as not. Whoever reads a range owns the lines that
*begin* in it and reads past its end for the rest of the last one; so every line is read once,
wherever the ranges are cut, even within a character or a line break.
"""

import sys
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator

from functions.pipelines.objects import ObjectsBusyError
from functions.pipelines.records import Line

# What one line may hold of the worker's memory; a checkpoint of the SDK takes as much.
MAX_LINE_BYTES = 256 * 1024
# Read past a range's end in the same request: the rest of most lines, and little for nothing.
_OVERHANG_BYTES = 4 * 1024

Read = Callable[[int, int], Iterator[bytes]]


def owned_lines(
    read: Read, first: int, last: int, size: int, *, longest: int = MAX_LINE_BYTES
) -> Iterator[Line]:
    """The lines that begin in the bytes from *first* to *last*, both included, without blank ones.

    *read* gives the bytes of such a range; *size* is how many bytes there are. Never more than a
    piece of *read* and one line of *longest* bytes are held.

    Raises:
        ObjectsBusyError: *read* gave another number of bytes than it was asked for.
    """
    last = min(last, size - 1)
    if first > last:
        return iter(())
    # The byte before tells whether a line begins at *first*.
    begin = max(first - 1, 0)
    pieces = _on_and_on(read, begin, last, size, longest)
    return _lines(pieces, begin, last, longest, is_within=first > 0)


def all_lines(
    pieces: Iterable[bytes], start: int = 0, *, longest: int = MAX_LINE_BYTES
) -> Iterator[Line]:
    """The lines of a stream that begins with a line, at offset *start*; blank ones are skipped."""
    return _lines(pieces, start, sys.maxsize, longest)


def every_line(
    pieces: Iterable[bytes], start: int = 0, *, longest: int = MAX_LINE_BYTES
) -> Iterator[Line]:
    """As `all_lines`, and the blank ones too: within quotes they are part of a record."""
    return _lines(pieces, start, sys.maxsize, longest, keeps_blank=True)


def _on_and_on(read: Read, begin: int, last: int, size: int, longest: int) -> Iterator[bytes]:
    """The bytes of the range, then ever more for as long as its last line goes on."""
    position, until, more = begin, last + _OVERHANG_BYTES, _OVERHANG_BYTES
    while position < size:
        until = min(until, size - 1)
        for piece in read(position, until):
            position += len(piece)
            yield piece
        if position != until + 1:
            # Taken for the end of the object it would make a truncated record.
            raise ObjectsBusyError("a range was read in part; read it again")
        more = min(8 * more, longest + 1)
        until = position + more - 1


def _lines(
    pieces: Iterable[bytes],
    offset: int,
    last: int,
    longest: int,
    *,
    is_within: bool = False,
    keeps_blank: bool = False,
) -> Iterator[Line]:
    """The lines that begin at *last* or before; *is_within* says that *offset* is in a line."""
    blocks = _blocks(pieces, offset, last, longest, is_within=is_within)
    for begin, contents, is_terminated in blocks:
        position = begin
        for content in contents:
            if position > last:
                return
            if len(content) > longest:
                yield Line(position, _bare(content[:longest], position), is_too_long=True)
            else:
                bare = _bare(content, position)
                if keeps_blank or (bare and not bare.isspace()):
                    yield Line(position, bare, is_terminated)
            position += len(content) + 1
        if position > last:
            return


def _blocks(
    pieces: Iterable[bytes], offset: int, last: int, longest: int, *, is_within: bool
) -> Iterator[tuple[int, list[bytes], bool]]:
    """Whole lines, many at once: where the first begins, and whether a line break ends each.

    A line too long to be held is a block of its own, and only its beginning.
    """
    # The beginning of the line at *offset*, and how long it is so far. Of a line that is passed
    # over, since another range owns it or its beginning was given, only the length is kept.
    held: list[bytes] = []
    held_bytes = 0
    is_passed_over = is_within
    for piece in pieces:
        contents = piece.split(b"\n")
        rest = contents.pop()
        if contents:
            begin, offset = offset, offset + held_bytes + len(piece) - len(rest)
            if is_passed_over:
                begin += held_bytes + len(contents.pop(0)) + 1
            else:
                contents[0] = b"".join((*held, contents[0]))
            yield begin, contents, True
            held, held_bytes, is_passed_over = [], 0, False
        held_bytes += len(rest)
        if not is_passed_over:
            held.append(rest)
            if held_bytes > longest:
                yield offset, [b"".join(held)], True
                held, is_passed_over = [], True
        if is_passed_over and offset + held_bytes >= last:
            return
    if held_bytes and not is_passed_over:
        yield offset, [b"".join(held)], False


def _bare(content: bytes, offset: int) -> bytes:
    if offset == 0 and content.startswith(BOM_UTF8):
        content = content[len(BOM_UTF8) :]
    return content[:-1] if content.endswith(b"\r") else content
