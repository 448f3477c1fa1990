"""How few calls a tree takes, and what stands where something cannot be read."""

from typing import Any

import botocore.session
import pytest

from jobctl.execution_history import (
    LAST_EVENTS,
    MAX_CALLS,
    MAX_DEPTH,
    MAX_PAGES,
    PAGE,
    ExecutionHistory,
)
from jobctl.execution_tree import Execution, Operation, Status, Unread
from tests.jobctl.histories import (
    FUNCTION,
    PARENT,
    PAYMENT,
    FakeLambda,
    Story,
    order_that_is_declined,
)


def read(fake: FakeLambda, arn: str = PARENT) -> Execution | Unread:
    lambda_: Any = fake
    return ExecutionHistory(lambda_).read(arn)


def child(execution: Execution | Unread | None, name: str) -> Execution | Unread | None:
    assert isinstance(execution, Execution)
    return next(
        operation.child
        for operation in execution.operations
        if isinstance(operation, Operation) and operation.name == name
    )


def test_a_chained_child_brings_its_own_operations_along() -> None:
    payment = child(read(FakeLambda(order_that_is_declined())), "process-payment")

    assert isinstance(payment, Execution)
    [authorize] = payment.operations
    assert isinstance(authorize, Operation)
    assert (authorize.name, authorize.status) == ("authorize-payment", Status.FAILED)
    assert (authorize.attempts, authorize.error) == (2, "payment_declined")


def test_a_history_in_which_nothing_failed_is_read_without_data_in_one_call() -> None:
    fake = FakeLambda({PARENT: Story().happens("ExecutionStarted").step("claim").events})

    read(fake)

    [request] = fake.requests
    assert request == {
        "DurableExecutionArn": PARENT,
        "MaxItems": PAGE,
        "IncludeExecutionData": False,
    }


def test_codes_that_were_left_out_with_the_data_are_looked_up_at_the_end() -> None:
    fake = FakeLambda(order_that_is_declined())

    execution = read(fake, PAYMENT)

    assert isinstance(execution, Execution)
    assert execution.error == "payment_declined"
    assert [request["IncludeExecutionData"] for request in fake.requests] == [False, True]


def test_every_request_is_one_that_lambda_takes() -> None:
    fake = FakeLambda(order_that_is_declined())
    model = botocore.session.get_session().get_service_model("lambda")
    taken = model.operation_model("GetDurableExecutionHistory").input_shape
    assert taken is not None

    read(fake)

    assert all(request.keys() <= taken.members.keys() for request in fake.requests)


def test_of_a_long_history_the_beginning_and_the_end_are_read_and_it_says_so() -> None:
    story = Story(pause=0.01).happens("ExecutionStarted")
    for number in range(2_500):
        story.step(f"step-{number}")
    story.happens("StepStarted", "last")
    fake = FakeLambda({PARENT: story.events})

    execution = read(fake)

    assert isinstance(execution, Execution)
    assert len(fake.requests) == MAX_PAGES + 1
    assert execution.unread_events == len(story.events) - MAX_PAGES * PAGE - LAST_EVENTS
    last = execution.operations[-1]
    assert isinstance(last, Operation)
    assert (last.name, last.status) == ("last", Status.RUNNING)


def test_a_tree_takes_no_more_calls_than_a_second_has() -> None:
    children = {f"{PAYMENT}{number}": Story().happens("ExecutionStarted") for number in range(20)}
    story = Story().happens("ExecutionStarted")
    for arn in children:
        story.invoke(f"pay-{arn[-2:]}", f"{FUNCTION}:Pay:live", arn)
    fake = FakeLambda({PARENT: story.events} | {arn: of.events for arn, of in children.items()})

    execution = read(fake)

    assert len(fake.requests) == MAX_CALLS
    assert isinstance(execution, Execution)
    last = execution.operations[-1]
    assert isinstance(last, Operation)
    assert last.child == Unread(f"not read: {MAX_CALLS} calls were made")


def test_a_function_that_invokes_itself_is_followed_so_deep_and_no_deeper() -> None:
    story = Story().happens("ExecutionStarted").invoke("again", f"{FUNCTION}:Self:live", PARENT)
    fake = FakeLambda({PARENT: story.events})

    found: Execution | Unread | None = read(fake)

    assert len(fake.requests) == MAX_DEPTH
    for _ in range(MAX_DEPTH):
        found = child(found, "again")
    assert found == Unread(f"not read: more than {MAX_DEPTH} deep")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("AccessDeniedException", "no right to read its history"),
        ("ResourceNotFoundException", "its history is gone"),
        ("TooManyRequestsException", "wait a little, then do the same again"),
        ("InvalidParameterValueException", "InvalidParameterValueException: no"),
        ("ServiceException", "ServiceException: no"),
    ],
)
def test_what_cannot_be_read_says_why_in_its_place(code: str, reason: str) -> None:
    histories = order_that_is_declined()

    whole = read(FakeLambda(histories, {PARENT: code}))
    part = child(read(FakeLambda(histories, {PAYMENT: code})), "process-payment")

    assert isinstance(whole, Unread)
    assert reason in whole.reason
    assert "\n" not in whole.reason
    assert part == whole


def test_it_tells_of_each_call_before_it_is_made() -> None:
    told: list[str] = []
    lambda_: Any = FakeLambda(order_that_is_declined())

    ExecutionHistory(lambda_, told.append).read(PAYMENT)

    assert told == ["reading the execution, call 1", "reading the execution, call 2"]
