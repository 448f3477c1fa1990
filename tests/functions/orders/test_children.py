"""The four service functions by themselves, and what of their errors arrives at a caller."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from functions.orders import (  # noqa: F401  # whose errors are looked through
    allocation,
    check_inventory,
    create_shipment,
    customers,
    fulfillment,
    inventory,
    inventory_service,
    order_run,
    payments,
    process_payment,
    service_errors,
    shipment_service,
    validate_customer,
)
from functions.orders.fulfillment import Shipment
from functions.orders.inventory import OutOfStockError, Reservation
from functions.orders.order import Money
from functions.orders.order_run import OrderRun
from functions.orders.payments import PaymentDeclinedError
from functions.orders.saga import RollbackIncompleteError
from functions.orders.service_errors import (
    LAST_WORDS,
    ServiceFailedError,
    UnknownActionError,
    is_last_word,
    is_refusal,
    revive,
)
from functions.shared.errors import PermanentError
from tests.functions.executions import Ended, execute
from tests.functions.job_table_rows import Rows
from tests.functions.orders.services_kit import FOREVER, Fault, FaultKind
from tests.functions.orders.shop import CUSTOMER, KETTLE, NOTHING, NOW, Shop, any_order

RUN = OrderRun("order-1", 1)
PAYING = {**RUN.to_event(), "action": "charge", "customer_id": CUSTOMER}
PRICE = {"amount": 500, "currency": "EUR"}
NOBODY: Any = None


@pytest.fixture
def shop(rows: Rows, stocked_shop: Shop) -> Iterator[Shop]:  # noqa: ARG001  # its moto
    yield stocked_shop
    stocked_shop.check_invariants()


def keep_stock() -> Reservation:
    return inventory_service.inventory.reserve(RUN, any_order().items, NOW)


def test_validate_customer_answers_who_it_is(shop: Shop) -> None:
    event = {**RUN.to_event(), "customer_id": CUSTOMER}

    assert validate_customer.handler(event, NOBODY) == {"is_valid": True}
    assert len(shop.customers.calls) == 1


def test_check_inventory_reserves_commits_and_releases(shop: Shop) -> None:
    items = [{"sku": KETTLE, "quantity": 2, "unit_price": 1}]

    reserved = check_inventory.handler(
        {**RUN.to_event(), "action": "reserve", "items": items}, NOBODY
    )
    assert reserved == {
        "order_id": "order-1",
        "allocations": ({"sku": KETTLE, "warehouse": "porto", "quantity": 2},),
    }
    assert shop.effects("order-1") == {"held"}

    check_inventory.handler({**RUN.to_event(), "action": "commit"}, NOBODY)
    assert shop.effects("order-1") == {"committed"}

    release = {**RUN.to_event(), "action": "release"}
    assert check_inventory.handler(release, NOBODY) == {"released": True}
    assert shop.effects("order-1") == NOTHING


def test_check_inventory_fails_with_the_services_own_error(shop: Shop) -> None:
    items = [{"sku": KETTLE, "quantity": 1_000, "unit_price": 1}]

    with pytest.raises(OutOfStockError):
        check_inventory.handler({**RUN.to_event(), "action": "reserve", "items": items}, NOBODY)
    assert shop.effects("order-1") == NOTHING


def test_process_payment_holds_the_money_waits_and_takes_it(shop: Shop) -> None:
    ended = execute(process_payment.handler, PAYING | PRICE)

    assert ended.operations == ["authorize-payment", "settle", "capture-payment"]
    assert ended.value == {"status": "captured"}
    assert ended.invocations == 2
    assert [call.method for call in shop.payments.calls] == ["authorize", "capture"]
    assert shop.effects("order-1") == {"captured"}


@pytest.mark.parametrize(
    ("done", "answer"),
    [
        (lambda port: port.charge(RUN, CUSTOMER, Money(5, "EUR")), (True, False)),
        (lambda port: port.authorize(RUN, CUSTOMER, Money(5, "EUR")), (False, True)),
        (lambda _port: None, (False, False)),
    ],
    ids=["captured", "held", "nothing"],
)
def test_process_payment_gives_back_whatever_there_is(
    shop: Shop, done: Callable[[Any], Any], answer: tuple[bool, bool]
) -> None:
    done(shop.payments.port)

    ended = execute(process_payment.handler, {**RUN.to_event(), "action": "refund"})

    assert (ended.value["refunded"], ended.value["voided"]) == answer
    assert shop.effects("order-1") == NOTHING


def test_process_payment_leaves_the_patience_of_giving_back_to_its_caller(shop: Shop) -> None:
    shop.payments.inject(Fault("refund", 1, FaultKind.SERVER_ERROR, FOREVER))

    ended = execute(process_payment.handler, {**RUN.to_event(), "action": "refund"})

    assert len(shop.payments.calls) == 6
    assert ended.error_type == "functions.orders.service_errors.ServiceFailedError"


def test_create_shipment_leaves_the_patience_of_cancelling_to_its_caller(shop: Shop) -> None:
    shop.fulfillment.inject(Fault("cancel", 1, FaultKind.SERVER_ERROR, FOREVER))

    ended = execute(create_shipment.handler, {**RUN.to_event(), "action": "cancel"})

    assert len(shop.fulfillment.calls) == 6
    assert ended.error_type == "functions.orders.service_errors.ServiceFailedError"


def test_create_shipment_ships_waits_and_asks_the_carrier(shop: Shop) -> None:
    event = {"action": "create", "customer_id": CUSTOMER, "reservation": keep_stock().to_event()}

    ended = execute(create_shipment.handler, RUN.to_event() | event)

    assert ended.operations == ["create-shipment", "await-carrier", "find-shipment"]
    assert ended.value == shop.fulfillment.port.find(RUN).to_event()  # type: ignore[union-attr]
    assert ended.invocations == 2


def test_create_shipment_fails_where_the_shipment_was_cancelled_meanwhile(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = {"action": "create", "customer_id": CUSTOMER, "reservation": keep_stock().to_event()}
    port = shop.fulfillment.port

    class Cancelling:
        def create(self, run: OrderRun, *about: Any) -> Shipment:
            shipment = port.create(run, *about)
            port.cancel(run)
            return shipment

        def find(self, run: OrderRun) -> Shipment | None:
            return port.find(run)

    monkeypatch.setattr(shipment_service, "fulfillment", Cancelling())

    ended = execute(create_shipment.handler, RUN.to_event() | event)

    assert ended.error_type == "functions.orders.fulfillment.ShipmentCancelledError"


def test_create_shipment_cancels_once(shop: Shop) -> None:
    shop.fulfillment.port.create(RUN, CUSTOMER, keep_stock(), NOW)
    cancel = {**RUN.to_event(), "action": "cancel"}

    ended = execute(create_shipment.handler, cancel)

    assert ended.operations == ["cancel-shipment"]
    assert ended.value == {"cancelled": True}
    assert shop.effects("order-1") == {"held"}


def test_a_durable_child_fails_with_the_services_own_error(shop: Shop) -> None:
    ended = execute(process_payment.handler, PAYING | PRICE | {"amount": 100_001})

    assert ended.error_type == "functions.orders.payments.PaymentDeclinedError"
    assert "not enough money" in str(ended.result.error and ended.result.error.message)
    assert shop.effects("order-1") == NOTHING


def test_a_durable_child_that_gave_up_says_why(shop: Shop) -> None:
    shop.payments.inject(Fault("authorize", 1, FaultKind.SERVER_ERROR, FOREVER))

    ended = execute(process_payment.handler, PAYING | PRICE)

    assert len(shop.payments.calls) == 6
    assert ended.error_type == "functions.orders.service_errors.ServiceFailedError"
    assert str(ended.result.error and ended.result.error.message).startswith("internal_server: ")


@pytest.mark.parametrize("handler", [process_payment.handler, create_shipment.handler])
def test_a_durable_child_refuses_what_it_does_not_know(
    shop: Shop, handler: Callable[[Any, Any], Any]
) -> None:
    ended: Ended = execute(handler, {**RUN.to_event(), "action": "dance"})

    assert ended.error_type == "functions.orders.service_errors.UnknownActionError"
    assert shop.effects("order-1") == NOTHING


def test_a_plain_child_refuses_what_it_does_not_know(shop: Shop) -> None:
    with pytest.raises(UnknownActionError):
        check_inventory.handler({**RUN.to_event(), "action": "dance"}, NOBODY)
    assert shop.effects("order-1") == NOTHING


def all_permanent(kind: type[Exception] = PermanentError) -> set[type[Exception]]:
    """The services' errors that no repetition mends."""
    below = {each for child in kind.__subclasses__() for each in {child} | all_permanent(child)}
    return {each for each in below if each.__module__.startswith("functions.orders.")}


def test_every_error_that_is_for_good_is_a_last_word() -> None:
    assert set(LAST_WORDS.values()) == all_permanent() - {RollbackIncompleteError} | {
        ServiceFailedError
    }


@pytest.mark.parametrize(
    "error_type", ["PaymentDeclinedError", "functions.orders.payments.PaymentDeclinedError"]
)
def test_a_last_word_is_known_by_the_name_that_a_plain_or_a_durable_function_gives_it(
    error_type: str,
) -> None:
    assert is_last_word(error_type)
    assert isinstance(revive(error_type, "no money"), PaymentDeclinedError)
    assert str(revive(error_type, "no money")) == "no money"


@pytest.mark.parametrize(
    "error_type",
    [
        "Sandbox.Timedout",
        "Runtime.ExitError",
        "ChainedInvoke.Timeout",
        "Unhandled",
        "TooManyRequestsException",
        "KeyError",
        "StockContendedError",
        "botocore.exceptions.ReadTimeoutError",
    ],
)
def test_a_crash_a_timeout_and_a_throttle_are_no_last_words(error_type: str) -> None:
    assert not is_last_word(error_type)
    assert not is_refusal(error_type)


def test_a_service_that_gave_up_has_spoken_and_has_not_refused() -> None:
    gave_up = "functions.orders.service_errors.ServiceFailedError"

    assert is_last_word(gave_up)
    assert not is_refusal(gave_up)
    assert is_refusal("functions.orders.payments.PaymentDeclinedError")
