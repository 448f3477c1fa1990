"""Sources: wherever reading begins, the parts are the same."""

import gzip
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from functions.pipelines.http_source import Page
from functions.pipelines.manifest import Position
from functions.pipelines.objects import ObjectRef
from functions.pipelines.record_format import encoding_of
from functions.pipelines.sources import (
    Draft,
    ObjectsSource,
    PagedSource,
    SourceChangedError,
    SourceObject,
    SourceUnreadableError,
    gunzipped,
)
from tests.functions.pipelines.fake_objects import FakeObjects
from tests.functions.pipelines.pipeline_jobs import FakePages, as_csv, as_jsonl, gzipped, products

SKEWED = [*products(40), {"sku": "long", "name": "x" * 300, "price": 1, "currency": "EUR"}]
WITH_BREAKS = b'a,b\r\n1,"x\r\ny"\r\n\r\n2,"open\n3,z\n4,"q""q"\n5,end'


def no_parquet(_item: SourceObject, _first: int) -> Iterator[Any]:
    raise AssertionError


def source_of(bodies: dict[str, bytes], **fields: Any) -> ObjectsSource:
    # Blocks of a few bytes end within lines, characters and line breaks.
    objects = FakeObjects(block_bytes=fields.pop("block_bytes", 7))
    items = []
    for key, body in bodies.items():
        head = objects.store(key, body)
        items.append(SourceObject(head.ref, head.etag, head.size_bytes, encoding_of(key)))
    known: dict[str, Any] = {"part_records": 10, "read_parquet": no_parquet}
    return ObjectsSource(objects, items, **(known | fields))


def content(drafts: list[Draft]) -> list[Any]:
    return [(draft.lines, draft.rejects, draft.following) for draft in drafts]


SOURCES = {
    "plain": {"x.jsonl": as_jsonl(SKEWED)},
    "compressed": {"x.jsonl.gz": gzipped(as_jsonl(SKEWED))},
    "csv": {"x.csv": as_csv(products(35))},
    "csv with line breaks and a quote that is never closed": {"x.csv": WITH_BREAKS},
    "compressed csv": {"x.csv.gz": gzipped(as_csv(products(35)))},
    "several": {
        "a.jsonl": as_jsonl(products(13)),
        "b.csv.gz": gzipped(as_csv(products(20))),
        "c.csv": b"",
        "d.jsonl": b"broken\n" * 25,
    },
    "blank lines and a byte order mark": {"x.jsonl": b"\xef\xbb\xbf{}\n\n \n" + b"{}\r\n\n" * 30},
}


@pytest.mark.parametrize("bodies", SOURCES.values(), ids=SOURCES.keys())
@pytest.mark.parametrize("part_records", [1, 3, 10, 100])
def test_wherever_reading_begins_the_parts_that_follow_are_the_same(
    bodies: dict[str, bytes], part_records: int
) -> None:
    source = source_of(bodies, part_records=part_records)
    whole = list(source.drafts(Position()))
    assert whole[-1].following is None

    for number, draft in enumerate(whole[:-1]):
        assert draft.following is not None
        again = list(source.drafts(draft.following))
        assert content(again) == content(whole[number + 1 :])


@pytest.mark.parametrize("bodies", SOURCES.values(), ids=SOURCES.keys())
def test_nothing_is_lost_or_doubled_however_it_is_cut(bodies: dict[str, bytes]) -> None:
    def lines(part_records: int) -> tuple[list[bytes], list[bytes]]:
        drafts = list(source_of(bodies, part_records=part_records).drafts(Position()))
        return (
            [line for draft in drafts for line in draft.lines],
            [line for draft in drafts for line in draft.rejects],
        )

    assert lines(1) == lines(7) == lines(10_000)


def test_a_part_ends_before_it_grows_too_large_for_memory() -> None:
    source = source_of({"x.jsonl": as_jsonl(products(100))}, part_records=1_000, max_part_bytes=500)

    drafts = list(source.drafts(Position()))

    assert sum(len(draft.lines) for draft in drafts) == 100
    assert max(sum(map(len, draft.lines)) for draft in drafts) < 700


def test_a_plain_object_is_read_from_the_byte_where_the_part_begins() -> None:
    source = source_of({"x.jsonl": as_jsonl(products(100))}, block_bytes=64)
    objects = source.objects
    assert isinstance(objects, FakeObjects)
    [*_, last, _end] = source.drafts(Position())
    objects.blocks = 0

    assert last.following is not None
    list(source.drafts(last.following))

    size = len(b"".join(last.lines))
    assert objects.blocks <= size // 64 + 3


def test_the_share_that_was_read_grows_to_the_whole() -> None:
    source = source_of({"a.jsonl": as_jsonl(products(50)), "b.jsonl.gz": gzipped(b"{}\n" * 50)})

    shares = [draft.share or 0 for draft in source.drafts(Position())]

    assert shares == sorted(shares)
    assert shares[0] > 0
    assert shares[-1] == 1


def test_an_object_that_was_replaced_is_not_read() -> None:
    source = source_of({"x.jsonl": as_jsonl(products(50))})
    objects = source.objects
    assert isinstance(objects, FakeObjects)
    objects.store("x.jsonl", b"{}\n")

    with pytest.raises(SourceChangedError):
        list(source.drafts(Position()))


def test_an_object_that_was_removed_has_changed_too() -> None:
    source = source_of({"x.jsonl": as_jsonl(products(50))})
    objects = source.objects
    assert isinstance(objects, FakeObjects)
    objects.remove("x.jsonl")

    with pytest.raises(SourceChangedError):
        list(source.drafts(Position()))


class TestPages:
    def test_each_page_is_a_part_and_its_cursor_leads_on(self) -> None:
        pages = FakePages([[{"id": 1}], [], [{"id": 2}, 3]])
        source = PagedSource(pages)

        drafts = list(source.drafts(Position()))

        assert [draft.following for draft in drafts] == [
            Position(1, 0, "1"),
            Position(2, 0, "2"),
            None,
        ]
        assert [len(draft.lines) for draft in drafts] == [1, 0, 1]
        assert [len(draft.rejects) for draft in drafts] == [0, 0, 1]
        assert content(list(source.drafts(Position(2, 0, "2")))) == content(drafts[2:])

    def test_a_number_that_json_does_not_have_is_rejected_and_not_lost(self) -> None:
        class Odd:
            def fetch(self, _cursor: str | None) -> Page:
                return Page([{"id": 1, "weight": float("inf")}], None)

        [draft] = PagedSource(Odd()).drafts(Position())

        assert (len(draft.lines), len(draft.rejects)) == (0, 1)
        assert b"inf" in draft.rejects[0]


class TestGzip:
    @pytest.mark.parametrize("piece", [1, 7, 10**6])
    @pytest.mark.parametrize("size", [0, 1, 256 * 1024, 3 * 256 * 1024 + 1])
    def test_what_was_compressed_comes_back(self, piece: int, size: int) -> None:
        body = bytes(number % 251 for number in range(size))
        packed = gzip.compress(body)

        found = b"".join(gunzipped(packed[at : at + piece] for at in range(0, len(packed), piece)))

        assert found == body

    def test_members_one_after_the_other_are_one_stream_zeros_between_them(self) -> None:
        packed = gzip.compress(b"one ") + b"\0" * 9 + gzip.compress(b"two") + b"\0" * 5

        for piece in (1, 3, 100):
            pieces = (packed[at : at + piece] for at in range(0, len(packed), piece))
            assert b"".join(gunzipped(pieces)) == b"one two"

    def test_a_few_bytes_that_become_many_come_in_blocks(self) -> None:
        packed = zlib.compress(b"\0" * 64 * 1024 * 1024, wbits=31)

        sizes = [len(block) for block in gunzipped([packed])]

        assert sum(sizes) == 64 * 1024 * 1024
        assert max(sizes) <= 256 * 1024

    @pytest.mark.parametrize("broken", [b"no gzip", gzip.compress(b"x" * 999)[:-1]])
    def test_what_is_broken_is_told(self, broken: bytes) -> None:
        with pytest.raises(SourceUnreadableError):
            list(gunzipped([broken]))


def test_the_listing_keeps_what_is_known_of_an_object() -> None:
    item = SourceObject(ObjectRef("a", "theirs"), '"1"', 9, encoding_of("x.csv.gz"))

    assert SourceObject.from_event(item.to_event()) == item
