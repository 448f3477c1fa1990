from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest

from functions.orders.fulfillment import Shipment, ShipmentContendedError, ShipmentHasLeftError
from functions.orders.inventory import Allocation, Reservation
from functions.orders.order_run import (
    OrderConflictError,
    OrderRun,
    OrderSupersededError,
    OrderUndoneError,
)
from functions.orders.shipment_table import ShipmentTable
from tests.functions.orders.shop import BERLIN, CUSTOMER, MUG, NOW, PORTO, Shop
from tests.functions.orders.tables import SHIPMENTS

FIRST = OrderRun("order-1", 1)
SECOND = OrderRun("order-1", 2)


def reservation(*warehouses: str) -> Reservation:
    return Reservation("order-1", tuple(Allocation(MUG, each, 1) for each in warehouses))


def create(shop: Shop, run: OrderRun = FIRST, *warehouses: str) -> Shipment:
    return shop.shipment_table.create(run, CUSTOMER, reservation(*warehouses or [BERLIN]), NOW)


def test_a_shipment_has_a_tracking_number_and_a_day_of_delivery(shop: Shop) -> None:
    shipment = create(shop)

    assert shipment.shipment_id == "ship-order-1"
    assert shipment.tracking_number.startswith("TRK")
    assert shipment.estimated_delivery == date(2026, 3, 4)
    assert shop.shipment_table.find(FIRST) == shipment


def test_what_comes_from_several_warehouses_takes_longer(shop: Shop) -> None:
    shipment = create(shop, FIRST, BERLIN, PORTO)

    assert shipment.estimated_delivery == date(2026, 3, 5)


def test_a_repeated_create_finds_the_shipment_as_it_was_promised(shop: Shop) -> None:
    shipment = create(shop)

    later = shop.shipment_table.create(
        FIRST, CUSTOMER, reservation(BERLIN, PORTO), NOW + timedelta(days=3)
    )

    assert later == shipment


def test_a_retry_takes_over_the_shipment_that_an_interrupted_attempt_left(shop: Shop) -> None:
    shipment = create(shop)

    assert create(shop, SECOND) == shipment
    with pytest.raises(OrderSupersededError):
        create(shop)
    assert shop.shipment_table.cancel(FIRST) is False
    assert shop.shipment_table.find(SECOND) == shipment


def test_a_retry_sends_the_shipment_it_takes_over_from_where_its_own_stock_is(shop: Shop) -> None:
    """The first attempt's reservation may have expired, and its pieces gone to somebody else."""
    shipment = create(shop, FIRST, BERLIN)
    later = NOW + timedelta(days=3)

    taken_over = shop.shipment_table.create(SECOND, CUSTOMER, reservation(BERLIN, PORTO), later)

    assert taken_over == replace(shipment, estimated_delivery=date(2026, 3, 8))
    assert shop.shipment_table.find(SECOND) == taken_over
    [row] = shop.tables.rows(SHIPMENTS).values()
    assert (row["attempt"], row["warehouses"]) == (2, [BERLIN, PORTO])


def test_a_retry_takes_over_what_has_left_from_where_its_stock_is(shop: Shop) -> None:
    shipment = create(shop)
    shop.shipment_table.hand_over(FIRST)

    assert create(shop, SECOND) == shipment
    with pytest.raises(ShipmentHasLeftError):
        shop.shipment_table.cancel(SECOND)


def test_a_retry_does_not_ship_again_what_has_left_from_elsewhere(shop: Shop) -> None:
    create(shop, FIRST, BERLIN)
    shop.shipment_table.hand_over(FIRST)
    before = shop.tables.rows(SHIPMENTS)

    with pytest.raises(ShipmentHasLeftError, match="from other warehouses"):
        create(shop, SECOND, PORTO)

    assert shop.tables.rows(SHIPMENTS) == before


def test_a_shipment_that_leaves_while_it_is_taken_over_keeps_its_warehouses(shop: Shop) -> None:
    create(shop, FIRST, BERLIN)
    table = Interfering(shop, lambda: shop.shipment_table.hand_over(FIRST), times=1)

    with pytest.raises(ShipmentHasLeftError):
        table.create(SECOND, CUSTOMER, reservation(PORTO), NOW)

    [row] = shop.tables.rows(SHIPMENTS).values()
    assert (row["status"], row["warehouses"]) == ("left", [BERLIN])


@pytest.mark.parametrize("run", [FIRST, SECOND])
def test_an_id_of_another_customers_order_ships_nothing(shop: Shop, run: OrderRun) -> None:
    create(shop)
    before = shop.tables.rows(SHIPMENTS)

    with pytest.raises(OrderConflictError):
        shop.shipment_table.create(run, "customer-2", reservation(BERLIN), NOW)

    assert shop.tables.rows(SHIPMENTS) == before


def test_what_was_cancelled_keeps_no_other_order_from_its_id(shop: Shop) -> None:
    create(shop)
    shop.shipment_table.cancel(FIRST)

    anew = shop.shipment_table.create(SECOND, "customer-2", reservation(BERLIN), NOW)

    assert shop.shipment_table.find(SECOND) == anew


def test_a_retry_ships_anew_what_was_cancelled(shop: Shop) -> None:
    shipment = create(shop)
    shop.shipment_table.cancel(FIRST)

    anew = create(shop, SECOND)

    assert anew.tracking_number != shipment.tracking_number
    assert shop.effects("order-1") == {"shipped"}


def test_a_repeated_cancel_answers_as_the_first_one_did(shop: Shop) -> None:
    create(shop)

    assert [shop.shipment_table.cancel(FIRST) for _ in range(2)] == [True, True]
    assert shop.shipment_table.find(FIRST) is None
    assert [shop.shipment_table.cancel(SECOND) for _ in range(2)] == [False, False]


def test_a_create_that_comes_after_its_cancel_ships_nothing(shop: Shop) -> None:
    assert [shop.shipment_table.cancel(FIRST) for _ in range(2)] == [False, False]

    with pytest.raises(OrderUndoneError):
        create(shop)

    assert shop.shipment_table.find(FIRST) is None
    assert create(shop, SECOND) == shop.shipment_table.find(SECOND)


def test_a_create_that_comes_after_the_cancel_of_its_shipment_ships_nothing(shop: Shop) -> None:
    create(shop)
    shop.shipment_table.cancel(FIRST)

    with pytest.raises(OrderUndoneError):
        create(shop)


def test_a_shipment_that_has_left_cannot_be_cancelled(shop: Shop) -> None:
    shipment = create(shop)
    assert shop.shipment_table.hand_over(FIRST)

    with pytest.raises(ShipmentHasLeftError):
        shop.shipment_table.cancel(FIRST)

    assert create(shop) == shipment
    assert shop.shipment_table.find(FIRST) == shipment


def test_the_carrier_takes_no_shipment_that_was_cancelled(shop: Shop) -> None:
    create(shop)
    shop.shipment_table.cancel(FIRST)

    assert not shop.shipment_table.hand_over(FIRST)


class Interfering(ShipmentTable):
    """Somebody changes the shipment each time between its reading and its writing."""

    def __init__(self, shop: Shop, interfere: Callable[[], object], times: int) -> None:
        super().__init__(shop.client, "shipments")
        self._interfere = interfere
        self._times = times

    def _replaced(self, *args: object) -> bool:
        if self._times:
            self._times -= 1
            self._interfere()
        return super()._replaced(*args)  # type: ignore[arg-type]


def test_a_cancel_that_overtakes_a_create_wins(shop: Shop) -> None:
    table = Interfering(shop, lambda: shop.shipment_table.cancel(FIRST), times=1)

    with pytest.raises(OrderUndoneError):
        table.create(FIRST, CUSTOMER, reservation(BERLIN), NOW)

    assert shop.shipment_table.find(FIRST) is None


def test_two_creates_at_once_are_one_shipment(shop: Shop) -> None:
    table = Interfering(shop, lambda: create(shop), times=1)

    assert table.create(FIRST, CUSTOMER, reservation(BERLIN), NOW) == create(shop)


def test_who_is_overtaken_again_and_again_is_told_to_ask_later(shop: Shop) -> None:
    attempts = iter(range(1, 50))
    table = Interfering(
        shop, lambda: shop.shipment_table.cancel(OrderRun("order-1", next(attempts))), times=50
    )

    with pytest.raises(ShipmentContendedError):
        table.create(OrderRun("order-1", 100), CUSTOMER, reservation(BERLIN), NOW)
