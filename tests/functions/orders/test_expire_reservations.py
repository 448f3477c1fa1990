"""The schedule that gives back what abandoned orders hold."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from moto import mock_aws

from functions.orders import expire_reservations, inventory_service
from functions.orders.inventory import HOLD
from functions.orders.inventory_table import InventoryTable
from functions.orders.order import OrderItem
from functions.orders.order_run import OrderRun
from functions.shared import names
from tests.functions.orders.stock_room import TABLE, Pieces, StockRoom


@dataclass
class Countdown:
    """A Lambda context whose time runs out step by step."""

    left: list[int] = field(default_factory=lambda: [60_000] * 9)

    def get_remaining_time_in_millis(self) -> int:
        return self.left.pop(0)


@dataclass
class PagesOf:
    """An inventory with so many reservations to expire; the time it was asked at is kept."""

    overdue: int
    asked_at: list[datetime] = field(default_factory=list)

    def expire(self, now: datetime, limit: int) -> int:
        self.asked_at.append(now)
        expired = min(self.overdue, limit)
        self.overdue -= expired
        return expired


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


def test_page_follows_page_until_all_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    inventory = PagesOf(2 * expire_reservations.PAGE + 1)
    monkeypatch.setattr(expire_reservations, "inventory", inventory)

    answer = expire_reservations.handler({}, Countdown())

    assert answer == {"expired": 2 * expire_reservations.PAGE + 1}
    assert len(inventory.asked_at) == 3


def test_no_page_is_begun_that_the_time_may_not_last_for_and_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    inventory = PagesOf(10 * expire_reservations.PAGE)
    monkeypatch.setattr(expire_reservations, "inventory", inventory)
    spare = expire_reservations.SPARE_MILLISECONDS

    answer = expire_reservations.handler({}, Countdown([2 * spare, spare, spare - 1]))

    assert answer == {"expired": 2 * expire_reservations.PAGE}
    assert "more is left than fits one run" in caplog.messages


def test_the_count_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(expire_reservations, "inventory", PagesOf(3))
    caplog.set_level("INFO")

    expire_reservations.handler({}, Countdown())

    [record] = caplog.records
    assert record.message == "reservations expired"
    assert vars(record)["expired"] == 3


@pytest.mark.parametrize("module", [expire_reservations, inventory_service])
def test_a_missing_table_name_is_a_failure_at_start(module: Any) -> None:
    assert module.Settings.from_environ({names.INVENTORY_TABLE_NAME: "any"}).table_name == "any"
    with pytest.raises(KeyError, match=names.INVENTORY_TABLE_NAME):
        module.Settings.from_environ({})
