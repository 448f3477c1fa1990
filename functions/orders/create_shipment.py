"""The durable service function `create-shipment`: has an order shipped, or cancels that."""

from collections.abc import Mapping
from typing import Any

from aws_durable_execution_sdk_python import DurableContext
from aws_durable_execution_sdk_python.config import Duration

from functions.orders.durable_service import durable_service
from functions.orders.fulfillment import ShipmentCancelledError
from functions.orders.inventory import Reservation
from functions.orders.order_run import OrderRun
from functions.orders.service_errors import UnknownActionError
from functions.orders.shipment_steps import CANCELLING, SHIPPING, cancel, create, find

# How long the carrier takes to put a shipment into its own books.
CONFIRMING = Duration.from_seconds(2)


@durable_service
def handler(event: Mapping[str, Any], context: DurableContext) -> dict[str, Any]:
    """Have the reserved stock shipped and wait until the carrier has it, or cancel it."""
    run = OrderRun.from_event(event)
    match event["action"]:
        case "create":
            reservation = Reservation.from_event(event["reservation"])
            context.step(
                create(run, event["customer_id"], reservation),
                name="create-shipment",
                config=SHIPPING,
            )
            context.wait(CONFIRMING, name="await-carrier")
            shipment = context.step(find(run), name="find-shipment", config=SHIPPING)
            if shipment is None:
                raise ShipmentCancelledError("the carrier has no shipment of the order any more")
            return shipment.to_event()
        case "cancel":
            # Not with patience, which is the caller's.
            cancelled = cancel(run, CANCELLING).perform(context)
            return {"cancelled": cancelled is not None}
    raise UnknownActionError("create-shipment can create and cancel")
