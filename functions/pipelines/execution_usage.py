"""What an execution has used of what Lambda meters: operations, and bytes of checkpoints."""

from dataclasses import dataclass
from typing import Self

from aws_durable_execution_sdk_python import DurableContext
from aws_durable_execution_sdk_python.lambda_service import Operation


@dataclass(frozen=True, slots=True)
class ExecutionUsage:
    """Of one execution, or of several together."""

    operations: int = 0
    checkpoint_bytes: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.operations + other.operations, self.checkpoint_bytes + other.checkpoint_bytes
        )


def usage_of(context: DurableContext, *, without: str | None = None) -> ExecutionUsage:
    """What was used so far: each operation, and each repetition of a step, counts one.

    The operation named *without* is left out.
    """
    known = list(context.state.operations.values())
    operations = [operation for operation in known if without is None or operation.name != without]
    return ExecutionUsage(
        sum(1 + _repetitions(operation) for operation in operations),
        sum(map(_payload_bytes, operations)),
    )


def _repetitions(operation: Operation) -> int:
    details = operation.step_details
    return max(details.attempt - 1, 0) if details is not None else 0


def _payload_bytes(operation: Operation) -> int:
    for details in (
        operation.step_details,
        operation.context_details,
        operation.chained_invoke_details,
    ):
        if details is not None and details.result is not None:
            return len(details.result)
    return 0
