"""A durable execution as a tree: its operations in their order, and those of what it invoked.

Pure: events in, records out. Of what an event holds only names, kinds, times and codes are read;
inputs, results and messages belong to whoever submitted the job.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from functions.shared.errors import error_code
from functions.shared.job import cut
from functions.shared.redaction import redact_text

_MAX_NAME_BYTES = 64

_EVENT_TYPE = re.compile(
    r"(?P<kind>Execution|Context|Wait|Step|ChainedInvoke|Callback|Invocation)(?P<change>[A-Z]\w+)"
)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# Kinds whose own word says less, or more, than a reader needs.
_WORDS = {"ChainedInvoke": "invoke", "RunInChildContext": "context"}


class Status(StrEnum):
    """How an operation or an execution stands."""

    RUNNING = "running"
    WAITING = "waits to be tried again"
    PAUSED = "paused"
    ASKING = "waits for an answer"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    UNFINISHED = "not finished"
    UNKNOWN = "its end was not read"

    @property
    def is_good(self) -> bool:
        return self is Status.SUCCEEDED


_STATUS_AFTER = {
    "Started": Status.RUNNING,
    "Resumed": Status.RUNNING,
    "Paused": Status.PAUSED,
    "Succeeded": Status.SUCCEEDED,
    "Failed": Status.FAILED,
    "TimedOut": Status.TIMED_OUT,
    "Stopped": Status.STOPPED,
    "Cancelled": Status.CANCELLED,
}
_OPEN = frozenset({Status.RUNNING, Status.WAITING, Status.PAUSED, Status.ASKING})
# How the SDK calls what somebody outside completes.
CALLBACK = "callback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What is read of an event of `GetDurableExecutionHistory`."""

    event_id: int
    kind: str
    change: str
    at: datetime
    operation_id: str | None = None
    parent_id: str | None = None
    name: str | None = None
    sub_type: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    attempt: int = 0
    will_be_repeated: bool = False
    function: str | None = None
    child_arn: str | None = None

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Self | None:
        """Read one event; None where its type is none that we know."""
        kind = _EVENT_TYPE.fullmatch(answer.get("EventType", ""))
        if kind is None:
            return None
        details = answer.get(f"{kind[0]}Details") or {}
        retry = details.get("RetryDetails") or {}
        error = (details.get("Error") or {}).get("Payload") or {}
        return cls(
            event_id=answer["EventId"],
            kind=kind["kind"],
            change=kind["change"],
            at=answer["EventTimestamp"],
            operation_id=answer.get("Id"),
            parent_id=answer.get("ParentId"),
            name=answer.get("Name"),
            sub_type=answer.get("SubType"),
            error_type=error.get("ErrorType"),
            error_message=error.get("ErrorMessage"),
            attempt=retry.get("CurrentAttempt") or 0,
            will_be_repeated=bool(retry.get("NextAttemptDelaySeconds")),
            function=details.get("FunctionName"),
            child_arn=details.get("DurableExecutionArn"),
        )

    @property
    def lacks_its_error(self) -> bool:
        return self.change == "Failed" and self.error_type is None


@dataclass(frozen=True, slots=True)
class History:
    """The events that were read; *unread* others come after the one with the id *read_until*."""

    events: tuple[Event, ...]
    unread: int = 0
    read_until: int = 0


@dataclass(frozen=True, slots=True)
class Omitted:
    """Operations left out so that a person can still read the rest; *bad* of them ended badly."""

    count: int
    bad: int = 0


@dataclass(frozen=True, slots=True)
class Unread:
    """An execution whose operations are not shown, and why."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation, and what happened inside it."""

    name: str
    kind: str
    status: Status
    started_at: datetime | None
    ended_at: datetime | None = None
    attempts: int = 1
    error: str | None = None
    function: str | None = None
    child_arn: str | None = None
    operations: "tuple[Operation | Omitted, ...]" = ()
    child: "Execution | Unread | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """An execution and its operations."""

    status: Status
    started_at: datetime | None
    ended_at: datetime | None
    invocations: int
    operations: tuple[Operation | Omitted, ...]
    error: str | None = None
    unread_events: int = 0


@dataclass(frozen=True, slots=True)
class _Room:
    """How many operations of one level are shown: the first, the last, and what went wrong."""

    first: int
    last: int
    bad: int


@dataclass(frozen=True, slots=True)
class _Look:
    """What is known of the whole: whether it is over, and after which event some are unread."""

    is_over: bool
    gap: int


_AT_THE_TOP = _Room(first=30, last=10, bad=10)
_BELOW = _Room(first=6, last=2, bad=4)


@dataclass(slots=True)
class _Growing:
    """An operation while its events are read."""

    events: list[Event] = field(default_factory=list)
    inside: "list[_Growing]" = field(default_factory=list)


def execution_tree(history: History) -> Execution:
    """Order a history's events into the tree of what they tell of."""
    operations: dict[str, _Growing] = {}
    own: list[Event] = []
    invocations = 0
    for event in history.events:
        if event.kind == "Invocation":
            invocations += 1
        elif event.kind == "Execution":
            own.append(event)
        elif event.operation_id is not None:
            operations.setdefault(event.operation_id, _Growing()).events.append(event)
    roots: list[_Growing] = []
    for operation in operations.values():
        parent = operations.get(operation.events[0].parent_id or "")
        (roots if parent is None or parent is operation else parent.inside).append(operation)
    status = _status(own)
    look = _Look(is_over=status not in _OPEN, gap=history.read_until if history.unread else 0)
    return Execution(
        status=status,
        started_at=own[0].at if own else None,
        ended_at=None if status in _OPEN else own[-1].at,
        invocations=invocations,
        operations=_level(roots, _AT_THE_TOP, look),
        error=_error(own),
        unread_events=history.unread,
    )


def children_of(execution: Execution) -> Iterable[str]:
    """The executions that the shown operations started."""
    return _child_arns(execution.operations)


def with_children(execution: Execution, children: Mapping[str, Execution | Unread]) -> Execution:
    """The same tree with *children* (by ARN) under the operations that started them."""
    return replace(execution, operations=_with_children(execution.operations, children))


def _child_arns(level: Sequence[Operation | Omitted]) -> Iterable[str]:
    for operation in level:
        if isinstance(operation, Operation):
            if operation.child_arn is not None:
                yield operation.child_arn
            yield from _child_arns(operation.operations)


def _with_children(
    level: Sequence[Operation | Omitted], children: Mapping[str, Execution | Unread]
) -> tuple[Operation | Omitted, ...]:
    return tuple(
        replace(
            operation,
            child=children.get(operation.child_arn or ""),
            operations=_with_children(operation.operations, children),
        )
        if isinstance(operation, Operation)
        else operation
        for operation in level
    )


def _level(found: Sequence[_Growing], room: _Room, look: _Look) -> tuple[Operation | Omitted, ...]:
    """Operations side by side: all of them, or those that tell most and how many are left out."""
    operations = [_operation(growing, look) for growing in found]
    bad = [at for at, operation in enumerate(operations) if not operation.status.is_good]
    shown = {*range(room.first), *bad[: room.bad], *bad[-room.bad :]}
    shown |= set(range(len(operations) - room.last, len(operations)))
    level: list[Operation | Omitted] = []
    for at, operation in enumerate(operations):
        if at in shown:
            level.append(operation)
            continue
        before = level[-1] if level else None
        if isinstance(before, Omitted):
            level.pop()
        else:
            before = Omitted(0)
        is_bad = not operation.status.is_good
        level.append(Omitted(before.count + 1, before.bad + is_bad))
    return tuple(level)


def _operation(growing: _Growing, look: _Look) -> Operation:
    events = growing.events
    first, last = events[0], events[-1]
    status = _status(events)
    has_ended = status not in _OPEN
    if not has_ended and last.event_id <= look.gap:
        status = Status.UNKNOWN
    elif not has_ended and look.is_over:
        # An execution that was stopped or timed out says nothing more about its operations.
        status = Status.UNFINISHED
    elif status is Status.RUNNING and first.kind.lower() == CALLBACK:
        status = Status.ASKING
    starts = sum(event.change == "Started" for event in events)
    return Operation(
        name=_shown(next((event.name for event in events if event.name), "")) or "unnamed",
        kind=_kind(first),
        status=status,
        started_at=first.at if first.change == "Started" else None,
        ended_at=last.at if has_ended else None,
        attempts=max(1, starts, *(event.attempt for event in events)),
        error=None if status.is_good else _error(events),
        function=_function(events),
        child_arn=next((event.child_arn for event in events if event.child_arn), None),
        operations=_level(growing.inside, _BELOW, look),
    )


def _status(events: Sequence[Event]) -> Status:
    status = Status.RUNNING
    for event in events:
        status = _STATUS_AFTER.get(event.change, status)
    if status is Status.FAILED and events[-1].will_be_repeated:
        return Status.WAITING
    return status


def _error(events: Sequence[Event]) -> str | None:
    """The code of what went wrong last."""
    for event in reversed(events):
        if event.error_type:
            return _shown(error_code(event.error_type, event.error_message))
    return None


def _kind(event: Event) -> str:
    kind = event.sub_type or event.kind
    return _shown(_WORDS.get(kind) or _HUMP.sub(" ", kind).lower())


def _function(events: Sequence[Event]) -> str | None:
    """The invoked function's name, out of its name or ARN, without version or alias."""
    for event in events:
        if event.function:
            return _shown(event.function.rpartition(":function:")[2].partition(":")[0])
    return None


def _shown(text: str) -> str:
    """One line of *text* that cannot act on a terminal."""
    line = " ".join(text.split())
    return cut(redact_text("".join(filter(str.isprintable, line))), _MAX_NAME_BYTES)
