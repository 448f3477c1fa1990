"""Which records an event source mapping hands to its function: Lambda's filter patterns.

The rules are those of the Lambda developer guide ("Filter rule syntax", invocation-eventfiltering)
for one pattern: every key must match, a list holds alternatives. Between the filters of one
mapping, any one is enough.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

ABSENT: Any = object()

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "=": lambda value, bound: value == bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
}


@dataclass(frozen=True, slots=True)
class EventFilter:
    """The filters of one mapping; none lets everything through."""

    patterns: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def from_criteria(cls, criteria: Mapping[str, Any] | None) -> Self:
        """Read the `FilterCriteria` of an event source mapping."""
        filters = (criteria or {}).get("Filters") or []
        return cls(tuple(json.loads(entry["Pattern"]) for entry in filters))

    def admits(self, document: Mapping[str, Any]) -> bool:
        return not self.patterns or any(matches(pattern, document) for pattern in self.patterns)


def matches(pattern: Mapping[str, Any], document: Any) -> bool:
    """Every key of *pattern* must match; a missing parent counts as an empty one.

    So `exists: false` below an absent parent matches, as it does in AWS.
    """
    fields = document if isinstance(document, Mapping) else {}
    return all(_key_matches(key, expected, fields) for key, expected in pattern.items())


def _key_matches(key: str, expected: Any, fields: Mapping[str, Any]) -> bool:
    if key == "$or":
        return any(matches(alternative, fields) for alternative in expected)
    value = fields.get(key, ABSENT)
    if isinstance(expected, Mapping):
        return matches(expected, {} if value is ABSENT else value)
    return any(_rule_matches(rule, value) for rule in expected)


def _rule_matches(rule: Any, value: Any) -> bool:
    if isinstance(value, list):
        # An array matches when one of its elements does.
        return any(_rule_matches(rule, element) for element in value)
    if isinstance(rule, Mapping):
        ((operator, operand),) = rule.items()
        return _operator_matches(operator, operand, value)
    return value is not ABSENT and _same(rule, value)


def _operator_matches(operator: str, operand: Any, value: Any) -> bool:  # noqa: PLR0911  # one line an operator
    if operator == "exists":
        # A leaf is what exists; an object in between does not.
        return (value is not ABSENT and not isinstance(value, Mapping)) is bool(operand)
    if value is ABSENT:
        return False
    match operator:
        case "anything-but":
            return not _excluded(operand, value)
        case "numeric":
            return _within(operand, value)
        case "prefix":
            return isinstance(value, str) and value.startswith(operand)
        case "suffix":
            return isinstance(value, str) and value.endswith(operand)
        case "equals-ignore-case":
            return isinstance(value, str) and value.casefold() == operand.casefold()
        case _:
            raise ValueError(f"Lambda's filter rules know no operator {operator!r}")


def _excluded(operand: Any, value: Any) -> bool:
    if isinstance(operand, Mapping):
        return _rule_matches(operand, value)
    banned = operand if isinstance(operand, list) else [operand]
    return any(_same(entry, value) for entry in banned)


def _within(bounds: Sequence[Any], value: Any) -> bool:
    # DynamoDB spells numbers as strings, and a string never matches a numeric rule.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return all(
        _COMPARISONS[comparison](value, bound)
        for comparison, bound in zip(bounds[::2], bounds[1::2], strict=True)
    )


def _same(expected: Any, value: Any) -> bool:
    # In JSON, true is not 1.
    return isinstance(expected, bool) is isinstance(value, bool) and bool(expected == value)
