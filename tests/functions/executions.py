"""Executions in AWS's in-process runner, and what they left behind."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aws_durable_execution_sdk_python.lambda_service import InvocationStatus, OperationType
from aws_durable_execution_sdk_python_testing.runner import (
    DurableFunctionTestResult,
    DurableFunctionTestRunner,
    StepOperation,
)


class KilledError(BaseException):
    """The process is gone: no `except Exception` sees it."""


@dataclass(frozen=True)
class Ended:
    """An execution that has ended."""

    result: DurableFunctionTestResult
    invocations: int

    @property
    def succeeded(self) -> bool:
        return self.result.status is InvocationStatus.SUCCEEDED

    @property
    def error_type(self) -> str | None:
        return self.result.error.type if self.result.error else None

    @property
    def value(self) -> Any:
        return json.loads(self.result.result) if self.result.result else None

    @property
    def operations(self) -> list[str | None]:
        """The names of what was checkpointed, the execution itself not among them."""
        return [
            operation.name
            for operation in self.result.operations
            if operation.operation_type is not OperationType.EXECUTION
        ]

    @property
    def retries(self) -> Counter[str | None]:
        """How often each step was repeated."""
        steps = [
            operation
            for operation in self.result.operations
            if isinstance(operation, StepOperation)
        ]
        return Counter({step.name: step.attempt - 1 for step in steps if step.attempt > 1})


def execute(handler: Callable[[Any, Any], Any], event: Any, *, timeout: int = 30) -> Ended:
    """Run one execution to its end, waits skipped."""
    invocations = 0

    def counted(invocation: Any, context: Any) -> Any:
        nonlocal invocations
        invocations += 1
        try:
            return handler(invocation, context)
        except KilledError as killed:
            # To Lambda, a process that is gone is an invocation that failed.
            raise RuntimeError("the process was killed") from killed

    with DurableFunctionTestRunner(counted) as runner:
        result: DurableFunctionTestResult = runner.run(json.dumps(event), execution_timeout=timeout)
    return Ended(result, invocations)
