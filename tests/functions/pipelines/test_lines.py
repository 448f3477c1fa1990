"""Lines of ranges: each line of an object once, wherever the ranges are cut."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.pipelines import lines
from functions.pipelines.lines import all_lines, every_line, owned_lines
from functions.pipelines.objects import ObjectsBusyError
from functions.pipelines.records import Line

BOM = b"\xef\xbb\xbf"
LONGEST = 12
# Pieces of everything that a range may be cut within, and of lines too long to be held.
SCRAPS = st.sampled_from(
    [b"a", b"bc", b"\n", b"\r\n", b"\r", b" ", b"\t", "€".encode(), "😀".encode(), BOM, b"\xff"]
) | st.binary(max_size=4)
contents = st.lists(SCRAPS, max_size=60).map(b"".join) | st.lists(
    SCRAPS | st.just(b"x" * (LONGEST - 1)) | st.just(b"y" * 40), max_size=20
).map(b"".join)


@dataclass
class Stored:
    """Bytes that are read in ranges; it remembers which, and how many were given."""

    content: bytes
    piece_bytes: int = 5
    asked: list[tuple[int, int]] = field(default_factory=list)
    given_bytes: int = 0

    def read(self, first: int, last: int) -> Iterator[bytes]:
        self.asked.append((first, last))
        for begin in range(first, last + 1, self.piece_bytes):
            piece = self.content[begin : min(begin + self.piece_bytes, last + 1)]
            self.given_bytes += len(piece)
            yield piece

    def owned(self, first: int, last: int, longest: int = LONGEST) -> list[Line]:
        return list(owned_lines(self.read, first, last, len(self.content), longest=longest))


def expected(content: bytes, longest: int = LONGEST) -> list[Line]:
    """The lines of *content*, found without streaming, ranges or speed."""
    found = []
    offset = 0
    while offset < len(content):
        line_break = content.find(b"\n", offset)
        end = len(content) if line_break < 0 else line_break
        raw = content[offset:end]
        is_too_long = len(raw) > longest
        bare = raw[:longest]
        if offset == 0:
            bare = bare.removeprefix(BOM)
        bare = bare.removesuffix(b"\r")
        if is_too_long or bare.strip():
            found.append(Line(offset, bare, line_break >= 0 or is_too_long, is_too_long))
        offset = end + 1
    return found


@pytest.fixture(scope="module", autouse=True)
def _short_overhang() -> Iterator[None]:
    """A line goes on past what is read with its range, as only long ones do otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "_OVERHANG_BYTES", 3)
        yield


@given(content=contents, cuts=st.lists(st.integers(0, 400)), piece_bytes=st.integers(1, 50))
def test_ranges_own_each_line_once_and_in_order_wherever_they_are_cut(
    content: bytes, cuts: list[int], piece_bytes: int
) -> None:
    stored = Stored(content, piece_bytes)
    edges = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})

    owned = [line for first, end in pairwise(edges) for line in stored.owned(first, end - 1)]

    assert owned == expected(content)


@given(content=contents)
def test_ranges_of_one_byte_own_each_line_once(content: bytes) -> None:
    stored = Stored(content)

    owned = [line for at in range(len(content)) for line in stored.owned(at, at)]

    assert owned == expected(content)


@given(content=contents, piece_bytes=st.integers(1, 50))
def test_a_stream_gives_the_same_lines_however_it_is_cut(content: bytes, piece_bytes: int) -> None:
    pieces = (content[at : at + piece_bytes] for at in range(0, len(content), piece_bytes))

    assert list(all_lines(pieces, longest=LONGEST)) == expected(content)


@given(content=contents, which=st.integers(0, 30))
def test_a_stream_goes_on_at_any_line_as_if_it_had_not_stopped(content: bytes, which: int) -> None:
    lines_of_all = expected(content)
    rest = lines_of_all[which:]
    start = rest[0].offset if rest else len(content)

    assert list(all_lines([content[start:]], start, longest=LONGEST)) == rest


@given(content=contents)
def test_every_line_is_all_lines_and_the_blank_ones(content: bytes) -> None:
    every = list(every_line([content]))

    assert [line for line in every if line.content.strip()] == [
        line for line in all_lines([content]) if line.content.strip()
    ]
    assert len(every) == content.count(b"\n") + (content[-1:] not in {b"", b"\n"})


def test_a_byte_order_mark_a_carriage_return_and_blank_lines_are_no_part_of_lines() -> None:
    content = BOM + b'{"a":1}\r\n\r\n   \n{"b":2}'

    assert Stored(BOM + b"\r\n").owned(0, 4) == []
    assert Stored(content).owned(0, len(content)) == [
        Line(0, b'{"a":1}'),
        Line(18, b'{"b":2}', is_terminated=False),
    ]


def test_a_line_too_long_is_given_by_its_beginning_and_the_next_one_whole() -> None:
    content = b"x" * 1000 + b"\nnext\n"

    assert Stored(content).owned(0, len(content)) == [
        Line(0, b"x" * LONGEST, is_too_long=True),
        Line(1001, b"next"),
    ]


def test_an_endless_line_is_not_read_to_its_end_by_the_range_that_it_begins_in() -> None:
    stored = Stored(b"x" * 1_000_000)

    stored.owned(0, 99)

    assert stored.given_bytes < 150


def test_a_range_without_a_beginning_of_a_line_reads_nothing_past_its_end() -> None:
    stored = Stored(b"x" * 1_000_000)

    assert stored.owned(1000, 1999) == []
    assert stored.given_bytes <= 1000 + stored.piece_bytes


def test_the_rest_of_a_short_line_comes_with_the_range_in_one_request() -> None:
    stored = Stored(b"aaaa\nbb\ncccc\n")

    assert stored.owned(0, 5) == [Line(0, b"aaaa"), Line(5, b"bb")]
    assert stored.asked == [(0, 8)]


def test_a_range_that_is_given_in_part_is_no_end_of_the_object() -> None:
    stored = Stored(b"aaaa\nbbbb\n")

    def cut_short(first: int, last: int) -> Iterator[bytes]:
        return stored.read(first, min(last, 6))

    with pytest.raises(ObjectsBusyError):
        list(owned_lines(cut_short, 0, 9, 10))


def test_nothing_has_no_lines_and_reads_nothing() -> None:
    stored = Stored(b"")

    assert stored.owned(0, 0) == []
    assert stored.asked == []
