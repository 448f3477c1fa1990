"""The durable service function `process-payment`: takes an order's money, or gives it back."""

from collections.abc import Mapping
from typing import Any

from aws_durable_execution_sdk_python import DurableContext
from aws_durable_execution_sdk_python.config import Duration

from functions.orders.durable_service import durable_service
from functions.orders.order import Money
from functions.orders.order_run import OrderRun
from functions.orders.payment_steps import PAYING, authorize, capture, refund, void
from functions.orders.service_errors import UnknownActionError

# What the bank asks for between holding money and taking it.
SETTLING = Duration.from_seconds(2)


@durable_service
def handler(event: Mapping[str, Any], context: DurableContext) -> dict[str, Any]:
    """Charge the customer, or undo whatever came of it."""
    run = OrderRun.from_event(event)
    match event["action"]:
        case "charge":
            money = Money(event["amount"], event["currency"])
            context.step(
                authorize(run, event["customer_id"], money), name="authorize-payment", config=PAYING
            )
            context.wait(SETTLING, name="settle")
            status = context.step(capture(run), name="capture-payment", config=PAYING)
            return {"status": status}
        case "refund":
            # Not with patience, which is the caller's.
            refunded = refund(run, PAYING).perform(context)
            voided = void(run, PAYING).perform(context)
            return {"refunded": refunded is not None, "voided": voided is not None}
    raise UnknownActionError("process-payment can charge and refund")
