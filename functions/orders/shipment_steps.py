"""What an order asks of the carrier, as durable steps."""

from collections.abc import Callable
from datetime import UTC, datetime

from aws_durable_execution_sdk_python import StepContext
from aws_durable_execution_sdk_python.config import StepConfig

from functions.orders import shipment_service
from functions.orders.fulfillment import Shipment
from functions.orders.inventory import Reservation
from functions.orders.order_run import OrderRun
from functions.orders.saga import UNDOING, Undo, undo_step
from functions.shared.records import RecordSerDes
from functions.shared.retries import BRIEFLY

SHIPPING = StepConfig(retry_strategy=BRIEFLY, serdes=RecordSerDes(Shipment))
CANCELLING = StepConfig(retry_strategy=BRIEFLY)


def create(
    run: OrderRun, customer_id: str, reservation: Reservation
) -> Callable[[StepContext], Shipment]:
    def create(_step: StepContext) -> Shipment:
        now = datetime.now(UTC)
        return shipment_service.fulfillment.create(run, customer_id, reservation, now)

    return create


def find(run: OrderRun) -> Callable[[StepContext], Shipment | None]:
    def find(_step: StepContext) -> Shipment | None:
        return shipment_service.fulfillment.find(run)

    return find


def cancel(run: OrderRun, config: StepConfig = UNDOING) -> Undo:
    def cancel(_step: StepContext) -> bool:
        return shipment_service.fulfillment.cancel(run)

    return undo_step(cancel, name="cancel-shipment", undone="shipment cancelled", config=config)
