"""Failed records: kept so that they can be tried again as what they were."""

import json
from decimal import Decimal
from typing import Any

import pytest

from functions.pipelines.failed_records import (
    MAX_FAILED_LINE_BYTES,
    FailedRecord,
    failed_line,
    failed_record,
)
from functions.pipelines.lines import MAX_LINE_BYTES
from functions.pipelines.record_format import json_record, record_line
from functions.pipelines.records import Line, RecordRefusedError, Refusal

ERROR = RecordRefusedError(Refusal.SCHEMA, "price must be a number")


def test_a_failed_record_comes_back_with_the_key_that_it_had() -> None:
    record = {"sku": "A-1", "name": "Stühle"}

    line = failed_line(ERROR, key="job-1-17", offset=17, record=record)

    assert json.loads(line) == {
        "error": "schema",
        "reason": "price must be a number",
        "key": "job-1-17",
        "offset": 17,
        "record": record,
    }
    assert failed_record(json_record(Line(0, line))) == FailedRecord("job-1-17", 17, record)


def test_a_line_that_holds_no_record_is_kept_legible_and_not_tried_again() -> None:
    line = failed_line(ERROR, key="job-1-0", offset=0, record=Line(0, b"a\xff\n{"))

    assert json.loads(line)["record"] == "a\\xff\n{"
    with pytest.raises(RecordRefusedError, match="mend it"):
        failed_record(json_record(Line(0, line)))


def test_the_longest_line_fits_into_a_line_of_failed_records() -> None:
    content = b'{"a":[' + b"1e15," * ((MAX_LINE_BYTES - 10) // 5) + b"1]}"
    record = json_record(Line(0, content))

    assert len(content) <= MAX_LINE_BYTES
    assert len(failed_line(ERROR, key="k" * 255, offset=10**12, record=record)) <= (
        MAX_FAILED_LINE_BYTES
    )


@pytest.mark.parametrize(
    "record",
    [
        {"name": "\x01" * (MAX_LINE_BYTES - 20)},
        Line(0, b"\x01" * MAX_LINE_BYTES),
        Line(0, b"\xff" * MAX_LINE_BYTES),
        {"name": "é" * (MAX_LINE_BYTES // 2 - 20) + "\ud800"},
    ],
    ids=["control characters", "a line of them", "no UTF-8", "half a surrogate pair"],
)
def test_whatever_is_kept_is_kept_whole_and_fits(record: Any) -> None:
    line = failed_line(ERROR, key="k" * 255, offset=10**12, record=record)

    assert MAX_LINE_BYTES < len(line) <= MAX_FAILED_LINE_BYTES
    kept = json.loads(line)["record"]
    expected = record
    if isinstance(record, Line):
        expected = record.content.decode(errors="backslashreplace")
    assert kept == expected


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Decimal("1.23456789012345678901"), "1.23456789012345678901"),
        (Decimal("-1E-100"), "-1E-100"),
        (Decimal("1E+120"), "1E+120"),
    ],
)
def test_a_number_of_the_table_is_written_with_all_its_digits(value: Decimal, written: str) -> None:
    record = {"a": [{"b": value}], "c": value}

    line = failed_line(ERROR, key="k", offset=0, record=record)

    assert record_line(record) == f'{{"a":[{{"b":{written}}}],"c":{written}}}\n'.encode()
    assert json.loads(line, parse_float=Decimal, parse_int=Decimal)["record"] == record


def cycle() -> dict[str, Any]:
    record: dict[str, Any] = {}
    record["a"] = record
    return record


def deep() -> dict[str, Any]:
    record: dict[str, Any] = {}
    for _ in range(10_000):
        record = {"a": record}
    return record


@pytest.mark.parametrize(
    "record",
    [
        {"a": float("nan")},
        {"a": Decimal("NaN")},
        {"a": b"bytes"},
        {"a": 10**5_000},
        {1j: 1},
        cycle(),
        deep(),
    ],
    ids=["nan", "decimal nan", "bytes", "digits", "key", "cycle", "deep"],
)
def test_what_json_cannot_say_is_refused_alone_and_still_kept(record: Any) -> None:
    with pytest.raises(RecordRefusedError):
        record_line(record)

    line = failed_line(ERROR, key="k", offset=0, record=record)

    assert isinstance(json.loads(line)["record"], str)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"key": None}, "key must be"),
        ({"key": ""}, "key must be"),
        ({"key": "secret\n"}, "key must be"),
        ({"offset": "1"}, "offset must be"),
        ({"offset": -1}, "offset must be"),
        ({"offset": True}, "offset must be"),
        ({"record": None}, "record must be"),
        ({"record": ["secret"]}, "record must be"),
    ],
)
def test_a_line_of_another_form_is_refused_by_field_and_rule(
    changed: dict[str, Any], reason: str
) -> None:
    wrapped = {"key": "job-1-0", "offset": 0, "record": {"a": 1}, **changed}

    with pytest.raises(RecordRefusedError) as caught:
        failed_record(wrapped)

    assert caught.value.reason.startswith(reason)
    assert "secret" not in caught.value.reason
