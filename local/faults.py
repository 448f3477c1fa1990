"""Faults on command: what the network, AWS and the kernel do to a call, at a chosen call.

A rule picks calls (by function, service, operation, text in the request, and which one of
them) and says what happens to them. It is the rig of the tests that kill and starve functions
at every call that they make.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self
from uuid import uuid4

from local.aws_request import AwsRequest


class Action(StrEnum):
    """What happens to a call."""

    # Answered with an error, never forwarded.
    REFUSE = "refuse"
    # The connection is cut before the call is forwarded.
    RESET = "reset"
    # Forwarded after a while.
    DELAY = "delay"
    # Applied, but the connection is cut instead of an answer.
    DROP_ANSWER = "drop-answer"
    # The calling process is killed before the call is forwarded.
    KILL_BEFORE = "kill-before"
    # The call is applied, then the calling process is killed.
    KILL_AFTER = "kill-after"


BEFORE = frozenset({Action.REFUSE, Action.RESET, Action.DELAY, Action.KILL_BEFORE})


class InvalidFaultError(ValueError):
    """The description of a fault has a member that no fault has, or lacks one."""


@dataclass(slots=True, kw_only=True)
class Fault:
    """A rule: which calls, and what happens to them."""

    action: Action
    app: str | None = None
    service: str | None = None
    operation: str | None = None
    # Found anywhere in the path or the body, such as a job's id.
    contains: str | None = None
    # The first matching call it applies to, counted from 1, and to how many; None is all.
    nth: int = 1
    times: int | None = 1
    status: int = 500
    error: str = "InternalFailure"
    message: str = "Injected by the local platform"
    seconds: float = 0
    fault_id: str = field(default_factory=lambda: str(uuid4()))
    seen: int = 0
    applied: int = 0

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read a rule as the control API takes it.

        Raises:
            InvalidFaultError: It is not one.
        """
        given = dict(document)
        try:
            return cls(action=Action(given.pop("action")), **given)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidFaultError(f"this is no fault: {error}") from error

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    def takes(self, request: AwsRequest, text: bytes) -> bool:
        """Whether the rule strikes this call; counts it if it is one of its kind."""
        if (
            self.app not in (None, request.app)
            or self.service not in (None, request.service)
            or self.operation not in (None, request.operation)
            or (self.contains is not None and self.contains.encode() not in text)
        ):
            return False
        self.seen += 1
        if self.seen < self.nth or (self.times is not None and self.applied >= self.times):
            return False
        self.applied += 1
        return True


class Faults:
    """The rules in force. The first one that takes a call decides about it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Fault] = []

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._rules.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def rules(self) -> list[Fault]:
        with self._lock:
            return list(self._rules)

    def strike(self, request: AwsRequest, text: bytes) -> Fault | None:
        """The rule that takes this call, if any."""
        with self._lock:
            for rule in self._rules:
                if rule.takes(request, text):
                    return rule
        return None
