"""JSON Lines: what a line may hold, and that nothing else than a refusal comes of it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.pipelines.record_format import (
    MAX_DEPTH,
    Encoding,
    RecordFormat,
    UnknownFormatError,
    encoding_of,
    json_record,
    json_records,
    record_line,
)
from functions.pipelines.records import Line, Record, RecordRefusedError, Refusal

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)
records = st.dictionaries(TEXTS, VALUES | TEXTS, max_size=5)


def refused(content: bytes, *, is_terminated: bool = True) -> RecordRefusedError:
    with pytest.raises(RecordRefusedError) as caught:
        json_record(Line(0, content, is_terminated))
    return caught.value


@given(record=records)
def test_a_record_is_read_as_it_was_written(record: Record) -> None:
    line = record_line(record)

    assert line.count(b"\n") == 1
    assert json_record(Line(0, line[:-1])) == record


@given(content=st.binary(max_size=40) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_whatever_a_line_holds_is_a_record_or_a_refusal(content: bytes) -> None:
    for is_terminated in (True, False):
        try:
            record = json_record(Line(0, content, is_terminated))
        except RecordRefusedError as error:
            assert error.code in list(Refusal)  # noqa: PT017  # either outcome is right
        else:
            assert record_line(record)


@pytest.mark.parametrize(
    ("content", "code", "reason"),
    [
        pytest.param(b"{", Refusal.NOT_JSON, "no JSON", id="cut off"),
        pytest.param(b"{'a': 1}", Refusal.NOT_JSON, "no JSON", id="python"),
        pytest.param(b'{"a":1} {"a":2}', Refusal.NOT_JSON, "no JSON", id="two of them"),
        pytest.param(b'{"a":NaN}', Refusal.NOT_JSON, "NaN", id="not a number"),
        pytest.param(b'{"a":-Infinity}', Refusal.NOT_JSON, "Infinity", id="infinity"),
        pytest.param(b'{"a":1e999}', Refusal.NOT_JSON, "too large", id="infinity in digits"),
        pytest.param(b'{"a":1,"a":2}', Refusal.NOT_JSON, "two fields", id="a field twice"),
        pytest.param(b'{"a":{"b":1,"b":1}}', Refusal.NOT_JSON, "two fields", id="deeper"),
        pytest.param(b'{"a":%s}' % (b"9" * 5000), Refusal.NOT_JSON, "digits", id="huge"),
        pytest.param(b"[" * 100_000, Refusal.NOT_JSON, "nested", id="far too deep"),
        pytest.param(
            b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1),
            Refusal.NOT_JSON,
            "nested",
            id="too deep",
        ),
        pytest.param(b"[1]", Refusal.NOT_AN_OBJECT, "no object", id="a list"),
        pytest.param(b"null", Refusal.NOT_AN_OBJECT, "no object", id="nothing"),
        pytest.param(b'{"a":"\xff"}', Refusal.NOT_UTF8, "not UTF-8", id="latin-1"),
        pytest.param('{"a":1}'.encode("utf-16-le"), Refusal.NOT_JSON, "no JSON", id="utf-16"),
        pytest.param(b'{"a":"\\ud800"}', Refusal.NOT_UTF8, "surrogate", id="half a character"),
        pytest.param(b'{"\\udfff":1}', Refusal.NOT_UTF8, "surrogate", id="half a name"),
    ],
)
def test_what_is_no_record_is_refused_with_its_reason(
    content: bytes, code: Refusal, reason: str
) -> None:
    error = refused(content)

    assert error.code == code
    assert reason in error.reason


def test_depth_is_counted_and_not_guessed_from_brackets() -> None:
    deepest = b'{"a":' * (MAX_DEPTH - 1) + b"{}" + b"}" * (MAX_DEPTH - 1)
    wide: dict[str, Any] = {"text": "[{" * MAX_DEPTH, "list": [[]] * MAX_DEPTH}

    assert json_record(Line(0, deepest))
    assert json_record(Line(0, record_line(wide)[:-1])) == wide


def test_an_escaped_pair_of_surrogates_is_a_character() -> None:
    assert json_record(Line(0, b'{"a":"\\ud83d\\ude00"}')) == {"a": "😀"}


@pytest.mark.parametrize("content", [b'{"a":"va', b'{"a":"\xe2\x82'])
def test_a_last_line_that_is_cut_off_is_told_from_one_that_is_wrong(content: bytes) -> None:
    assert refused(content, is_terminated=False).code == Refusal.TRUNCATED
    assert refused(content).code != Refusal.TRUNCATED


def test_a_last_line_without_a_line_break_is_a_record_if_it_is_whole() -> None:
    assert json_record(Line(0, b'{"a":1}', is_terminated=False)) == {"a": 1}


def test_a_line_too_long_is_refused_by_its_length() -> None:
    with pytest.raises(RecordRefusedError) as caught:
        json_record(Line(0, b'{"a":1}', is_too_long=True))

    assert caught.value.code == Refusal.TOO_LONG


@pytest.mark.parametrize("content", [b'{"a": secret}', b"secret", b'"secret"', b'{"secret":1e999}'])
def test_a_reason_never_quotes_the_line(content: bytes) -> None:
    assert "secret" not in refused(content).reason


def test_a_stream_goes_on_after_what_it_refuses() -> None:
    parsed = list(json_records([b'{"a":1}\nno', b'\n{"a":2}\n{"a":']))

    assert [line.offset for line, _ in parsed] == [0, 8, 11, 19]
    assert [
        found.code if isinstance(found, RecordRefusedError) else found for _, found in parsed
    ] == [{"a": 1}, "not_json", {"a": 2}, "truncated"]


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), {1, 2}, b"bytes", "\ud800"], ids=repr
)
def test_what_json_cannot_say_is_refused_where_it_would_be_written(value: Any) -> None:
    with pytest.raises(RecordRefusedError) as caught:
        record_line({"a": value})

    assert caught.value.code == Refusal.TRANSFORM_FAILED


@pytest.mark.parametrize(
    ("key", "stated", "encoding"),
    [
        ("incoming/x.jsonl", None, Encoding(RecordFormat.JSONL, is_gzipped=False)),
        ("incoming/x.NDJSON.gz", None, Encoding(RecordFormat.JSONL, is_gzipped=True)),
        ("incoming/2026.07/x.csv", None, Encoding(RecordFormat.CSV, is_gzipped=False)),
        ("x.csv.gz", None, Encoding(RecordFormat.CSV, is_gzipped=True)),
        ("x.parquet", None, Encoding(RecordFormat.PARQUET, is_gzipped=False)),
        ("x.txt", "csv", Encoding(RecordFormat.CSV, is_gzipped=False)),
        ("x.txt.gz", "jsonl", Encoding(RecordFormat.JSONL, is_gzipped=True)),
    ],
)
def test_the_end_of_a_key_tells_the_format_unless_the_payload_does(
    key: str, stated: str | None, encoding: Encoding
) -> None:
    assert encoding_of(key, stated) == encoding


@pytest.mark.parametrize(
    ("key", "stated"), [("secret.xml", None), ("csv", None), ("", None), ("a.csv", "secret")]
)
def test_an_unknown_format_is_refused_with_those_there_are(key: str, stated: str | None) -> None:
    with pytest.raises(UnknownFormatError, match="jsonl, csv, parquet") as caught:
        encoding_of(key, stated)

    assert "secret" not in str(caught.value)
