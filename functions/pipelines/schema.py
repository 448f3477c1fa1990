"""What a record must look like, as a JSON Schema (draft 7), checked at speed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import fastjsonschema

from functions.pipelines.records import Record, RecordRefusedError, Refusal


@dataclass(frozen=True)
class Schema:
    """A JSON Schema of objects; compiled once."""

    document: Mapping[str, Any]
    _check: Callable[[Any], Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        compiled = fastjsonschema.compile(dict(self.document), use_default=False)
        object.__setattr__(self, "_check", compiled)

    @property
    def required(self) -> frozenset[str]:
        """The fields that every record must have."""
        return frozenset(self.document.get("required", ()))

    def check(self, record: Record) -> None:
        """Let *record* pass.

        Raises:
            RecordRefusedError: It breaks a rule; the reason names the field and the rule.
        """
        try:
            self._check(record)
        except fastjsonschema.JsonSchemaValueException as error:
            where = ".".join(str(part) for part in error.path[1:]) or "the record"
            raise RecordRefusedError(Refusal.SCHEMA, f"{where} breaks {error.rule}") from None
