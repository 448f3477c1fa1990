"""What a durable execution may write, as AWS limits it and the testing engine does not.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from aws_durable_execution_sdk_python.lambda_service import OperationAction, OperationUpdate
from aws_durable_execution_sdk_python_testing.exceptions import InvalidParameterValueException

MAX_OPERATIONS = 3_000
MAX_BYTES_WRITTEN = 100 * 1024 * 1024

# Half-way through 2026 AWS's model says 1 MB, its guide still 256 KB; what runs locally
# must run in AWS on either day.
MAX_OPERATION_BYTES = 256 * 1024

MAX_EVENT_BYTES = 1024 * 1024
MAX_REQUEST_BYTES = 6 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ExecutionUsage:
    """What one execution has used: a ledger, so that a checkpoint is judged by its own size."""

    operation_ids: frozenset[str] = frozenset()
    # Each further attempt of a step, and each repeated invocation, counts as an operation.
    repeats: int = 0
    bytes_written: int = 0

    @property
    def operations(self) -> int:
        # The execution itself is the first.
        return 1 + len(self.operation_ids) + self.repeats

    def after(self, updates: Iterable[OperationUpdate]) -> "ExecutionUsage":
        """The ledger with *updates* counted in.

        Raises:
            InvalidParameterValueException: One is too large, or together they are too many.
        """
        updates = list(updates)
        for update in updates:
            if size_of(update) > MAX_OPERATION_BYTES:
                raise InvalidParameterValueException(
                    f"Payload of operation {update.operation_id} is larger than the limit of "
                    f"{MAX_OPERATION_BYTES} bytes"
                )
        following = ExecutionUsage(
            self.operation_ids | {update.operation_id for update in updates},
            self.repeats + sum(update.action is OperationAction.RETRY for update in updates),
            self.bytes_written + sum(map(size_of, updates)),
        )
        if following.operations > MAX_OPERATIONS:
            raise InvalidParameterValueException(
                f"The execution is over its limit of {MAX_OPERATIONS} operations"
            )
        if following.bytes_written > MAX_BYTES_WRITTEN:
            raise InvalidParameterValueException(
                f"The execution is over its limit of {MAX_BYTES_WRITTEN} bytes written"
            )
        return following

    def after_failed_invocation(self) -> "ExecutionUsage":
        return replace(self, repeats=self.repeats + 1)


def size_of(update: OperationUpdate) -> int:
    """The bytes of an update that AWS counts: its payload and its error."""
    size = len((update.payload or "").encode())
    if update.error is not None:
        error = update.error
        size += sum(
            len(text.encode())
            for text in (error.message, error.type, error.data, *(error.stack_trace or ()))
            if text
        )
    return size
