"""Two sets of records are told apart, or not, by what they say and not by how."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.pipelines.record_checksum import RecordChecksum, canonical

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def checksum(*records: tuple[str, dict[str, Any]]) -> str:
    made = RecordChecksum()
    for key, record in records:
        made.add(key, record)
    return made.hexdigest


@given(JSON)
def test_a_number_is_the_same_as_float_and_as_decimal(value: Any) -> None:
    text = json.dumps(value)

    assert canonical(json.loads(text)) == canonical(json.loads(text, parse_float=Decimal))


@pytest.mark.parametrize(
    "same",
    [
        (1, 1.0, Decimal(1), Decimal("1.00")),
        (0, 0.0, -0.0, Decimal("-0.0")),
        (0.1, Decimal("0.1"), Decimal("0.10")),
        (10**22, 1e22, Decimal("1E+22"), Decimal(10**22)),
        (10**100, 1e100, Decimal("1E+100")),
    ],
)
def test_numbers_of_one_value_are_one(same: tuple[Any, ...]) -> None:
    assert len({canonical(value) for value in same}) == 1


@pytest.mark.parametrize(
    "different",
    [
        (1, True, "1", [1], {"1": 1}),
        (0, False, None, "", [], {}),
        (0.1, Decimal("0.1000000000000000000001"), Decimal("0.1000000000000000000002")),
        (2**53, 2**53 + 1),
        ("é", "e\u0301"),
    ],
)
def test_values_that_differ_are_told_apart(different: tuple[Any, ...]) -> None:
    assert len({canonical(value) for value in different}) == len(different)


def test_the_order_of_records_and_of_their_fields_does_not_matter() -> None:
    records = [(f"k{n}", {"a": n, "b": [n, n + 1]}) for n in range(50)]
    others = [(key, dict(reversed(record.items()))) for key, record in records]
    others.sort(key=lambda each: each[0][::-1])

    assert checksum(*records) == checksum(*others)


def test_what_is_missing_doubled_or_under_another_key_shows() -> None:
    one, two = ("a", {"n": 1}), ("b", {"n": 2})
    sets = [
        (one, two),
        (one,),
        (two,),
        (one, two, two),
        (one, one),
        (),
        (("b", one[1]), ("a", two[1])),
    ]

    assert len({checksum(*each) for each in sets}) == len(sets)


def test_checksums_of_parts_add_up() -> None:
    records = [(f"k{n}", {"n": n}) for n in range(10)]
    whole, first, second = RecordChecksum(), RecordChecksum(), RecordChecksum()
    for number, (key, record) in enumerate(records):
        whole.add(key, record)
        (first if number % 3 else second).add(key, record)

    first.join(RecordChecksum.of(second.records, second.hexdigest))

    assert first == whole
    assert whole.records == 10
