"""What a payload may say, and that it says the same at the other end."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.shared.job import InvalidJobError
from jobctl.payload import MAX_STORED_PAYLOAD_BYTES, is_same_value, parse_payload

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
PAYLOADS = st.dictionaries(st.text(), JSON_VALUES, max_size=6)


@given(PAYLOADS)
def test_every_json_object_arrives_as_it_was_sent(payload: dict[str, Any]) -> None:
    text = parse_payload(payload).text

    assert json.loads(text) == payload
    assert text.isascii()


@given(PAYLOADS)
def test_the_same_object_is_the_same_text_however_it_is_spelled(payload: dict[str, Any]) -> None:
    spelled = json.dumps(dict(reversed(payload.items())), indent=3, ensure_ascii=False)

    assert parse_payload(spelled) == parse_payload(payload)
    assert is_same_value(spelled, parse_payload(payload).text)


@given(st.text())
def test_any_text_is_either_a_payload_or_refused(text: str) -> None:
    with suppress(InvalidJobError):
        assert isinstance(json.loads(parse_payload(text).text), dict)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("[1]", "payload must be a JSON object, not an array"),
        ("null", "payload must be a JSON object, not null"),
        ("12", "payload must be a JSON object, not a number"),
        ('"to"', "payload must be a JSON object, not text"),
        ("{to: 1}", "payload is not JSON: .* at line 1, column 2"),
        ("", "payload is not JSON"),
        ('{"amount": NaN}', "payload holds NaN, which JSON does not have"),
        ('{"amount": -Infinity}', "payload holds -Infinity"),
        ('{"amount": 1e999}', r"payload\.amount is inf"),
        ('{"to": "a", "to": "b"}', "payload names 'to' twice"),
        ({"items": [{"price": float("nan")}]}, r"payload\.items\[0\]\.price is nan"),
        ({"price": Decimal("1.10")}, r"payload\.price is a Decimal, .*: send text"),
        ({"when": datetime(2026, 1, 1, tzinfo=UTC)}, r"payload\.when is a datetime"),
        ({"data": b"x"}, r"payload\.data is a bytes"),
        ({1: "one"}, "payload has the key 1, which is a number: JSON keys are text"),
        ({"n": 10**5000}, "payload cannot be written as JSON"),
        ('{"n": ' + "1" * 5000 + "}", "payload cannot be written as JSON"),
        ('{"a":' * 100_000, "payload is nested too deep"),
        ({"text": "x" * MAX_STORED_PAYLOAD_BYTES}, "put the data into S3 and send a reference"),
    ],
)
def test_what_json_cannot_say_is_refused_with_its_place(payload: Any, reason: str) -> None:
    with pytest.raises(InvalidJobError, match=reason):
        parse_payload(payload)


def test_a_refusal_shows_nothing_of_a_value() -> None:
    with pytest.raises(InvalidJobError) as refusal:
        parse_payload('{"password": "hunter2" "user": 1}')

    assert "hunter2" not in str(refusal.value)


def test_a_tuple_and_a_float_are_what_json_calls_them() -> None:
    payload = parse_payload({"sizes": (1, 2.5), "rate": 0.1})

    assert payload.text == '{"rate":0.1,"sizes":[1,2.5]}'


@pytest.mark.parametrize("broken", ["{", "[" * 100_000])
def test_a_row_with_a_broken_payload_is_not_the_same_as_any(broken: str) -> None:
    assert not is_same_value(broken, "{}")
