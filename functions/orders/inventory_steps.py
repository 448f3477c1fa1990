"""What an order does to the stock, as durable steps."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from aws_durable_execution_sdk_python import StepContext
from aws_durable_execution_sdk_python.config import StepConfig

from functions.orders import inventory_service
from functions.orders.inventory import Reservation
from functions.orders.order import OrderItem
from functions.orders.order_run import OrderRun
from functions.orders.saga import Undo, undo_step
from functions.shared.records import RecordSerDes
from functions.shared.retries import BRIEFLY

RESERVING = StepConfig(retry_strategy=BRIEFLY, serdes=RecordSerDes(Reservation))
COMMITTING = StepConfig(retry_strategy=BRIEFLY)


def reserve(run: OrderRun, items: Sequence[OrderItem]) -> Callable[[StepContext], Reservation]:
    def reserve(_step: StepContext) -> Reservation:
        return inventory_service.inventory.reserve(run, items, datetime.now(UTC))

    return reserve


def commit(run: OrderRun) -> Callable[[StepContext], None]:
    def commit(_step: StepContext) -> None:
        inventory_service.inventory.commit(run)

    return commit


def release(run: OrderRun) -> Undo:
    def release(_step: StepContext) -> bool:
        return inventory_service.inventory.release(run)

    return undo_step(release, name="release-inventory", undone="stock released")
