"""Executions in AWS's in-process runner, and what they left behind."""

import functools
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aws_durable_execution_sdk_python.lambda_service import InvocationStatus, OperationType
from aws_durable_execution_sdk_python_testing.runner import (
    DurableFunctionTestResult,
    DurableFunctionTestRunner,
    StepOperation,
)


class KilledError(BaseException):
    """The process is gone: no `except Exception` sees it."""


Handler = Callable[[Any, Any], Any]

# How Lambda calls the end of a process that left without a word.
ExitError = type("ExitError", (Exception,), {"__module__": "Runtime"})


@dataclass(frozen=True)
class Callees:
    """The functions that an execution may invoke, by name."""

    durable: Mapping[str, Handler] = field(default_factory=dict)
    plain: Mapping[str, Handler] = field(default_factory=dict)


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


def execute(
    handler: Handler,
    event: Any,
    *,
    callees: Callees | None = None,
    timeout: int = 30,
    run: Callable[[DurableFunctionTestRunner, str], DurableFunctionTestResult] | None = None,
) -> Ended:
    """Run one execution to its end, waits skipped; *run* may play a part in it."""
    invocations = 0

    def counted(invocation: Any, context: Any) -> Any:
        nonlocal invocations
        invocations += 1
        return mortal(invocation, context)

    mortal = _mortal(handler)
    callees = callees or Callees()
    # The region of the aliases in the tests' environment.
    with DurableFunctionTestRunner(counted, region="eu-west-1") as runner:
        for name, durable in callees.durable.items():
            runner.register_durable_function(name, _mortal(durable))
        for name, plain in callees.plain.items():
            runner.register_function(name, _mortal(plain))
        result: DurableFunctionTestResult = (
            run(runner, json.dumps(event))
            if run
            else runner.run(json.dumps(event), execution_timeout=timeout)
        )
    return Ended(result, invocations)


def _mortal(handler: Handler) -> Handler:
    """To Lambda, a process that is gone is an invocation that failed."""

    @functools.wraps(handler)
    def invoke(event: Any, context: Any) -> Any:
        try:
            return handler(event, context)
        except KilledError:
            raise ExitError("the process was killed") from None

    return invoke
