"""Records kept in checkpoints and sent between functions as plain JSON."""

import json
from collections.abc import Mapping
from typing import Any, Protocol, Self, TypeVar

from aws_durable_execution_sdk_python.serdes import SerDes, SerDesContext


class Record(Protocol):
    """Writes itself as a JSON object, and reads what it wrote."""

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self: ...

    def to_event(self) -> dict[str, Any]: ...


RecordT = TypeVar("RecordT", bound=Record)


class RecordSerDes(SerDes[RecordT | None]):
    """Keeps a record, or none, in a checkpoint; the SDK knows how to keep no dataclass."""

    def __init__(self, kind: type[RecordT]) -> None:
        self._kind = kind

    def serialize(self, value: RecordT | None, serdes_context: SerDesContext) -> str:  # noqa: ARG002  # the SDK's signature
        event = None if value is None else value.to_event()
        # Escaped, what people write would take up to three times the room.
        return json.dumps(event, separators=(",", ":"), ensure_ascii=False)

    def deserialize(self, data: str, serdes_context: SerDesContext) -> RecordT | None:  # noqa: ARG002  # the SDK's signature
        event = json.loads(data)
        return None if event is None else self._kind.from_event(event)
