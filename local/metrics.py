"""What CloudWatch would know of functions: data points of `AWS/Lambda`, by the platform's clock.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html and, for durable
executions, https://docs.aws.amazon.com/lambda/latest/dg/durable-monitoring.html
"""

import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aws_durable_execution_sdk_python_testing.execution import Execution, ExecutionStatus

from local.function_reference import FunctionReference

# Some hundred bytes each; the oldest go first.
REMEMBERED_POINTS = 100_000

# How CloudWatch calls them, and how the platform's own API does.
SUMS = {
    "Invocations": "invocations",
    "Errors": "errors",
    "Throttles": "throttles",
    "DurableExecutionStarted": "executions_started",
    "DurableExecutionSucceeded": "executions_succeeded",
    "DurableExecutionFailed": "executions_failed",
    "DurableExecutionTimedOut": "executions_timed_out",
    "DurableExecutionStopped": "executions_stopped",
}
OF_STATUS = {
    ExecutionStatus.RUNNING: "DurableExecutionStarted",
    ExecutionStatus.SUCCEEDED: "DurableExecutionSucceeded",
    ExecutionStatus.FAILED: "DurableExecutionFailed",
    ExecutionStatus.TIMED_OUT: "DurableExecutionTimedOut",
    ExecutionStatus.STOPPED: "DurableExecutionStopped",
}
RUNNING_EXECUTIONS = "ApproximateRunningDurableExecutions"


@dataclass(frozen=True, slots=True)
class DataPoint:
    """One value of one metric, as it would be put to CloudWatch."""

    timestamp: datetime
    name: str
    dimensions: Mapping[str, str]
    value: float


@dataclass(slots=True)
class Invocation:
    """One invocation while it runs, so that who runs it can say how it went."""

    # One that raised, timed out or crashed; a durable execution that failed is none.
    is_error: bool = False
    # Refused before any code ran: neither an invocation nor an error.
    is_throttled: bool = False


@dataclass(slots=True)
class _OfFunction:
    sums: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    duration_ms: float = 0.0
    # Rounded up for each invocation, as Lambda's bill is.
    billed_ms: int = 0
    running: int = 0
    peak: int = 0
    executions_running: int = 0


class Metrics:
    """Counts by function, and remembers the data points; its calls may come from any thread."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._functions: dict[str, _OfFunction] = defaultdict(_OfFunction)
        self._points: deque[DataPoint] = deque(maxlen=REMEMBERED_POINTS)
        self._lock = threading.Lock()

    @contextmanager
    def invocation(self, function: str) -> Iterator[Invocation]:
        """Count what the block does as one invocation of *function*; an exception is an error."""
        name = name_of(function)
        invocation = Invocation()
        with self._lock:
            of_function = self._functions[name]
            of_function.running += 1
            of_function.peak = max(of_function.peak, of_function.running)
            self._put("ConcurrentExecutions", name, of_function.running)
        # Not by the platform's clock: an advance is no compute.
        started = time.perf_counter()
        try:
            yield invocation
        except BaseException:
            invocation.is_error = True
            raise
        finally:
            self._invoked(name, invocation, (time.perf_counter() - started) * 1000)

    def execution_changed(self, execution: Execution, status: ExecutionStatus) -> None:
        """Count the start or the end of a durable execution."""
        name = execution.start_input.function_name
        operation = execution.get_operation_execution_started()
        with self._lock:
            self._count(OF_STATUS[status], name)
            of_function = self._functions[name]
            of_function.executions_running += 1 if status is ExecutionStatus.RUNNING else -1
            self._put(RUNNING_EXECUTIONS, name, of_function.executions_running)
            if operation.start_timestamp and operation.end_timestamp:
                took = operation.end_timestamp - operation.start_timestamp
                self._put("DurableExecutionDuration", name, took.total_seconds() * 1000)

    def of(self, function: str) -> dict[str, Any]:
        """The counts of *function*, by name or ARN: all zero where it never ran."""
        name = name_of(function)
        with self._lock:
            of_function = self._functions.get(name, _OfFunction())
            return {
                "function": name,
                **{ours: int(of_function.sums.get(theirs, 0)) for theirs, ours in SUMS.items()},
                "executions_running": of_function.executions_running,
                "duration_ms": round(of_function.duration_ms, 3),
                "billed_ms": of_function.billed_ms,
                "concurrent_invocations": of_function.running,
                "concurrent_invocations_peak": of_function.peak,
            }

    def functions(self) -> list[str]:
        """The functions that anything is known of."""
        with self._lock:
            return sorted(self._functions)

    def points(
        self, name: str | None = None, dimensions: Mapping[str, str] | None = None
    ) -> list[DataPoint]:
        """The data points of a metric that are remembered, oldest first."""
        with self._lock:
            return [
                point
                for point in self._points
                if name in (None, point.name) and dimensions in (None, point.dimensions)
            ]

    def _invoked(self, name: str, invocation: Invocation, milliseconds: float) -> None:
        with self._lock:
            of_function = self._functions[name]
            of_function.running -= 1
            if invocation.is_throttled:
                self._count("Throttles", name)
                return
            self._count("Invocations", name)
            if invocation.is_error:
                self._count("Errors", name)
            of_function.duration_ms += milliseconds
            of_function.billed_ms += math.ceil(milliseconds)
            self._put("Duration", name, milliseconds)

    def _count(self, metric: str, function: str) -> None:
        self._functions[function].sums[metric] += 1
        self._put(metric, function, 1)

    def _put(self, metric: str, function: str, value: float) -> None:
        dimensions = {"FunctionName": function}
        self._points.append(DataPoint(self._now(), metric, dimensions, value))


def name_of(function: str) -> str:
    """The name in a function's name, qualified name or ARN."""
    reference = FunctionReference.parse(function)
    return function if reference is None else reference.name
