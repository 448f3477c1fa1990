"""The service functions as a workflow calls them: one durable invoke, repeated where it got lost.

An invoke can end without an answer of the service: the function crashed, ran into its timeout, was
throttled. Asking again is safe, because a service knows the order and does nothing twice. The
patience is here and not in the functions: a service that took long would take the time that its
order needs to undo what the others did.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from aws_durable_execution_sdk_python import DurableContext, InvokeError
from aws_durable_execution_sdk_python.config import Duration

from functions.orders.inventory import Reservation
from functions.orders.order import Order
from functions.orders.order_run import OrderRun
from functions.orders.patience import BRIEFLY, PATIENTLY
from functions.orders.saga import Undo
from functions.orders.service_errors import is_last_word, is_refusal
from functions.shared import names


@dataclass(frozen=True, slots=True)
class Settings:
    """The aliases of the service functions."""

    validate_customer_arn: str
    check_inventory_arn: str
    process_payment_arn: str
    create_shipment_arn: str

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        return cls(
            validate_customer_arn=environ[names.VALIDATE_CUSTOMER_ARN],
            check_inventory_arn=environ[names.CHECK_INVENTORY_ARN],
            process_payment_arn=environ[names.PROCESS_PAYMENT_ARN],
            create_shipment_arn=environ[names.CREATE_SHIPMENT_ARN],
        )


settings = Settings.from_environ(os.environ)


@dataclass(frozen=True, slots=True)
class ServiceCall:
    """Which function is asked for what."""

    function_arn: str
    event: dict[str, Any]


def call(
    context: DurableContext,
    asked: ServiceCall,
    *,
    name: str,
    pauses: tuple[int, ...] = BRIEFLY,
    is_final: Callable[[str], bool] = is_last_word,
) -> dict[str, Any]:
    """What the service answers; a final error at once, any other one after the last pause.

    Raises:
        InvokeError: Its `error_type` says what went wrong.
    """
    for seconds in pauses:
        try:
            return context.invoke(asked.function_arn, asked.event, name=name)
        except InvokeError as error:
            if is_final(error.error_type):
                raise
            context.wait(Duration.from_seconds(seconds), name="pause-before-repeat")
    return context.invoke(asked.function_arn, asked.event, name=name)


def validate(run: OrderRun, order: Order) -> ServiceCall:
    event = run.to_event() | {"customer_id": order.customer_id}
    return ServiceCall(settings.validate_customer_arn, event)


def reserve(run: OrderRun, order: Order) -> ServiceCall:
    event = {"action": "reserve", "items": [asdict(item) for item in order.items]}
    return ServiceCall(settings.check_inventory_arn, run.to_event() | event)


def commit(run: OrderRun) -> ServiceCall:
    return ServiceCall(settings.check_inventory_arn, run.to_event() | {"action": "commit"})


def charge(run: OrderRun, order: Order) -> ServiceCall:
    event = {"action": "charge", "customer_id": order.customer_id, **asdict(order.total)}
    return ServiceCall(settings.process_payment_arn, run.to_event() | event)


def ship(run: OrderRun, order: Order, reservation: Reservation) -> ServiceCall:
    event = {
        "action": "create",
        "customer_id": order.customer_id,
        "reservation": reservation.to_event(),
    }
    return ServiceCall(settings.create_shipment_arn, run.to_event() | event)


def release(run: OrderRun) -> Undo:
    asked = ServiceCall(settings.check_inventory_arn, run.to_event() | {"action": "release"})
    return _undo_call(asked, name="release-inventory", words={"released": "stock released"})


def refund(run: OrderRun) -> Undo:
    """Also where the money is only held."""
    asked = ServiceCall(settings.process_payment_arn, run.to_event() | {"action": "refund"})
    words = {"refunded": "charge refunded", "voided": "authorization voided"}
    return _undo_call(asked, name="refund-payment", words=words)


def cancel(run: OrderRun) -> Undo:
    asked = ServiceCall(settings.create_shipment_arn, run.to_event() | {"action": "cancel"})
    return _undo_call(asked, name="cancel-shipment", words={"cancelled": "shipment cancelled"})


def _undo_call(asked: ServiceCall, *, name: str, words: Mapping[str, str]) -> Undo:
    """An undo that is one call; *words* say what each part of the answer means."""

    def perform(context: DurableContext) -> str | None:
        answer = call(context, asked, name=name, pauses=PATIENTLY, is_final=is_refusal)
        return ", ".join(text for key, text in words.items() if answer[key]) or None

    return Undo(name, perform)
