"""Lambda's filter rules (developer guide, invocation-eventfiltering and with-ddb-filtering)."""

import json
from typing import Any

import pytest

from local.event_filter import EventFilter, matches

NEWLY_PENDING = {
    "Filters": [
        {
            "Pattern": json.dumps(
                {
                    "eventName": ["INSERT"],
                    "dynamodb": {"NewImage": {"status": {"S": ["pending"]}}},
                }
            )
        },
        {
            "Pattern": json.dumps(
                {
                    "eventName": ["MODIFY"],
                    "dynamodb": {
                        "NewImage": {"status": {"S": ["pending"]}},
                        "OldImage": {"status": {"S": [{"anything-but": ["pending"]}]}},
                    },
                }
            )
        },
    ]
}


def change(name: str, *, old: str | None = None, new: str | None = None) -> dict[str, Any]:
    images = {"OldImage": old, "NewImage": new}
    return {
        "eventName": name,
        "dynamodb": {
            image: {"status": {"S": status}}
            for image, status in images.items()
            if status is not None
        },
    }


@pytest.mark.parametrize(
    ("record", "is_admitted"),
    [
        (change("INSERT", new="pending"), True),
        (change("INSERT", new="completed"), False),
        (change("MODIFY", old="failed", new="pending"), True),
        (change("MODIFY", old="pending", new="pending"), False),
        (change("MODIFY", old="pending", new="processing"), False),
        (change("REMOVE", old="pending"), False),
    ],
)
def test_a_record_passes_when_any_one_filter_matches(
    record: dict[str, Any], *, is_admitted: bool
) -> None:
    assert EventFilter.from_criteria(NEWLY_PENDING).admits(record) is is_admitted


def test_a_mapping_without_filters_lets_everything_through() -> None:
    assert EventFilter.from_criteria(None).admits(change("REMOVE"))


@pytest.mark.parametrize(
    ("rule", "value", "is_match"),
    [
        ("pending", "pending", True),
        ("pending", "PENDING", False),
        (True, 1, False),
        (None, None, True),
        ({"prefix": "pen"}, "pending", True),
        ({"prefix": "pen"}, "open", False),
        ({"suffix": "ing"}, "pending", True),
        ({"equals-ignore-case": "PENDING"}, "pending", True),
        ({"anything-but": "failed"}, "pending", True),
        ({"anything-but": ["failed", "pending"]}, "pending", False),
        ({"anything-but": {"prefix": "pen"}}, "pending", False),
        ({"numeric": [">", 1, "<=", 3]}, 3, True),
        ({"numeric": [">", 1, "<=", 3]}, 1, False),
        ({"exists": True}, "pending", True),
        ({"exists": False}, "pending", False),
        ("a", ["b", "a"], True),
    ],
)
def test_a_rule_matches_as_lambda_documents_it(rule: Any, value: Any, *, is_match: bool) -> None:
    assert matches({"field": [rule]}, {"field": value}) is is_match


def test_the_rules_of_one_list_are_alternatives() -> None:
    assert matches({"status": ["failed", {"prefix": "pen"}]}, {"status": "pending"})


def test_all_keys_of_a_pattern_must_match() -> None:
    assert not matches({"status": ["pending"], "type": ["mail"]}, {"status": "pending"})


def test_an_or_matches_when_one_of_its_patterns_does() -> None:
    pattern = {"$or": [{"status": ["failed"]}, {"type": ["mail"]}]}

    assert matches(pattern, {"status": "pending", "type": "mail"})


def test_an_absent_field_matches_exists_false_even_below_an_absent_parent() -> None:
    pattern = {"dynamodb": {"OldImage": {"status": {"S": [{"exists": False}]}}}}

    assert matches(pattern, change("INSERT", new="pending"))


def test_an_absent_field_matches_no_other_rule() -> None:
    assert not matches({"status": [{"anything-but": ["failed"]}]}, {})


def test_a_number_of_dynamodb_is_a_string_and_matches_no_numeric_rule() -> None:
    pattern = {"dynamodb": {"NewImage": {"attempt": {"N": [{"numeric": [">", 1]}]}}}}
    record = {"dynamodb": {"NewImage": {"attempt": {"N": "2"}}}}

    assert not matches(pattern, record)


def test_an_unknown_operator_is_refused_rather_than_ignored() -> None:
    with pytest.raises(ValueError, match="regex"):
        matches({"status": [{"regex": ".*"}]}, {"status": "pending"})
