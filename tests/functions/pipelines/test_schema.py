"""Schemas: what is wrong with a record, in words and without its values."""

import subprocess
import sys
from typing import Any

import pytest

from functions.pipelines.records import RecordRefusedError, Refusal
from functions.pipelines.schema import Schema

PERSONAL = "someone@example.com"


def reason(document: dict[str, Any], record: Any) -> str:
    with pytest.raises(RecordRefusedError) as caught:
        Schema({"type": "object", **document}).check(record)
    assert caught.value.code == Refusal.SCHEMA
    assert PERSONAL not in caught.value.reason
    return caught.value.reason


def field_reason(rules: dict[str, Any], value: Any) -> str:
    return reason({"properties": {"price": rules}}, {"price": value})


@pytest.mark.parametrize(
    ("rules", "value", "words"),
    [
        ({"type": "number"}, PERSONAL, "price must be a number"),
        ({"type": "number"}, True, "price must be a number"),
        ({"type": ["integer", "null"]}, PERSONAL, "price must be a whole number or null"),
        ({"minimum": 0}, -1, "price must be at least 0"),
        ({"maximum": 9}, 10, "price must be at most 9"),
        ({"exclusiveMinimum": 0}, 0, "price must be more than 0"),
        ({"exclusiveMaximum": 9}, 9, "price must be less than 9"),
        ({"multipleOf": 5}, 7, "price must be a multiple of 5"),
        ({"minLength": 3}, "ab", "price must have at least 3 characters"),
        ({"maxLength": 3}, PERSONAL, "price must have at most 3 characters"),
        ({"pattern": "^[0-9]+$"}, PERSONAL, "price must match ^[0-9]+$"),
        ({"enum": ["a", "b"]}, PERSONAL, "price must be one of a, b"),
        ({"const": 1}, PERSONAL, "price must be 1"),
        ({"minItems": 1}, [], "price must have at least 1 items"),
        ({"uniqueItems": True}, [PERSONAL, PERSONAL], "price must have each item once"),
        ({"anyOf": [{"type": "null"}]}, PERSONAL, "price must be as the schema says"),
        ({"not": {}}, PERSONAL, "price must be as the schema says"),
        (
            {"pattern": "^[0-9]+$", "description": "an amount in cents"},
            PERSONAL,
            "price must be an amount in cents",
        ),
    ],
)
def test_a_reason_is_the_field_and_the_rule_in_words(
    rules: dict[str, Any], value: Any, words: str
) -> None:
    assert field_reason(rules, value) == words


def test_a_record_that_is_no_object_is_named_as_a_whole() -> None:
    assert reason({}, [PERSONAL]) == "the record must be an object"


def test_a_missing_field_is_named_by_its_path() -> None:
    document = {
        "required": ["sku", "sizes"],
        "properties": {"sizes": {"type": "array", "items": {"required": ["width"]}}},
    }

    assert reason(document, {}) == "sku is missing"
    assert reason(document, {"sku": "1", "sizes": [{"width": 1}, {}]}) == (
        "sizes[1].width is missing"
    )


def test_an_unknown_field_is_named_if_it_looks_like_a_name() -> None:
    document = {"properties": {"sku": {}}, "additionalProperties": False}

    assert reason(document, {"colour": PERSONAL}) == "the record has the unknown field colour"
    assert reason(document, {PERSONAL: 1}) == "the record has an unknown field"
    assert reason(document, {"x" * 10_000: 1}) == "the record has an unknown field"


def test_a_field_that_only_the_data_names_is_not_named() -> None:
    document = {"properties": {"by": {"additionalProperties": {"type": "number"}}}}

    assert reason(document, {"by": {"secret": "x"}}) == "by.* must be a number"
    assert "secret" not in reason(document, {"by": {PERSONAL: "x"}})


def test_a_record_is_not_changed_by_the_defaults_of_its_schema() -> None:
    record: dict[str, Any] = {}

    Schema({"properties": {"stock": {"default": 0}}}).check(record)

    assert record == {}


def test_what_compiles_schemas_is_loaded_with_the_first_record_and_not_with_the_module() -> None:
    program = "import sys, functions.pipelines.processors; print('fastjsonschema' in sys.modules)"

    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    assert printed.stdout.strip() == "False"
