"""Every AWS call of one execution, counted over all of its processes, and death at any of them.

A process that is killed before a call has left no trace of it; one that is killed after the call
has had its effect and never hears the answer. The effect of a step is such a call and so is the
checkpoint of it, so the calls are all the points at which dying makes a difference: between
two calls a process changes nothing but itself.

One kind of call is left out of the count. The SDK sends the start of a step together with its end,
unless the machine is so slow that the start travels alone; dying at such a call is dying before
the step's first effect, which has a point of its own.
"""

import json
import os
import signal
import threading
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from botocore.awsrequest import AWSPreparedRequest
from botocore.hooks import BaseEventHooks

# All of one length, so that a file's size is a count.
_RECORD_BYTES = 96


class Moment(StrEnum):
    """When to die, as seen from a call."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Death:
    """Where the first process to get there dies: at the call of that number, counted from 1."""

    call: int
    moment: Moment

    def __str__(self) -> str:
        return f"{self.moment}-call-{self.call}"

    def to_json(self) -> dict[str, Any]:
        return {"call": self.call, "moment": self.moment}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        return cls(document["call"], Moment(document["moment"]))


@dataclass(frozen=True, slots=True)
class Passages:
    """The calls in the order in which they were made, in a file that all processes append to."""

    path: Path

    def add(self, call: str) -> int:
        """Write the call down and return its number."""
        record = call[: _RECORD_BYTES - 1].ljust(_RECORD_BYTES - 1) + "\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(descriptor, record.encode())
            # An appended record is where no other process's is, so this is nobody else's number.
            return os.lseek(descriptor, 0, os.SEEK_CUR) // _RECORD_BYTES
        finally:
            os.close(descriptor)

    def read(self) -> list[str]:
        if not self.path.exists():
            return []
        return [line.rstrip() for line in self.path.read_text(encoding="utf-8").splitlines()]


class Hooks:
    """Sits in every AWS client of a process; idle until it is told whom to count for."""

    def __init__(self) -> None:
        self._passages: Passages | None = None
        self._death: Death | None = None
        # Clients are used by several threads, and each must remember its own call.
        self._current = threading.local()

    def install(self, events: BaseEventHooks) -> None:
        events.register("before-send", self._before)
        events.register("after-call", self._after)

    def arm(self, passages: Passages, death: Death | None) -> None:
        self._passages, self._death = passages, death

    def _before(self, event_name: str, request: AWSPreparedRequest, **_: Any) -> None:
        if self._passages is None:
            return
        # A body that is a file belongs to none of the calls counted here.
        body = request.body if isinstance(request.body, bytes | str) else None
        call = describe(event_name.rpartition(".")[2], body)
        self._current.call = self._passages.add(call) if call else None
        self._die_at(Moment.BEFORE)

    def _after(self, **_: Any) -> None:
        self._die_at(Moment.AFTER)

    def _die_at(self, moment: Moment) -> None:
        call: int | None = getattr(self._current, "call", None)
        if call is not None and self._death == Death(call, moment):
            os.kill(os.getpid(), signal.SIGKILL)


def describe(operation: str, body: bytes | str | None) -> str | None:
    """The call in a few words; None where a checkpoint holds nothing but the start of a step."""
    document = json.loads(body or b"{}")
    if operation == "CheckpointDurableExecution":
        updates = [
            f"{update.get('Name') or update['Type'].lower()} {update['Action'].lower()}"
            for update in document.get("Updates", [])
            if (update["Type"], update["Action"]) != ("STEP", "START")
        ]
        return f"checkpoint {', '.join(updates)}" if updates else None
    tables = {
        write["TableName"] for item in document.get("TransactItems", []) for write in item.values()
    }
    return f"{operation} {'+'.join(sorted(tables)) or document.get('TableName', '')}".strip()
