"""What an order does to the customer's money, as durable steps.

A step keeps where the money is and nothing else: the amount is in the payment's own record.
"""

from collections.abc import Callable

from aws_durable_execution_sdk_python import StepContext
from aws_durable_execution_sdk_python.config import StepConfig

from functions.orders import payment_service
from functions.orders.order import Money
from functions.orders.order_run import OrderRun
from functions.orders.saga import UNDOING, Undo, undo_step
from functions.shared.retries import BRIEFLY

PAYING = StepConfig(retry_strategy=BRIEFLY)


def charge(run: OrderRun, customer_id: str, money: Money) -> Callable[[StepContext], str]:
    def charge(_step: StepContext) -> str:
        return payment_service.payments.charge(run, customer_id, money).value

    return charge


def authorize(run: OrderRun, customer_id: str, money: Money) -> Callable[[StepContext], str]:
    def authorize(_step: StepContext) -> str:
        return payment_service.payments.authorize(run, customer_id, money).value

    return authorize


def capture(run: OrderRun) -> Callable[[StepContext], str]:
    def capture(_step: StepContext) -> str:
        return payment_service.payments.capture(run).value

    return capture


def refund(run: OrderRun, config: StepConfig = UNDOING) -> Undo:
    def refund(_step: StepContext) -> bool:
        return payment_service.payments.refund(run)

    return undo_step(refund, name="refund-charge", undone="charge refunded", config=config)


def void(run: OrderRun, config: StepConfig = UNDOING) -> Undo:
    def void(_step: StepContext) -> bool:
        return payment_service.payments.void(run)

    return undo_step(void, name="void-authorization", undone="authorization voided", config=config)
