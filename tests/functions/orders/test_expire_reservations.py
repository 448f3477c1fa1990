"""The schedule that gives back what abandoned orders hold."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from moto import mock_aws

from functions.orders import expire_reservations
from functions.orders.inventory import HOLD
from functions.orders.inventory_table import InventoryTable
from functions.orders.order import OrderItem
from functions.orders.order_run import OrderRun
from tests.functions.orders.stock_room import TABLE, Pieces, StockRoom


@dataclass
class Countdown:
    """A Lambda context whose time runs out step by step."""

    left: list[int] = field(default_factory=lambda: [60_000] * 9)

    def get_remaining_time_in_millis(self) -> int:
        return self.left.pop(0)


@dataclass
class Overdue:
    """An inventory with so many reservations to expire, of which some cannot."""

    count: int
    stuck: Collection[str] = ()
    tried: list[str] = field(default_factory=list)

    def overdue(self, _now: datetime) -> Iterator[str]:
        return (f"order-{number}" for number in range(self.count))

    def expire(self, order_id: str, _now: datetime) -> bool:
        self.tried.append(order_id)
        if order_id in self.stuck:
            raise ValueError("cannot be expired")
        return True


@pytest.fixture
def stock_room() -> Iterator[StockRoom]:
    with mock_aws():
        yield StockRoom.create()


def test_what_is_over_is_given_back_and_what_is_not_stays(
    stock_room: StockRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory = InventoryTable(stock_room.client, TABLE)
    monkeypatch.setattr(expire_reservations, "inventory", inventory)
    inventory.restock("a", "north", 9)
    now = datetime.now(UTC)
    inventory.reserve(OrderRun("abandoned", 1), [OrderItem("a", 5, 1)], now - HOLD)
    inventory.reserve(OrderRun("running", 1), [OrderItem("a", 3, 1)], now)

    assert expire_reservations.handler({}, Countdown()) == {"expired": 1}
    assert stock_room.pieces("a") == Pieces(available=6, reserved=3)


def test_nothing_is_begun_that_the_time_may_not_last_for_and_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    inventory = Overdue(10)
    monkeypatch.setattr(expire_reservations, "inventory", inventory)
    spare = expire_reservations.SPARE_MILLISECONDS

    answer = expire_reservations.handler({}, Countdown([2 * spare, spare, spare - 1]))

    assert answer == {"expired": 2}
    assert inventory.tried == ["order-0", "order-1"]
    assert "more is left than fits one run" in caplog.messages


def test_the_count_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(expire_reservations, "inventory", Overdue(3))
    caplog.set_level("INFO")

    expire_reservations.handler({}, Countdown())

    [record] = caplog.records
    assert record.message == "reservations expired"
    assert vars(record)["expired"] == 3


def test_one_that_cannot_expire_holds_up_no_other_and_rings_the_alarm_in_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    inventory = Overdue(4, stuck=("order-0", "order-2"))
    monkeypatch.setattr(expire_reservations, "inventory", inventory)

    with pytest.raises(expire_reservations.ReservationsStuckError, match=r"^2 reservations"):
        expire_reservations.handler({}, Countdown())

    assert inventory.tried == ["order-0", "order-1", "order-2", "order-3"]
    logged = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [vars(record)["order_id"] for record in logged] == ["order-0", "order-2"]
    assert all(record.exc_info for record in logged)


def test_a_record_that_cannot_be_read_keeps_nothing_else_from_expiring(
    stock_room: StockRoom, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    inventory = InventoryTable(stock_room.client, TABLE)
    monkeypatch.setattr(expire_reservations, "inventory", inventory)
    inventory.restock("a", "north", 9)
    over = datetime.now(UTC) - HOLD
    for order_id in ("broken", "one", "two", "three"):
        inventory.reserve(OrderRun(order_id, 1), [OrderItem("a", 2, 1)], over)
    stock_room.client.update_item(
        TableName=TABLE,
        Key={"pk": {"S": "RESERVATION#broken"}, "sk": {"S": "RESERVATION"}},
        UpdateExpression="REMOVE allocations",
    )

    with pytest.raises(expire_reservations.ReservationsStuckError):
        expire_reservations.handler({}, Countdown())

    assert stock_room.pieces("a") == Pieces(available=7, reserved=2)
    [logged] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert vars(logged)["order_id"] == "broken"
