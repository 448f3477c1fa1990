"""Whether an order can be taken at all, as one durable step: its items and its customer."""

from collections.abc import Callable

from aws_durable_execution_sdk_python import StepContext
from aws_durable_execution_sdk_python.config import StepConfig

from functions.orders import customer_service, inventory_service
from functions.orders.customers import InvalidCustomerError
from functions.orders.order import ProposedOrder, item_problem
from functions.orders.outcome import Rejected
from functions.shared.records import RecordSerDes
from functions.shared.retries import BRIEFLY

VALIDATING = StepConfig(retry_strategy=BRIEFLY, serdes=RecordSerDes(Rejected))


def validate(order: ProposedOrder) -> Callable[[StepContext], Rejected | None]:
    """Say why the order is turned down; None where it is not."""

    def validate(_step: StepContext) -> Rejected | None:
        problem = item_problem(order) or _unknown_sku(order)
        if problem is not None:
            return Rejected("invalid_items", problem)
        try:
            customer_service.customers.validate(order.customer_id)
        except InvalidCustomerError as error:
            return Rejected("invalid_customer", str(error))
        return None

    return validate


def _unknown_sku(order: ProposedOrder) -> str | None:
    unknown = set(inventory_service.inventory.unknown_skus([item.sku for item in order.items]))
    positions = [f"items[{at}]" for at, item in enumerate(order.items) if item.sku in unknown]
    return f"no warehouse knows the sku of {', '.join(positions)}" if positions else None
