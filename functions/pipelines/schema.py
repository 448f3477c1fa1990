"""What a record must look like, as a JSON Schema (draft 7), checked at speed."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from functions.pipelines.records import Record, RecordRefusedError, Refusal

_TYPES = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_RULES = {
    "minimum": "be at least {}",
    "maximum": "be at most {}",
    "exclusiveMinimum": "be more than {}",
    "exclusiveMaximum": "be less than {}",
    "multipleOf": "be a multiple of {}",
    "minLength": "have at least {} characters",
    "maxLength": "have at most {} characters",
    "minItems": "have at least {} items",
    "maxItems": "have at most {} items",
    "minProperties": "have at least {} fields",
    "maxProperties": "have at most {} fields",
    "pattern": "match {}",
    "format": "be of the format {}",
    "const": "be {}",
    "uniqueItems": "have each item once",
    "contains": "have an item of the kind that the schema names",
}
# What may be said of a name that only the data knows: short, and like a name.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")
_INDEX = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True)
class Schema:
    """A JSON Schema of objects.

    A field's `description`, where there is one, completes the sentence *the field must be ...* in
    the reasons for which records are refused.
    """

    document: Mapping[str, Any]

    @property
    def required(self) -> frozenset[str]:
        """The fields that every record must have."""
        return frozenset(self.document.get("required", ()))

    def check(self, record: Record) -> None:
        """Let *record* pass.

        Raises:
            RecordRefusedError: It breaks a rule; the reason names the field and the rule.
        """
        self._checked(record)

    @cached_property
    def _checked(self) -> Callable[[Record], None]:
        # Import and compilation take longer than a replay that checks no record.
        import fastjsonschema  # noqa: PLC0415

        compiled = fastjsonschema.compile(dict(self.document), use_default=False)
        broken = fastjsonschema.JsonSchemaValueException

        def checked(record: Record) -> None:
            try:
                compiled(record)
            except broken as error:
                raise RecordRefusedError(Refusal.SCHEMA, self._reason(error)) from None

        return checked

    def _reason(self, error: Any) -> str:
        where = "".join(self._part(part) for part in error.path[1:]).removeprefix(".")
        definition = error.definition if isinstance(error.definition, Mapping) else {}
        if error.rule == "required":
            missing = [name for name in definition["required"] if name not in error.value]
            prefix = f"{where}." if where else ""
            return f"{prefix}{missing[0]} is missing"
        where = where or "the record"
        if error.rule == "additionalProperties":
            return f"{where} has {_unknown_field(error.value, definition)}"
        return f"{where} must {_rule_in_words(error.rule, definition)}"

    def _part(self, part: str) -> str:
        if part in self._names:
            return f".{part}"
        return f"[{part}]" if _INDEX.fullmatch(part) else ".*"

    @cached_property
    def _names(self) -> frozenset[str]:
        """The fields that the schema names, however deep."""
        return frozenset(_field_names(self.document))


def _field_names(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        properties = node.get("properties")
        if isinstance(properties, Mapping):
            yield from properties
        for child in node.values():
            yield from _field_names(child)
    elif isinstance(node, list):
        for child in node:
            yield from _field_names(child)


def _unknown_field(value: Mapping[str, Any], definition: Mapping[str, Any]) -> str:
    unknown = sorted(value.keys() - definition.get("properties", {}).keys())
    if unknown and _NAME.fullmatch(unknown[0]):
        return f"the unknown field {unknown[0]}"
    return "an unknown field"


def _rule_in_words(rule: str, definition: Mapping[str, Any]) -> str:
    if "description" in definition:
        return f"be {definition['description']}"
    stated = definition.get(rule)
    if rule == "type":
        types = [stated] if isinstance(stated, str) else list(stated or ())
        return f"be {' or '.join(_TYPES[kind] for kind in types)}"
    if rule == "enum" and stated:
        return f"be one of {', '.join(str(choice) for choice in stated)}"
    if rule in _RULES:
        return _RULES[rule].format(stated)
    return "be as the schema says"
