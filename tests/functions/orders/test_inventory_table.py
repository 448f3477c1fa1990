"""What the inventory promises, whatever is repeated, late, lost, cut off or at the same moment."""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from moto import mock_aws

from functions.orders.dynamodb import ROUNDS, TransactionThrottledError
from functions.orders.inventory import (
    HOLD,
    Allocation,
    OutOfStockError,
    Reservation,
    ReservationExpiredError,
    ReservationMissingError,
    StockContendedError,
    UnknownSkuError,
)
from functions.orders.inventory_table import InventoryTable
from functions.orders.order import OrderItem
from functions.orders.order_run import (
    OrderConflictError,
    OrderRun,
    OrderSupersededError,
    OrderUndoneError,
)
from functions.shared.aws_errors import is_transient
from functions.shared.errors import PermanentError, TransientError
from functions.shared.job import timestamp
from tests.functions.orders.stock_room import TABLE, Pieces, StockRoom, Wire, once

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)
FIRST = OrderRun("order-1", 1)
SECOND = OrderRun("order-1", 2)
OTHER = OrderRun("order-2", 1)

WRITE = "TransactWriteItems"


@pytest.fixture(scope="module")
def table() -> Iterator[StockRoom]:
    with mock_aws():
        yield StockRoom.create()


@pytest.fixture
def stock_room(table: StockRoom) -> StockRoom:
    table.clear()
    return table


@pytest.fixture
def wire(stock_room: StockRoom) -> Wire:  # noqa: ARG001  # the table that the wire leads to
    return Wire()


@pytest.fixture
def inventory(wire: Wire) -> InventoryTable:
    return InventoryTable(wire.client, TABLE)


@pytest.fixture
def rival(stock_room: StockRoom) -> InventoryTable:
    """The same inventory, used by somebody else over a wire of their own."""
    return InventoryTable(stock_room.client, TABLE)


def items(**quantities: int) -> list[OrderItem]:
    return [OrderItem(sku, quantity, unit_price=1) for sku, quantity in quantities.items()]


def expire(inventory: InventoryTable, now: datetime) -> int:
    """Expire all that the index shows; how many it was."""
    return sum([inventory.expire(order_id, now) for order_id in inventory.overdue(now)])


def refusal(client: Any, *reasons: str) -> ClientError:
    """How DynamoDB cancels a transaction."""
    error: ClientError = client.exceptions.TransactionCanceledException(
        {
            "Error": {"Code": "TransactionCanceledException", "Message": "cancelled"},
            "CancellationReasons": [{"Code": reason} for reason in reasons],
            "ResponseMetadata": {"HTTPStatusCode": 400},
        },
        WRITE,
    )
    return error


def raises(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


LOST_ANSWER = ReadTimeoutError(endpoint_url="https://dynamodb")


# One order.


def test_an_order_is_reserved_across_warehouses_in_one_transaction(
    inventory: InventoryTable, stock_room: StockRoom, wire: Wire
) -> None:
    inventory.restock("a", "north", 3)
    inventory.restock("a", "south", 2)
    inventory.restock("b", "south", 1)
    wire.calls.clear()

    reservation = inventory.reserve(FIRST, items(a=4, b=1), NOW)

    assert reservation == Reservation(
        "order-1",
        (Allocation("a", "north", 3), Allocation("a", "south", 1), Allocation("b", "south", 1)),
    )
    assert reservation.warehouses == ("north", "south")
    assert stock_room.shelves() == {
        ("a", "north"): Pieces(available=0, reserved=3),
        ("a", "south"): Pieces(available=1, reserved=1),
        ("b", "south"): Pieces(available=0, reserved=1),
    }
    assert wire.writes() == 1


def test_where_one_item_is_short_nothing_is_reserved(
    inventory: InventoryTable, stock_room: StockRoom
) -> None:
    inventory.restock("a", "north", 3)
    inventory.restock("b", "south", 1)
    before = stock_room.rows()

    with pytest.raises(OutOfStockError) as told:
        inventory.reserve(FIRST, items(a=1, b=5), NOW)

    assert str(told.value) == "items[1]: 5 wanted, 1 in stock"
    assert stock_room.rows() == before


def test_an_unknown_sku_is_told_by_its_position(
    inventory: InventoryTable, stock_room: StockRoom
) -> None:
    inventory.restock("a", "north", 3)
    before = stock_room.rows()

    with pytest.raises(UnknownSkuError) as told:
        inventory.reserve(FIRST, items(x=1, a=1, y=1), NOW)

    assert str(told.value) == "no warehouse has ever had items[0], items[2]"
    assert stock_room.rows() == before


def test_what_is_sold_out_is_not_unknown(inventory: InventoryTable) -> None:
    inventory.restock("a", "north", 1)
    inventory.reserve(FIRST, items(a=1), NOW)

    assert inventory.unknown_skus(["x", "a", "y"]) == ["x", "y"]


def test_committed_stock_has_left(inventory: InventoryTable, stock_room: StockRoom) -> None:
    inventory.restock("a", "north", 3)
    inventory.reserve(FIRST, items(a=2), NOW)

    inventory.commit(FIRST)

    assert stock_room.pieces("a") == Pieces(available=1, committed=2)


@pytest.mark.parametrize("is_committed", [False, True])
def test_released_stock_is_where_it_was(
    inventory: InventoryTable, stock_room: StockRoom, *, is_committed: bool
) -> None:
    inventory.restock("a", "north", 3)
    inventory.restock("a", "south", 3)
    before = stock_room.shelves()
    inventory.reserve(FIRST, items(a=5), NOW)
    if is_committed:
        inventory.commit(FIRST)

    assert inventory.release(FIRST)
    assert stock_room.shelves() == before


def test_a_restock_adds_to_what_is_there_and_takes_nothing(
    inventory: InventoryTable, stock_room: StockRoom
) -> None:
    inventory.restock("a", "north", 3)
    inventory.restock("a", "north", 2)

    assert stock_room.pieces("a") == Pieces(available=5)
    with pytest.raises(ValueError, match="a restock adds"):
        inventory.restock("a", "north", -1)


def test_the_largest_order_fits_one_transaction(
    inventory: InventoryTable, stock_room: StockRoom
) -> None:
    for number in range(99):
        inventory.restock("a", f"warehouse-{number}", 1)

    inventory.reserve(FIRST, items(a=99), NOW)
    inventory.commit(FIRST)
    inventory.release(FIRST)

    assert stock_room.pieces("a") == Pieces(available=99)


# Again.


def test_reserving_twice_is_reserving_once(
    inventory: InventoryTable, stock_room: StockRoom
) -> None:
    inventory.restock("a", "north", 3)

    first = inventory.reserve(FIRST, items(a=2), NOW)
    again = inventory.reserve(FIRST, items(a=2), NOW + timedelta(hours=1))

    assert again == first
    assert stock_room.pieces("a") == Pieces(available=1, reserved=2)


@pytest.mark.parametrize("run", [FIRST, SECOND])
@pytest.mark.parametrize("is_committed", [False, True])
@pytest.mark.parametrize("other", [{"a": 3}, {"a": 2, "b": 1}, {"b": 2}])
def test_an_id_of_an_order_with_other_pieces_reserves_nothing(
    inventory: InventoryTable,
    stock_room: StockRoom,
    run: OrderRun,
    is_committed: bool,  # noqa: FBT001  # pytest passes it by name
    other: dict[str, int],
) -> None:
    for sku in "ab":
        inventory.restock(sku, "north", 9)
    inventory.reserve(FIRST, items(a=2), NOW)
    if is_committed:
        inventory.commit(FIRST)
    before = stock_room.rows()

    with pytest.raises(OrderConflictError):
        inventory.reserve(run, items(**other), NOW)

    assert stock_room.rows() == before


def test_what_was_released_keeps_no_other_order_from_its_id(inventory: InventoryTable) -> None:
    inventory.restock("a", "north", 9)
    inventory.reserve(FIRST, items(a=2), NOW)
    inventory.release(FIRST)

    anew = inventory.reserve(SECOND, items(a=3), NOW)

    assert anew.allocations == (Allocation("a", "north", 3),)


def test_an_order_is_the_same_however_its_pieces_are_spread(
    inventory: InventoryTable, stock_room: StockRoom
) -> None:
    inventory.restock("a", "north", 1)
    inventory.restock("a", "south", 1)

    reserved = inventory.reserve(FIRST, items(a=2), NOW)

    assert inventory.reserve(SECOND, items(a=2), NOW) == reserved
    assert len(reserved.allocations) == len(stock_room.shelves())


def test_a_reserve_after_the_commit_finds_what_was_committed(
    inventory: InventoryTable, stock_room: StockRoom
) -> None:
    inventory.restock("a", "north", 3)
    first = inventory.reserve(FIRST, items(a=2), NOW)
    inventory.commit(FIRST)

    assert inventory.reserve(FIRST, items(a=2), NOW) == first
    assert stock_room.pieces("a") == Pieces(available=1, committed=2)


def test_committing_twice_is_committing_once(
    inventory: InventoryTable, stock_room: StockRoom
) -> None:
    inventory.restock("a", "north", 3)
    inventory.reserve(FIRST, items(a=2), NOW)

    inventory.commit(FIRST)
    inventory.commit(FIRST)

    assert stock_room.pieces("a") == Pieces(available=1, committed=2)


def test_releasing_twice_is_releasing_once_and_says_the_same(
    inventory: InventoryTable, stock_room: StockRoom
) -> None:
    inventory.restock("a", "north", 3)
    inventory.reserve(FIRST, items(a=2), NOW)

    assert inventory.release(FIRST)
    assert inventory.release(FIRST)
    assert stock_room.pieces("a") == Pieces(available=3)


# Too late, or out of order.


def test_a_reserve_that_comes_after_its_release_is_refused(
    inventory: InventoryTable, stock_room: StockRoom
) -> None:
    inventory.restock("a", "north", 3)

    assert not inventory.release(FIRST)
    assert not inventory.release(FIRST)
    with pytest.raises(OrderUndoneError):
        inventory.reserve(FIRST, items(a=2), NOW)
    assert stock_room.pieces("a") == Pieces(available=3)


def test_a_commit_that_comes_after_its_release_is_refused(
    inventory: InventoryTable, stock_room: StockRoom
) -> None:
    inventory.restock("a", "north", 3)
    inventory.reserve(FIRST, items(a=2), NOW)
    inventory.release(FIRST)

    with pytest.raises(OrderUndoneError):
        inventory.commit(FIRST)
    assert stock_room.pieces("a") == Pieces(available=3)


def test_there_is_nothing_to_commit_where_nothing_was_reserved(inventory: InventoryTable) -> None:
    with pytest.raises(ReservationMissingError, match="has no reservation"):
        inventory.commit(FIRST)


def test_there_is_nothing_to_commit_where_an_earlier_attempt_released(
    inventory: InventoryTable,
) -> None:
    inventory.release(FIRST)

    with pytest.raises(ReservationMissingError, match="an earlier attempt"):
        inventory.commit(SECOND)


# Another attempt.


def test_a_retry_takes_over_what_was_left_held_with_all_the_time_it_needs(
    inventory: InventoryTable, stock_room: StockRoom
) -> None:
    inventory.restock("a", "north", 3)
    left = inventory.reserve(FIRST, items(a=2), NOW)
    later = NOW + HOLD - timedelta(minutes=1)

    assert inventory.reserve(SECOND, items(a=2), later) == left
    assert stock_room.pieces("a") == Pieces(available=1, reserved=2)
    assert expire(inventory, NOW + HOLD) == 0
    assert expire(inventory, later + HOLD) == 1


def test_a_retry_takes_over_what_was_left_committed(
    inventory: InventoryTable, stock_room: StockRoom
) -> None:
    inventory.restock("a", "north", 3)
    left = inventory.reserve(FIRST, items(a=2), NOW)
    inventory.commit(FIRST)

    assert inventory.reserve(SECOND, items(a=2), NOW) == left
    inventory.commit(SECOND)
    assert stock_room.pieces("a") == Pieces(available=1, committed=2)
    assert expire(inventory, NOW + 2 * HOLD) == 0


def test_a_commit_or_release_of_a_retry_takes_over_too(
    inventory: InventoryTable, stock_room: StockRoom
) -> None:
    inventory.restock("a", "north", 3)
    inventory.reserve(FIRST, items(a=2), NOW)

    inventory.commit(SECOND)

    assert stock_room.reservations()["order-1"]["attempt"] == 2
    assert stock_room.pieces("a") == Pieces(available=1, committed=2)
    assert inventory.release(OrderRun("order-1", 3))
    assert stock_room.pieces("a") == Pieces(available=3)


def test_a_retry_reserves_anew_what_was_released_from_what_is_there_now(
    inventory: InventoryTable, stock_room: StockRoom
) -> None:
    inventory.restock("a", "north", 2)
    inventory.restock("a", "south", 2)
    inventory.reserve(FIRST, items(a=2), NOW)
    inventory.release(FIRST)
    inventory.reserve(OTHER, items(a=1), NOW)

    reservation = inventory.reserve(SECOND, items(a=2), NOW)

    assert reservation.allocations == (Allocation("a", "south", 2),)
    assert inventory.release(SECOND)
    assert stock_room.pieces("a") == Pieces(available=3, reserved=1)


def test_a_retry_that_releases_before_it_reserves_has_put_nothing_back(
    inventory: InventoryTable, stock_room: StockRoom
) -> None:
    inventory.restock("a", "north", 3)
    inventory.reserve(FIRST, items(a=2), NOW)
    inventory.release(FIRST)

    assert not inventory.release(SECOND)
    with pytest.raises(OrderUndoneError):
        inventory.reserve(SECOND, items(a=2), NOW)
    assert stock_room.pieces("a") == Pieces(available=3)


@pytest.mark.parametrize("retry", ["reserve", "release", "expire"])
def test_a_late_call_of_an_earlier_attempt_changes_nothing(
    inventory: InventoryTable, stock_room: StockRoom, retry: str
) -> None:
    inventory.restock("a", "north", 3)
    inventory.reserve(FIRST, items(a=2), NOW)
    if retry == "release":
        inventory.release(SECOND)
    else:
        inventory.reserve(SECOND, items(a=2), NOW)
    if retry == "expire":
        expire(inventory, NOW + HOLD)
    before = stock_room.rows()

    with pytest.raises(OrderSupersededError):
        inventory.reserve(FIRST, items(a=2), NOW)
    with pytest.raises(OrderSupersededError):
        inventory.commit(FIRST)
    assert not inventory.release(FIRST)
    assert stock_room.rows() == before


# Expiry.


def test_a_reservation_that_is_not_committed_in_time_gives_its_stock_back(
    inventory: InventoryTable, stock_room: StockRoom
) -> None:
    inventory.restock("a", "north", 3)
    inventory.reserve(FIRST, items(a=2), NOW)

    assert not inventory.expire(FIRST.order_id, NOW + HOLD - timedelta(seconds=1))
    assert stock_room.pieces("a") == Pieces(available=1, reserved=2)
    assert expire(inventory, NOW + HOLD) == 1
    assert stock_room.pieces("a") == Pieces(available=3)
    assert expire(inventory, NOW + HOLD) == 0


def test_an_expired_reservation_is_told_apart_and_does_not_come_back(
    inventory: InventoryTable, stock_room: StockRoom
) -> None:
    inventory.restock("a", "north", 3)
    inventory.reserve(FIRST, items(a=2), NOW)
    expire(inventory, NOW + HOLD)

    with pytest.raises(ReservationExpiredError):
        inventory.commit(FIRST)
    with pytest.raises(OrderUndoneError):
        inventory.reserve(FIRST, items(a=2), NOW)
    assert not inventory.release(FIRST)
    assert stock_room.pieces("a") == Pieces(available=3)


def test_a_retry_reserves_anew_what_expired_but_cannot_commit_it(
    inventory: InventoryTable, stock_room: StockRoom
) -> None:
    inventory.restock("a", "north", 3)
    inventory.reserve(FIRST, items(a=2), NOW)
    expire(inventory, NOW + HOLD)

    with pytest.raises(ReservationExpiredError):
        inventory.commit(SECOND)
    inventory.reserve(SECOND, items(a=2), NOW + HOLD)
    inventory.commit(SECOND)
    assert stock_room.pieces("a") == Pieces(available=1, committed=2)


def test_only_what_is_held_is_in_the_index(
    inventory: InventoryTable, stock_room: StockRoom
) -> None:
    inventory.restock("a", "north", 9)
    for run in (FIRST, OTHER, OrderRun("order-3", 1)):
        inventory.reserve(run, items(a=1), NOW)
    inventory.commit(FIRST)
    inventory.release(OTHER)

    indexed = {
        order_id: row["held_until"]
        for order_id, row in stock_room.reservations().items()
        if {"held_until", "held_bucket"} & row.keys()
    }

    assert indexed == {"order-3": timestamp(NOW + HOLD)}


def test_all_that_is_overdue_is_found_wherever_it_is_in_the_index(
    inventory: InventoryTable, stock_room: StockRoom
) -> None:
    inventory.restock("a", "north", 20)
    overdue = {f"order-{number}" for number in range(20)}
    for order_id in overdue:
        inventory.reserve(OrderRun(order_id, 1), items(a=1), NOW)
    assert len({row["held_bucket"] for row in stock_room.reservations().values()}) == 4

    assert set(inventory.overdue(NOW + HOLD)) == overdue

    assert expire(inventory, NOW + HOLD) == 20
    assert stock_room.pieces("a") == Pieces(available=20)


@pytest.mark.parametrize("moment", ["GetItem", WRITE])
@pytest.mark.parametrize("rescue", ["commit", "release", "reserve"])
def test_what_is_saved_at_the_last_moment_does_not_expire(
    inventory: InventoryTable,
    rival: InventoryTable,
    stock_room: StockRoom,
    wire: Wire,
    moment: str,
    rescue: str,
) -> None:
    """Between the index and the record, and between the record and the write."""
    inventory.restock("a", "north", 3)
    inventory.reserve(FIRST, items(a=2), NOW)
    after_rescue: list[Any] = []

    def save() -> None:
        if rescue == "reserve":
            rival.reserve(SECOND, items(a=2), NOW + HOLD)
        else:
            getattr(rival, rescue)(FIRST)
        after_rescue.extend(stock_room.rows())

    wire.before = once(moment, save)

    assert expire(inventory, NOW + HOLD) == 0
    assert stock_room.rows() == after_rescue


# Others at the same stock.


def test_stock_that_goes_between_looking_and_taking_is_taken_elsewhere(
    inventory: InventoryTable, rival: InventoryTable, stock_room: StockRoom, wire: Wire
) -> None:
    inventory.restock("a", "north", 3)
    inventory.restock("a", "south", 2)
    wire.before = once(WRITE, lambda: rival.reserve(OTHER, items(a=2), NOW))

    reservation = inventory.reserve(FIRST, items(a=2), NOW)

    assert reservation.allocations == (Allocation("a", "south", 2),)
    assert stock_room.pieces("a") == Pieces(available=1, reserved=4)


def test_the_last_piece_that_goes_between_looking_and_taking_is_missed(
    inventory: InventoryTable, rival: InventoryTable, stock_room: StockRoom, wire: Wire
) -> None:
    inventory.restock("a", "north", 3)
    wire.before = once(WRITE, lambda: rival.reserve(OTHER, items(a=2), NOW))

    with pytest.raises(OutOfStockError, match="2 wanted, 1 in stock"):
        inventory.reserve(FIRST, items(a=2), NOW)
    assert stock_room.pieces("a") == Pieces(available=1, reserved=2)
    assert "order-1" not in stock_room.reservations()


def test_stock_that_never_stands_still_is_left_for_later(
    inventory: InventoryTable, stock_room: StockRoom, wire: Wire
) -> None:
    inventory.restock("a", "north", 3)
    wire.calls.clear()

    def conflict(operation: str) -> None:
        if operation == WRITE:
            raise refusal(wire.client, "None", "TransactionConflict")

    wire.before = conflict

    with pytest.raises(StockContendedError) as told:
        inventory.reserve(FIRST, items(a=2), NOW)
    assert is_transient(told.value)
    assert wire.writes() == ROUNDS
    assert stock_room.pieces("a") == Pieces(available=3)
    with pytest.raises(StockContendedError):
        inventory.restock("a", "north", 1)


def test_a_transaction_that_met_another_one_is_done_anew(
    inventory: InventoryTable, stock_room: StockRoom, wire: Wire
) -> None:
    inventory.restock("a", "north", 3)
    wire.before = once(WRITE, raises(refusal(wire.client, "TransactionConflict", "None")))

    inventory.reserve(FIRST, items(a=2), NOW)

    assert stock_room.pieces("a") == Pieces(available=1, reserved=2)


@pytest.mark.parametrize("reason", ["ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_throttled_transaction_is_left_for_later(
    inventory: InventoryTable, wire: Wire, reason: str
) -> None:
    wire.before = once(WRITE, raises(refusal(wire.client, "None", reason)))

    with pytest.raises(TransactionThrottledError, match=reason) as told:
        inventory.restock("a", "north", 3)
    assert is_transient(told.value)


def test_a_transaction_that_is_wrong_in_itself_is_not_repeated(
    inventory: InventoryTable, wire: Wire
) -> None:
    wire.before = once(WRITE, raises(refusal(wire.client, "None", "ValidationError")))
    wire.calls.clear()

    with pytest.raises(ClientError, match="TransactionCanceled") as told:
        inventory.restock("a", "north", 3)
    assert not is_transient(told.value)
    assert wire.writes() == 1


# Cut off.


@dataclass
class Died(BaseException):
    """The process ended here."""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("action", ["reserve", "commit", "release"])
def test_a_call_cut_off_anywhere_is_repeated_as_if_it_had_not_been(
    inventory: InventoryTable, stock_room: StockRoom, wire: Wire, action: str, when: str
) -> None:
    """Whether the write was lost, or its answer, or the process died on either side of it."""

    def act(name: str) -> Any:
        return (
            inventory.reserve(FIRST, items(a=2, b=1), NOW)
            if name == "reserve"
            else (getattr(inventory, name)(FIRST))
        )

    def prepare() -> None:
        stock_room.clear()
        inventory.restock("a", "north", 2)
        inventory.restock("a", "south", 1)
        inventory.restock("b", "south", 1)
        if action != "reserve":
            act("reserve")

    prepare()
    undisturbed = act(action)
    expected = stock_room.rows()
    for operation in ("GetItem", WRITE):
        for death in (LOST_ANSWER, Died()):
            prepare()
            setattr(wire, when, once(operation, raises(death)))
            with pytest.raises(type(death)):
                act(action)

            assert act(action) == undisturbed
            assert stock_room.rows() == expected


def test_a_call_that_was_given_up_and_lands_late_is_found_by_the_one_that_repeats_it(
    inventory: InventoryTable, rival: InventoryTable, stock_room: StockRoom, wire: Wire
) -> None:
    """Between deciding and writing, with enough for two."""
    inventory.restock("a", "north", 9)
    wire.before = once(WRITE, lambda: rival.reserve(FIRST, items(a=2), NOW))

    inventory.reserve(FIRST, items(a=2), NOW)

    assert stock_room.pieces("a") == Pieces(available=7, reserved=2)


def test_a_call_that_was_given_up_and_lands_late_with_the_last_pieces_is_no_shortage(
    inventory: InventoryTable, rival: InventoryTable, stock_room: StockRoom, wire: Wire
) -> None:
    """Between reading the record and reading the stock: what is gone is what we have."""
    inventory.restock("a", "north", 2)
    wire.before = once("Query", lambda: rival.reserve(FIRST, items(a=2), NOW))

    reservation = inventory.reserve(FIRST, items(a=2), NOW)

    assert reservation.allocations == (Allocation("a", "north", 2),)
    assert stock_room.pieces("a") == Pieces(available=0, reserved=2)


# Many at once.


def at_once(tasks: list[Callable[[], Any]], wire: Wire) -> list[Any]:
    """What each task returned or raised; they take turns at random between their calls."""
    dice = random.Random(7)  # noqa: S311  # only has to differ

    def linger(_operation: str) -> None:
        time.sleep(dice.random() / 500)

    def outcome(task: Callable[[], Any]) -> Any:
        for _ in range(50):
            try:
                return task()
            except TransientError:
                continue
            except PermanentError as error:
                return error
        raise AssertionError("never came to an end")

    wire.before = linger
    with ThreadPoolExecutor(len(tasks)) as threads:
        return list(threads.map(outcome, tasks))


def test_of_many_orders_at_the_same_last_pieces_exactly_so_many_succeed_as_there_are(
    inventory: InventoryTable, stock_room: StockRoom, wire: Wire
) -> None:
    inventory.restock("a", "north", 5)
    inventory.restock("a", "south", 4)
    inventory.restock("b", "south", 20)

    runs = [OrderRun(f"order-{number}", 1) for number in range(12)]

    outcomes = at_once(
        [partial(inventory.reserve, run, items(a=2, b=1), NOW) for run in runs], wire
    )

    assert sum(isinstance(outcome, Reservation) for outcome in outcomes) == 4
    assert sum(isinstance(outcome, OutOfStockError) for outcome in outcomes) == 8
    assert stock_room.pieces("a") == Pieces(available=1, reserved=8)
    assert stock_room.pieces("b") == Pieces(available=16, reserved=4)


def test_one_order_asked_for_many_times_at_once_is_reserved_once(
    inventory: InventoryTable, stock_room: StockRoom, wire: Wire
) -> None:
    inventory.restock("a", "north", 30)

    outcomes = at_once([lambda: inventory.reserve(FIRST, items(a=3), NOW)] * 8, wire)

    assert len(set(outcomes)) == 1
    assert stock_room.pieces("a") == Pieces(available=27, reserved=3)


def test_what_is_committed_released_taken_over_and_expired_at_once_stays_whole(
    inventory: InventoryTable, stock_room: StockRoom, wire: Wire
) -> None:
    inventory.restock("a", "north", 6)
    inventory.restock("a", "south", 6)
    runs = [OrderRun(f"order-{number}", 1) for number in range(3)]
    for run in runs:
        inventory.reserve(run, items(a=4), NOW)
    tasks: list[Callable[[], Any]] = [lambda: expire(inventory, NOW + HOLD)] * 2
    for run in runs:
        retry = OrderRun(run.order_id, 2)
        tasks += [
            partial(inventory.commit, run),
            partial(inventory.release, run),
            partial(inventory.reserve, retry, items(a=4), NOW + HOLD),
        ]

    at_once(tasks, wire)

    kept = [row["state"] for row in stock_room.reservations().values()]
    reserved, committed = 4 * kept.count("held"), 4 * kept.count("committed")
    assert stock_room.pieces("a") == Pieces(12 - reserved - committed, reserved, committed)


# Anything, in any order.

ORDERS = {
    "order-1": {"a": 3, "b": 1},
    "order-2": {"a": 4},
    "order-3": {"a": 1, "b": 2},
}
ORDER_IDS = st.sampled_from(sorted(ORDERS))
ATTEMPTS = st.integers(1, 3)
WAREHOUSES = st.sampled_from(["north", "south"])


@dataclass
class Expected:
    """What should be on record for an order, told in plain statements."""

    attempt: int
    state: str
    held_until: datetime | None = None
    has_pieces: bool = True

    @property
    def is_undone(self) -> bool:
        return self.state in {"released", "expired"}


class Warehousing(RuleBasedStateMachine):
    """Some orders, their attempts, and everybody who acts for them."""

    stock_room: ClassVar[StockRoom]

    def __init__(self) -> None:
        super().__init__()
        self.inventory = InventoryTable(self.stock_room.client, TABLE)
        self.clock = NOW
        self.stocked = {"a": 0, "b": 0}
        self.expected: dict[str, Expected] = {}

    @initialize()
    def open_the_doors(self) -> None:
        self.stock_room.clear()
        for sku in self.stocked:
            self.restock(sku, "north", 3)

    @rule(sku=st.sampled_from(["a", "b"]), warehouse=WAREHOUSES, quantity=st.integers(0, 3))
    def restock(self, sku: str, warehouse: str, quantity: int) -> None:
        self.inventory.restock(sku, warehouse, quantity)
        self.stocked[sku] += quantity

    @rule(hours=st.floats(0, 7))
    def time_passes(self, hours: float) -> None:
        self.clock += timedelta(hours=hours)

    @rule(order_id=ORDER_IDS, attempt=ATTEMPTS)
    def reserve(self, order_id: str, attempt: int) -> None:
        record = self.expected.get(order_id)
        wanted = ORDERS[order_id]
        run = OrderRun(order_id, attempt)

        def reserve() -> Reservation:
            return self.inventory.reserve(run, items(**wanted), self.clock)

        if record is not None and record.attempt > attempt:
            with pytest.raises(OrderSupersededError):
                reserve()
            return
        if record is not None and record.is_undone and record.attempt == attempt:
            with pytest.raises(OrderUndoneError):
                reserve()
            return
        if record is not None and not record.is_undone:
            reserve()
            if record.attempt < attempt and record.state == "held":
                record.held_until = self.clock + HOLD
            record.attempt = attempt
            return
        if any(self.stock_room.pieces(sku).available < count for sku, count in wanted.items()):
            with pytest.raises(OutOfStockError):
                reserve()
            return
        reservation = reserve()
        taken = dict.fromkeys(wanted, 0)
        for allocation in reservation.allocations:
            taken[allocation.sku] += allocation.quantity
        assert taken == wanted
        self.expected[order_id] = Expected(attempt, "held", self.clock + HOLD)

    @rule(order_id=ORDER_IDS, attempt=ATTEMPTS)
    def commit(self, order_id: str, attempt: int) -> None:
        record = self.expected.get(order_id)
        run = OrderRun(order_id, attempt)
        refused: type[Exception] | None = None
        if record is None:
            refused = ReservationMissingError
        elif record.attempt > attempt:
            refused = OrderSupersededError
        elif record.state == "expired":
            refused = ReservationExpiredError
        elif record.state == "released":
            is_own = record.attempt == attempt
            refused = OrderUndoneError if is_own else ReservationMissingError
        if refused is not None or record is None:
            with pytest.raises(refused or Exception):
                self.inventory.commit(run)
            return
        self.inventory.commit(run)
        record.attempt, record.state, record.held_until = attempt, "committed", None

    @rule(order_id=ORDER_IDS, attempt=ATTEMPTS)
    def release(self, order_id: str, attempt: int) -> None:
        record = self.expected.get(order_id)

        is_put_back = self.inventory.release(OrderRun(order_id, attempt))

        if record is not None and record.attempt > attempt:
            assert not is_put_back
        elif record is None or (record.is_undone and record.attempt < attempt):
            assert not is_put_back
            self.expected[order_id] = Expected(attempt, "released", has_pieces=False)
        elif record.is_undone:
            assert is_put_back is (record.state == "released" and record.has_pieces)
        else:
            assert is_put_back
            record.attempt, record.state, record.held_until = attempt, "released", None

    @rule()
    def expire(self) -> None:
        due = {
            order_id
            for order_id, record in self.expected.items()
            if record.held_until is not None and record.held_until <= self.clock
        }

        assert expire(self.inventory, self.clock) == len(due)

        for order_id in due:
            self.expected[order_id].state = "expired"
            self.expected[order_id].held_until = None

    @invariant()
    def every_piece_is_counted_once(self) -> None:
        shelves = self.stock_room.shelves()
        assert all(
            min(pieces.available, pieces.reserved, pieces.committed) >= 0
            for pieces in shelves.values()
        )
        for sku, stocked in self.stocked.items():
            in_state = {
                state: sum(
                    ORDERS[order_id].get(sku, 0)
                    for order_id, record in self.expected.items()
                    if record.state == state
                )
                for state in ("held", "committed")
            }
            assert self.stock_room.pieces(sku) == Pieces(
                stocked - sum(in_state.values()), in_state["held"], in_state["committed"]
            )

    @invariant()
    def every_record_is_as_expected(self) -> None:
        rows = self.stock_room.reservations()
        assert rows.keys() == self.expected.keys()
        for order_id, record in self.expected.items():
            row = rows[order_id]
            assert (row["attempt"], row["state"]) == (record.attempt, record.state)
            assert ("held_until" in row) is ("held_bucket" in row) is (record.state == "held")
            if record.held_until is not None:
                assert row["held_until"] == timestamp(record.held_until)


STEPS = 40
EXAMPLES = 25
SOAK_EXAMPLES = 1_000


def live(stock_room: StockRoom, *, examples: int, derandomize: bool) -> None:
    Warehousing.stock_room = stock_room
    run_state_machine_as_test(
        Warehousing,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            derandomize=derandomize,
            database=None,
            report_multiple_bugs=False,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.matrix
def test_no_sequence_of_calls_loses_doubles_or_oversells_a_piece(stock_room: StockRoom) -> None:
    live(stock_room, examples=EXAMPLES, derandomize=True)


@pytest.mark.soak
def test_not_even_a_very_long_sequence_does(stock_room: StockRoom) -> None:
    live(stock_room, examples=SOAK_EXAMPLES, derandomize=False)
