"""CSV: records of single lines, and of streams with line breaks in quotes."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.pipelines.csv_format import (
    MAX_COLUMNS,
    MAX_HEADER_BYTES,
    MAX_RECORD_LINES,
    CsvFormat,
    CsvHeaderError,
)
from functions.pipelines.lines import MAX_LINE_BYTES, all_lines
from functions.pipelines.records import Line, Record, RecordRefusedError, Refusal

TWO = CsvFormat(("sku", "name"), header_offset=-1)
VALUES = st.text(st.sampled_from('ab ,"\n€'), max_size=8)
ROWS = st.lists(st.tuples(st.just("k") | VALUES.map(lambda value: f"k{value}"), VALUES), max_size=8)


def written(rows: list[tuple[str, str]], line_break: str) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator=line_break).writerows([("sku", "name"), *rows])
    return buffer.getvalue().encode()


def read(content: bytes, csv_format: CsvFormat = TWO, piece_bytes: int = 7) -> list[Record | str]:
    """What a stream holds: records, and the codes of refusals."""
    pieces = [content[at : at + piece_bytes] for at in range(0, len(content), piece_bytes)]
    return [
        found.code if isinstance(found, RecordRefusedError) else found
        for _, found in csv_format.records(pieces)
    ]


def refused(content: bytes, *, is_terminated: bool = True) -> RecordRefusedError:
    with pytest.raises(RecordRefusedError) as caught:
        TWO.record(Line(0, content, is_terminated))
    return caught.value


@given(rows=ROWS, line_break=st.sampled_from(["\n", "\r\n"]), piece_bytes=st.integers(1, 40))
def test_a_stream_gives_the_rows_that_were_written_line_breaks_and_all(
    rows: list[tuple[str, str]], line_break: str, piece_bytes: int
) -> None:
    content = written(rows, line_break)
    csv_format = CsvFormat.of_pieces([content])

    assert csv_format == CsvFormat(("sku", "name"))
    assert read(content, csv_format, piece_bytes) == [
        {"sku": sku, "name": name} for sku, name in rows
    ]


@given(rows=ROWS, line_break=st.sampled_from(["\n", "\r\n"]), which=st.integers(0, 8))
def test_a_stream_goes_on_at_the_offset_of_any_record(
    rows: list[tuple[str, str]], line_break: str, which: int
) -> None:
    content = written(rows, line_break)
    csv_format = CsvFormat(("sku", "name"))
    rest = list(csv_format.records([content]))[which:]
    start = rest[0].line.offset if rest else len(content)

    assert list(csv_format.records([content[start:]], start)) == rest


@given(content=st.lists(st.sampled_from(["a", ",", '"', "\n", "\r", "\0", " "])).map("".join))
def test_whatever_a_stream_holds_every_byte_is_in_a_record_or_a_refused_line(content: str) -> None:
    parsed = list(TWO.records([content.encode()]))

    kept = b"".join(line.content for line, _ in parsed)
    assert kept.translate(None, b"\r\n ") == content.encode().translate(None, b"\r\n ")


@given(rows=st.lists(st.tuples(st.just("k"), VALUES.map(lambda value: value.replace("\n", "")))))
def test_without_line_breaks_in_quotes_lines_and_streams_give_the_same(
    rows: list[tuple[str, str]],
) -> None:
    content = written(rows, "\r\n")
    csv_format = CsvFormat(("sku", "name"))

    by_line = [
        csv_format.record(line) for line in all_lines([content]) if not csv_format.is_header(line)
    ]

    assert by_line == read(content, csv_format)


def test_an_open_quote_costs_its_own_line_and_not_those_that_follow() -> None:
    content = b'1,"open\n2,two\n3,three\n' + b"4,four\n" * 10

    assert read(content)[:3] == [
        Refusal.NOT_CSV,
        {"sku": "2", "name": "two"},
        {"sku": "3", "name": "three"},
    ]
    assert len(read(content)) == 13


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param("x", MAX_RECORD_LINES + 1, id="too many lines"),
        pytest.param("x" * 1000, MAX_LINE_BYTES // 1000 + 1, id="too many bytes"),
    ],
)
def test_a_record_in_quotes_that_goes_on_and_on_is_refused_and_not_held(
    text: str, lines: int
) -> None:
    # Every line break is in quotes, so without a bound this is one record.
    content = f'"{text}\n",'.encode() * lines

    found = read(content, piece_bytes=65_536)

    assert found[0] == Refusal.NOT_CSV
    assert len(found) > 1


def test_a_record_in_quotes_may_have_many_lines() -> None:
    name = "\n" * (MAX_RECORD_LINES - 1)

    assert read(f'1,"{name}"\n'.encode()) == [{"sku": "1", "name": name}]


def test_an_open_quote_is_not_looked_for_without_end() -> None:
    content = b'1,"open\n' + b"2,two\n" * (10 * MAX_RECORD_LINES)

    found = read(content, piece_bytes=65_536)

    assert found[0] == Refusal.NOT_CSV
    assert found[1:] == [{"sku": "2", "name": "two"}] * (10 * MAX_RECORD_LINES)


def test_a_field_may_be_as_long_as_its_line() -> None:
    long = "x" * (MAX_LINE_BYTES - 10)

    assert TWO.record(Line(0, f"1,{long}".encode())) == {"sku": "1", "name": long}


def test_a_line_that_is_not_utf8_within_quotes_is_refused_and_the_rest_is_read() -> None:
    content = b'1,"a\n\xff"\n2,two\n'

    assert read(content) == [Refusal.NOT_CSV, Refusal.NOT_UTF8, {"sku": "2", "name": "two"}]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"1", Refusal.WRONG_COLUMNS),
        (b"1,2,3", Refusal.WRONG_COLUMNS),
        (b'1,"a line', Refusal.QUOTED_LINE_BREAK),
        (b'1,"a"b', Refusal.NOT_CSV),
        (b"1,a\rb", Refusal.NOT_CSV),
        (b"1,\xff", Refusal.NOT_UTF8),
    ],
)
def test_a_line_that_is_no_record_is_refused_with_its_reason(content: bytes, code: Refusal) -> None:
    assert refused(content).code == code
    assert refused(content, is_terminated=False).code == Refusal.TRUNCATED


def test_a_line_break_in_quotes_is_read_in_a_stream_and_refused_in_a_range() -> None:
    content = b'1,"two\r\nlines"\r\n2,one\r\n'

    assert read(content) == [{"sku": "1", "name": "two\nlines"}, {"sku": "2", "name": "one"}]
    codes = []
    for line in list(all_lines([content]))[:2]:
        with pytest.raises(RecordRefusedError) as caught:
            TWO.record(line)
        codes.append(caught.value.code)
    assert codes == [Refusal.QUOTED_LINE_BREAK, Refusal.WRONG_COLUMNS]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"sku,,name\n", "column 2 of the CSV header has no name"),
        (b"sku,name, sku\n", "columns 1 and 3 of the CSV header have the same name"),
        (b'sku,"na\nme"\n', "the CSV header cannot be read"),
        (b"sku,\xff\n", "not UTF-8"),
        (b"x" * (MAX_LINE_BYTES + 1), "longer"),
    ],
)
def test_a_header_that_does_not_name_each_column_once_is_an_error_of_the_dataset(
    header: bytes, reason: str
) -> None:
    with pytest.raises(CsvHeaderError, match=reason):
        CsvFormat.of_pieces([header])


def test_a_header_is_the_first_line_that_is_not_blank() -> None:
    csv_format = CsvFormat.of_pieces([b"\xef\xbb\xbf\r\n\r\n sku , name \r\n1,one\r\n"])

    assert csv_format == CsvFormat(("sku", "name"), header_offset=7)
    assert csv_format.lacks({"sku", "price", "currency"}) == ["currency", "price"]
    assert CsvFormat.from_event(csv_format.to_event()) == csv_format


def test_an_empty_object_has_no_header() -> None:
    assert CsvFormat.of_pieces([b"\n \n"]) is None


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ([f"c{number}" for number in range(MAX_COLUMNS + 1)], "1,001 columns"),
        (["a" * MAX_HEADER_BYTES], "16,388 bytes"),
        # A character of two bytes is six in JSON.
        ([f"{number}{'ü' * 100}" for number in range(30)], "leave columns out"),
    ],
    ids=["many", "long", "long as JSON"],
)
def test_a_header_that_no_checkpoint_should_hold_is_refused(columns: list[str], why: str) -> None:
    with pytest.raises(CsvHeaderError, match=why):
        CsvFormat.of_pieces([",".join(columns).encode()])


def test_the_widest_header_is_a_few_kilobytes_in_a_checkpoint() -> None:
    columns = [f"{number:03}{'c' * 9}" for number in range(MAX_COLUMNS)]

    csv_format = CsvFormat.of_pieces([",".join(columns).encode()])

    assert csv_format is not None
    assert len(csv_format.columns) == MAX_COLUMNS
    assert len(json.dumps(csv_format.to_event())) < MAX_HEADER_BYTES + 100
