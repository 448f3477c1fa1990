"""The ledger of an execution refuses what Lambda's quotas refuse, and counts what Lambda counts."""

import pytest
from aws_durable_execution_sdk_python.lambda_service import (
    ErrorObject,
    OperationAction,
    OperationType,
    OperationUpdate,
)
from aws_durable_execution_sdk_python_testing.exceptions import InvalidParameterValueException

from local.execution_limits import MAX_OPERATION_BYTES, ExecutionUsage


def _update(
    operation_id: str = "1",
    action: OperationAction = OperationAction.SUCCEED,
    payload: str | None = None,
    error: ErrorObject | None = None,
) -> OperationUpdate:
    return OperationUpdate(
        operation_id=operation_id,
        operation_type=OperationType.STEP,
        action=action,
        payload=payload,
        error=error,
    )


def test_the_execution_itself_is_the_first_operation() -> None:
    assert ExecutionUsage().operations == 1


def test_a_step_is_one_operation_and_each_further_attempt_another() -> None:
    usage = ExecutionUsage().after(
        [
            _update(action=OperationAction.START),
            _update(action=OperationAction.RETRY),
            _update(action=OperationAction.SUCCEED),
        ]
    )

    assert usage.operations == 3


def test_a_repeated_invocation_is_an_operation() -> None:
    assert ExecutionUsage().after_failed_invocation().operations == 2


def test_a_payload_is_counted_in_bytes_and_not_in_characters() -> None:
    at_limit = "é" * (MAX_OPERATION_BYTES // 2)

    assert ExecutionUsage().after([_update(payload=at_limit)]).bytes_written == MAX_OPERATION_BYTES
    with pytest.raises(InvalidParameterValueException):
        ExecutionUsage().after([_update(payload=at_limit + "x")])


def test_an_error_counts_with_all_its_texts() -> None:
    error = ErrorObject(message="ab", type="cd", data="ef", stack_trace=["gh", "ij"])

    assert ExecutionUsage().after([_update(error=error)]).bytes_written == 10


def test_the_hundredth_megabyte_is_accepted_and_no_byte_more() -> None:
    usage = ExecutionUsage()
    quarter = "x" * MAX_OPERATION_BYTES
    for number in range(400):
        usage = usage.after([_update(str(number), payload=quarter)])

    assert usage.bytes_written == 100 * 1024 * 1024
    with pytest.raises(InvalidParameterValueException):
        usage.after([_update("last", payload="x")])


def test_a_refused_checkpoint_leaves_the_ledger_as_it_was() -> None:
    full = ExecutionUsage().after([_update(str(number)) for number in range(2_999)])

    with pytest.raises(InvalidParameterValueException):
        full.after([_update("one more")])

    assert full.operations == 3_000
