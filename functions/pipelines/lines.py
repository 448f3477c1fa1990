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
    # What is known of the line that begins at *offset*: its bytes so far and how many these are.
    # Those of a line that is passed over, or was given already as too long, are only counted.
    held: list[bytes] = []
    held_bytes = 0
    is_passed_over = is_within
    for piece in pieces:
        contents = piece.split(b"\n")
        rest = contents.pop()
        if contents:
            if is_passed_over:
                offset += held_bytes + len(contents[0]) + 1
                del contents[0]
                is_passed_over = False
            elif held:
                contents[0] = b"".join((*held, contents[0]))
            held, held_bytes = [], 0
            for content in contents:
                if offset > last:
                    return
                if len(content) > longest:
                    yield _cut(offset, content, longest)
                elif keeps_blank or (content and not content.isspace()):
                    yield Line(offset, _bare(content, offset))
                offset += len(content) + 1
            if offset > last:
                return
        held_bytes += len(rest)
        if not is_passed_over:
            held.append(rest)
            if held_bytes > longest:
                yield _cut(offset, b"".join(held), longest)
                held = []
                is_passed_over = True
        if is_passed_over and offset + held_bytes >= last:
            return
    content = b"".join(held)
    if content and (keeps_blank or not content.isspace()):
        yield Line(offset, _bare(content, offset), is_terminated=False)


def _bare(content: bytes, offset: int) -> bytes:
    if offset == 0 and content.startswith(BOM_UTF8):
        content = content[len(BOM_UTF8) :]
    return content[:-1] if content.endswith(b"\r") else content


def _cut(offset: int, content: bytes, longest: int) -> Line:
    return Line(offset, _bare(content[:longest], offset), is_too_long=True)
