from collections.abc import Callable

import pytest

from functions.orders.inventory import Reservation
from functions.orders.order import Money
from functions.orders.order_run import OrderRun
from tests.functions.orders.services_kit import Fault, FaultKind
from tests.functions.orders.shop import (
    BERLIN,
    CUSTOMER,
    EUROS,
    FULFILLED,
    MUG,
    NOTHING,
    NOW,
    Shop,
    any_order,
)

RUN = OrderRun("order-1", 1)


def fulfil(shop: Shop, run: OrderRun = RUN) -> Reservation:
    order = any_order()
    reservation = shop.inventory.port.reserve(run, order.items, NOW)
    shop.payments.port.charge(run, CUSTOMER, order.total)
    shop.fulfillment.port.create(run, CUSTOMER, reservation, NOW)
    shop.inventory.port.commit(run)
    return reservation


def undo(shop: Shop, run: OrderRun = RUN) -> None:
    shop.fulfillment.port.cancel(run)
    shop.payments.port.refund(run)
    shop.inventory.port.release(run)


def test_an_order_that_is_done_shows_in_everything_it_has(shop: Shop) -> None:
    shop.stock_up()
    before = shop.snapshot()

    fulfil(shop)

    assert shop.effects("order-1") == FULFILLED
    assert shop.snapshot() != before
    shop.check_invariants()


def test_an_order_that_is_undone_leaves_the_shop_exactly_as_it_was(shop: Shop) -> None:
    shop.stock_up()
    before = shop.snapshot()

    fulfil(shop)
    undo(shop)

    assert shop.snapshot() == before
    assert shop.effects("order-1") == NOTHING
    shop.check_invariants()


def test_an_order_that_never_was_can_be_undone_without_a_trace(shop: Shop) -> None:
    shop.stock_up()
    before = shop.snapshot()

    undo(shop)

    assert shop.snapshot() == before
    shop.check_invariants()


@pytest.mark.parametrize(
    ("step", "effect"),
    [
        (lambda shop: shop.inventory.port.reserve(RUN, any_order().items, NOW), "held"),
        (lambda shop: shop.payments.port.authorize(RUN, CUSTOMER, Money(5, EUROS)), "authorized"),
        (lambda shop: shop.payments.port.charge(RUN, CUSTOMER, Money(5, EUROS)), "captured"),
    ],
)
def test_a_single_effect_shows(shop: Shop, step: Callable[[Shop], object], effect: str) -> None:
    shop.stock_up()
    before = shop.snapshot()

    step(shop)

    assert shop.effects("order-1") == {effect}
    assert shop.snapshot() != before
    shop.check_invariants()


@pytest.mark.parametrize(
    ("table", "key", "sort_key", "column"),
    [
        ("inventory", f"SKU#{MUG}", f"WAREHOUSE#{BERLIN}", "available"),
        ("inventory", f"SKU#{MUG}", f"WAREHOUSE#{BERLIN}", "committed"),
        ("payments", f"ACCOUNT#{CUSTOMER}", "ACCOUNT", "available"),
        ("payments", "PAYMENT#order-1", "PAYMENT", "amount"),
        ("payments", "PAYMENT#order-1", "ENTRY#1#charge", "postings.merchant"),
    ],
)
def test_a_number_that_is_off_by_one_does_not_pass(
    shop: Shop, table: str, key: str, sort_key: str, column: str
) -> None:
    shop.stock_up()
    fulfil(shop)
    shop.check_invariants()

    shop.client.update_item(
        TableName=table,
        Key={"pk": {"S": key}, "sk": {"S": sort_key}},
        UpdateExpression=f"SET {column} = {column} + :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )

    with pytest.raises(AssertionError):
        shop.check_invariants()


def test_a_shipment_from_where_nothing_is_kept_for_it_does_not_pass(shop: Shop) -> None:
    shop.stock_up()
    fulfil(shop)

    shop.client.update_item(
        TableName="shipments",
        Key={"pk": {"S": "SHIPMENT#order-1"}, "sk": {"S": "SHIPMENT"}},
        UpdateExpression="SET warehouses = :elsewhere",
        ExpressionAttributeValues={":elsewhere": {"L": [{"S": "elsewhere"}]}},
    )

    with pytest.raises(AssertionError, match="from elsewhere"):
        shop.check_invariants()


def test_a_cleared_shop_is_empty_and_knows_no_calls_and_no_faults(shop: Shop) -> None:
    empty = shop.snapshot()
    shop.stock_up()
    fulfil(shop)
    shop.payments.inject(Fault("charge", 1, FaultKind.DECLINED))

    shop.clear()

    assert shop.snapshot() == empty
    assert [service.calls for service in shop.services] == [[], [], [], []]
    shop.stock_up()
    fulfil(shop)


def test_a_shop_goes_back_to_what_it_remembered(shop: Shop) -> None:
    shop.stock_up()
    before = shop.snapshot()
    go_back = shop.remember()

    for _ in range(2):
        fulfil(shop)
        shop.stock(MUG, BERLIN, 1)
        shop.welcome("customer-2")
        go_back()

        assert shop.snapshot() == before
        shop.check_invariants()
