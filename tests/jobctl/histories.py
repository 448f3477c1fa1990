"""Histories of durable executions as Lambda answers them, and a Lambda that has some of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

BEGAN = datetime(2026, 1, 31, 9, tzinfo=UTC)
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function"
PARENT = f"{FUNCTION}:Orders-dev-OrderOrchestration:7/durable-execution/order-1-1/9e3f"
PAYMENT = f"{FUNCTION}:Orders-dev-ProcessPayment:3/durable-execution/4b1d/77aa"
# What must not be seen: the input, the result or the message of an operation.
CANARY = "cAnArY7q3"


@dataclass
class Story:
    """Builds a history event by event; each happens *pause* seconds after the one before."""

    pause: float = 1.0
    events: list[dict[str, Any]] = field(default_factory=list)

    def happens(self, event_type: str, name: str = "", **members: Any) -> "Story":
        """Add an event; *details* become its details, `Id` is the name unless given."""
        details = members.pop("details", {})
        number = len(self.events) + 1
        event = {
            "EventType": event_type,
            "EventId": number,
            "EventTimestamp": BEGAN + timedelta(seconds=self.pause * (number - 1)),
            f"{event_type}Details": details,
            **({"Name": name, "Id": f"id of {name}"} if name else {}),
            **members,
        }
        self.events.append(event)
        return self

    def step(self, name: str, **members: Any) -> "Story":
        self.happens("StepStarted", name, SubType="Step", **members)
        result = {"Result": {"Payload": CANARY}}
        return self.happens("StepSucceeded", name, SubType="Step", details=result, **members)

    def invoke(self, name: str, function: str, child_arn: str | None = None) -> "Story":
        details: dict[str, Any] = {"FunctionName": function, "Input": {"Payload": CANARY}}
        if child_arn is not None:
            details["DurableExecutionArn"] = child_arn
        return self.happens("ChainedInvokeStarted", name, SubType="ChainedInvoke", details=details)


def error(error_type: str, **details: Any) -> dict[str, Any]:
    return {"Error": {"Payload": {"ErrorType": error_type, "ErrorMessage": CANARY}}, **details}


def order_that_is_declined() -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """An orchestration whose payment is declined, and the payment's own execution."""
    declined = error("functions.orders.payments.PaymentDeclinedError")
    parent = Story().happens("ExecutionStarted", "order-1-1").step("claim")
    parent.invoke("check-inventory", f"{FUNCTION}:Orders-dev-CheckInventory:live")
    parent.happens("ChainedInvokeSucceeded", "check-inventory")
    parent.invoke("process-payment", f"{FUNCTION}:Orders-dev-ProcessPayment:live", PAYMENT)
    parent.happens("InvocationCompleted")
    parent.happens("ChainedInvokeFailed", "process-payment", details=declined)
    parent.step("record-failed").happens("InvocationCompleted")
    parent.happens("ExecutionFailed", "order-1-1", details=declined)
    child = Story().happens("ExecutionStarted", "4b1d")
    timeout = error(
        "TimeoutError", RetryDetails={"CurrentAttempt": 1, "NextAttemptDelaySeconds": 2}
    )
    child.happens("StepStarted", "authorize-payment")
    child.happens("StepFailed", "authorize-payment", details=timeout)
    child.happens("StepStarted", "authorize-payment")
    child.happens(
        "StepFailed",
        "authorize-payment",
        details=declined | {"RetryDetails": {"CurrentAttempt": 2}},
    )
    child.happens("ExecutionFailed", "4b1d", details=declined)
    return {PARENT: parent.events, PAYMENT: child.events}


@dataclass
class FakeLambda:
    """Answers `GetDurableExecutionHistory` in pages, and remembers what it was asked."""

    histories: Mapping[str, Sequence[Mapping[str, Any]]]
    refusals: Mapping[str, str] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)

    def get_durable_execution_history(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        arn = request["DurableExecutionArn"]
        code = self.refusals.get(arn)
        if code is None and arn not in self.histories:
            code = "ResourceNotFoundException"
        if code is not None:
            answer: Any = {"Error": {"Code": code, "Message": "no"}}
            raise ClientError(answer, "GetDurableExecutionHistory")
        events = list(self.histories[arn])
        if request.get("ReverseOrder"):
            events.reverse()
        start = int(request.get("Marker", 0))
        end = start + request["MaxItems"]
        if not request["IncludeExecutionData"]:
            events = [_without_data(event) for event in events]
        more = {"NextMarker": str(end)} if end < len(events) else {}
        return {"Events": events[start:end], **more}


def _without_data(event: Mapping[str, Any]) -> dict[str, Any]:
    """As when Lambda leaves out errors too."""
    name = f"{event['EventType']}Details"
    hidden = {"Input", "Result", "Error"}
    details = {key: value for key, value in event[name].items() if key not in hidden}
    return {**event, name: details}
