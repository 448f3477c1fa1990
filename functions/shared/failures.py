"""Why a workflow failed, in the words that go into the job's row."""

from aws_durable_execution_sdk_python import DurableContext
from aws_durable_execution_sdk_python.exceptions import DurableOperationError, SerDesError
from aws_durable_execution_sdk_python.lambda_service import OperationStatus
from aws_durable_execution_sdk_python.state import CheckpointedResult

from functions.shared.errors import error_code
from functions.shared.job import (
    MAX_ERROR_MESSAGE_BYTES,
    MAX_UNDONE,
    MAX_UNDONE_BYTES,
    JobError,
    cut,
)
from functions.shared.redaction import redact_text


def code_of(error: BaseException) -> str:
    """The code of what went wrong.

    An error that left a step has lost its class; the SDK keeps the qualified name.
    """
    if isinstance(error, DurableOperationError | SerDesError):
        return error_code(error.error_type, error.message)
    return error_code(type(error).__name__, str(error))


def describe(error: Exception, context: DurableContext) -> JobError:
    """The code and message of what went wrong, the durable step it went wrong in, what was undone.

    What was undone is told by the notes on the error (PEP 678).
    """
    message = cut(redact_text(str(error) or type(error).__name__), MAX_ERROR_MESSAGE_BYTES)
    step = None
    if isinstance(error, DurableOperationError | SerDesError):
        step = _failed_operation(error.error_type, error.message, context)
    return JobError(code_of(error), message, step, _undone(error))


def _undone(error: Exception) -> tuple[str, ...]:
    notes: list[str] = getattr(error, "__notes__", [])
    return tuple(cut(redact_text(note), MAX_UNDONE_BYTES) for note in notes[:MAX_UNDONE])


def _failed_operation(error_type: str, message: str | None, context: DurableContext) -> str | None:
    """The name of the operation that failed with this error.

    The last one to be started is the innermost: a child context fails with the error of
    the step inside it.
    """
    found = None
    for operation in context.state.operations.values():
        error = CheckpointedResult.create_from_operation(operation).error
        if (
            operation.status is OperationStatus.FAILED
            and error is not None
            and (error.type, error.message) == (error_type, message)
        ):
            found = operation.name
    return found
