"""What an execution has used of what Lambda meters: operations, and bytes of checkpoints."""

from dataclasses import dataclass
from typing import Self

from aws_durable_execution_sdk_python import DurableContext
from aws_durable_execution_sdk_python.lambda_service import (
    CallbackDetails,
    ContextDetails,
    ErrorObject,
    Operation,
    OperationStatus,
    StepDetails,
)

_DONE = (OperationStatus.SUCCEEDED, OperationStatus.FAILED)


@dataclass(frozen=True, slots=True)
class ExecutionUsage:
    """Of one execution, or of several together.

    *checkpoint_bytes* are those that the execution lets AWS store: results and errors, without
    what the SDK sends around them, and without what executions say that it invoked. *repetitions*
    are of steps, and among the operations.
    """

    operations: int = 0
    checkpoint_bytes: int = 0
    repetitions: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.operations + other.operations,
            self.checkpoint_bytes + other.checkpoint_bytes,
            self.repetitions + other.repetitions,
        )


def usage_of(context: DurableContext, *, without: str | None = None) -> ExecutionUsage:
    """What was used so far: each operation, and each repetition of a step, counts one.

    The operation named *without* is left out. Of a step that was repeated only the last error is
    known, and each is counted as long as that.
    """
    known = list(context.state.operations.values())
    operations = [operation for operation in known if without is None or operation.name != without]
    repetitions = sum(map(_repetitions, operations))
    return ExecutionUsage(
        len(operations) + repetitions, sum(map(_stored_bytes, operations)), repetitions
    )


def repetitions_begun(context: DurableContext) -> int:
    """How often steps were or are to be repeated, those under way among them."""
    return sum(map(_begun, context.state.operations.values()))


def _begun(operation: Operation) -> int:
    """Of a step that is not done, the attempts that AWS knows have failed."""
    details = operation.step_details
    if details is None or operation.status in _DONE:
        return _repetitions(operation)
    return details.attempt


def _repetitions(operation: Operation) -> int:
    details = operation.step_details
    return max(details.attempt - 1, 0) if details is not None else 0


def _stored_bytes(operation: Operation) -> int:
    known: list[StepDetails | ContextDetails | CallbackDetails | None] = [
        operation.step_details,
        operation.context_details,
        operation.callback_details,
    ]
    details = next((found for found in known if found is not None), None)
    if details is None:
        return 0
    error = _error_bytes(details.error) * max(_repetitions(operation), 1)
    return len((details.result or "").encode()) + error


def _error_bytes(error: ErrorObject | None) -> int:
    if error is None:
        return 0
    texts = (error.message, error.type, error.data, *(error.stack_trace or ()))
    return sum(len(text.encode()) for text in texts if text)
