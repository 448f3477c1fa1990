"""Every point at which a job's process can die, enumerated, and what dying there must repeat.

An undisturbed run passes all of them: before and after each call of a service, before and after
each checkpoint, in the workflow and in the functions that it invokes. Each later run is killed at
one of them, once. A call that was made and whose answer no checkpoint keeps yet is made again, and
nothing else is: that is foretold for each point, and counted.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pytest
from aws_durable_execution_sdk_python import state
from aws_durable_execution_sdk_python.lambda_service import OperationUpdate

from tests.functions.executions import KilledError


class Moment(StrEnum):
    """Which side of the place the process dies on."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Passage:
    """The *nth* passage of a place: a call of a service, or a checkpoint of an operation."""

    moment: Moment
    place: str
    nth: int
    # The method that is called, or None for a checkpoint.
    method: str | None = None
    # What is checkpointed of an operation: START, SUCCEED, FAIL, RETRY.
    action: str | None = None

    @property
    def leaves_a_call_behind(self) -> bool:
        """The service did it, and the workflow will never know."""
        return self.method is not None and self.moment is Moment.AFTER

    def __str__(self) -> str:
        return f"{self.moment} {self.place}" + (f" ({self.nth})" if self.nth > 1 else "")


class CrashPoints:
    """Sees every passage of a run, and kills the process at one of them, once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.expect(None)

    def expect(self, deadly: Passage | None, *, for_good: bool = False) -> None:
        """Begin a new run, to be killed at *deadly*; *for_good*: also whenever it comes back."""
        self._numbers: Counter[tuple[Moment, str]] = Counter()
        self._deadly = deadly
        self._for_good = for_good
        self.has_killed = False
        self.passages: list[Passage] = []
        # How often each method was called, and got back.
        self.calls: Counter[str] = Counter()

    def watch_service(
        self, monkeypatch: pytest.MonkeyPatch, module: object, attribute: str
    ) -> None:
        monkeypatch.setattr(module, attribute, _Watched(getattr(module, attribute), self))

    def watch_checkpoints(self, monkeypatch: pytest.MonkeyPatch) -> None:
        points = self
        checkpoint = state.ExecutionState.create_checkpoint

        def watched(
            self: state.ExecutionState,
            operation_update: OperationUpdate | None = None,
            is_sync: bool = True,  # noqa: FBT001, FBT002  # the SDK's signature
        ) -> None:
            if operation_update is None:
                checkpoint(self, operation_update, is_sync)
                return
            action = operation_update.action.value
            place = f"{operation_update.operation_type.value} {operation_update.name} {action}"
            points.passed(Moment.BEFORE, place, action=action)
            checkpoint(self, operation_update, is_sync)
            points.passed(Moment.AFTER, place, action=action)

        monkeypatch.setattr(state.ExecutionState, "create_checkpoint", watched)

    def passed(
        self, moment: Moment, place: str, *, method: str | None = None, action: str | None = None
    ) -> None:
        with self._lock:
            self._numbers[moment, place] += 1
            passage = Passage(moment, place, self._numbers[moment, place], method, action)
            self.passages.append(passage)
            if not self._is_deadly(passage):
                return
            self.has_killed = True
        raise KilledError

    def _is_deadly(self, passage: Passage) -> bool:
        if self.has_killed:
            here = (passage.moment, passage.place)
            deadly = self._deadly
            return self._for_good and deadly is not None and here == (deadly.moment, deadly.place)
        return passage == self._deadly

    def called(self, method: str) -> None:
        with self._lock:
            self.calls[method] += 1


class _Watched:
    """A service whose calls are passages."""

    def __init__(self, service: Any, points: CrashPoints) -> None:
        self._service = service
        self._points = points

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("_"):
            raise AttributeError(method)
        do = getattr(self._service, method)

        def call(*args: Any, **kwargs: Any) -> Any:
            place = f"the call of {method}"
            self._points.passed(Moment.BEFORE, place, method=method)
            self._points.called(method)
            try:
                return do(*args, **kwargs)
            finally:
                self._points.passed(Moment.AFTER, place, method=method)

        return call


def repeated_calls(undisturbed: Iterable[Passage]) -> dict[Passage, Counter[str]]:
    """For each point: the calls that were made there and that no checkpoint keeps yet."""
    repeated: dict[Passage, Counter[str]] = {}
    unkept: list[str] = []
    for passage in undisturbed:
        at_end = passage.action in {"SUCCEED", "FAIL", "RETRY"}
        if passage.method is not None and passage.moment is Moment.AFTER:
            unkept.append(passage.method)
        elif (at_end and passage.moment is Moment.AFTER) or (
            # The next operation begins where the answer of the last one is kept; after it has
            # begun, a function that it invokes may already be at work.
            passage.action == "START" and passage.moment is Moment.BEFORE
        ):
            unkept.clear()
        is_started = passage.action == "START"
        repeated[passage] = Counter() if is_started else Counter(unkept)
    return repeated


@dataclass(frozen=True)
class Outcome:
    """What is left of a run; two runs that went the same way have equal ones."""

    status: str
    result: str | None
    error: Any
    effects: Any


@dataclass(frozen=True)
class Run:
    """A run's outcome and its calls."""

    outcome: Outcome
    calls: Counter[str]
    was_killed: bool


def wrong_runs(
    points: CrashPoints,
    undisturbed: Sequence[Passage],
    baseline: Run,
    run: Callable[[], Run],
    *,
    first: int = 0,
) -> dict[str, Any]:
    """Run once for each of the points that an undisturbed run passed; what went wrong, by point."""
    repeated = repeated_calls(undisturbed)
    wrong: dict[str, Any] = {}
    for point in undisturbed[first:]:
        points.expect(point)
        ran = run()
        expected = baseline.calls + repeated[point]
        if not ran.was_killed:
            wrong[str(point)] = "was not killed"
        elif ran.outcome != baseline.outcome:
            wrong[str(point)] = (ran.outcome, baseline.outcome)
        elif ran.calls != expected:
            wrong[str(point)] = (ran.calls, expected)
    return wrong
