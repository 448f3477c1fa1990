"""Orders on the rig: each with a customer, stock and a name of its own, and what it leaves."""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from functions.orders.order_run import OrderRun
from functions.shared import names
from tests.crash_rig.passages import Death
from tests.crash_rig.rig import ITEM_TABLES, JOB_TABLE, Ended, Function, Rig
from tests.crash_rig.survival import Trace, as_text, numbered, take_items
from tests.functions.job_table_rows import Rows, any_job
from tests.functions.orders.shop import EUROS, Shop

FUNCTIONS = {
    "order-transaction": Function("functions.orders.order_transaction.handler"),
    "order-processing": Function("functions.orders.order_processing.handler"),
    "order-orchestration": Function("functions.orders.order_orchestration.handler"),
    "validate-customer": Function("functions.orders.validate_customer.handler", is_durable=False),
    "check-inventory": Function("functions.orders.check_inventory.handler", is_durable=False),
    "process-payment": Function("functions.orders.process_payment.handler"),
    "create-shipment": Function("functions.orders.create_shipment.handler"),
}

MONEY = 10_000
PRICE = 700
# More than either warehouse has.
WANTED = 5
STOCK: Mapping[str, int] = {"ams": 3, "ber": 4}

# What differs between two orders that went the same way.
_TRACKING_NUMBER = r"TRK[0-9A-F]{12}"
_HELD_BUCKET = re.compile(r'"held_bucket": \{\s*"S": "\d"\s*\}')


@dataclass(frozen=True, slots=True)
class Facts:
    """What counts of an order, in numbers."""

    row: str
    error: str | None = None
    undone: tuple[str, ...] = ()
    available: int = sum(STOCK.values())
    reserved: int = 0
    committed: int = 0
    money: int = MONEY
    movements: tuple[str, ...] = ()
    shipment: str | None = None


FULFILLED = Facts(
    row="completed",
    available=sum(STOCK.values()) - WANTED,
    committed=WANTED,
    money=MONEY - WANTED * PRICE,
    shipment="created",
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """An order of a job type, what is special about it, and how it must end."""

    name: str
    job_type: str
    facts: Facts
    prepare: Callable[["Orders", str], None] = lambda _orders, _order_id: None
    in_order_until: str | None = None

    def __str__(self) -> str:
        return self.name


def _facts(row: Mapping[str, Any], items: list[dict[str, Any]]) -> Facts:
    stock: Counter[str] = Counter()
    money, shipment, movements = 0, None, []
    for item in items:
        kind = item[names.ITEM_KEY]["S"].partition("#")[0]
        sort_key = item[names.ITEM_SORT_KEY]["S"]
        if kind == "SKU":
            for state in ("available", "reserved", "committed"):
                stock[state] += int(item.get(state, {"N": "0"})["N"])
        elif kind == "ACCOUNT":
            money = int(item["available"]["N"])
        elif kind == "SHIPMENT":
            shipment = item["status"]["S"]
        elif sort_key.startswith("ENTRY#"):
            movements.append(sort_key.removeprefix("ENTRY#"))
    error = row.get("error") or {}
    return Facts(
        row=row["status"],
        error=error.get("type"),
        undone=tuple(error.get("undone", ())),
        available=stock["available"],
        reserved=stock["reserved"],
        committed=stock["committed"],
        money=money,
        movements=tuple(sorted(movements)),
        shipment=shipment,
    )


class Orders:
    """Places orders on a rig, lets processes die over them, and clears away what they leave."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._shop = Shop.open()
        self._client = self._shop.client
        self._rows = Rows.create(self._client, JOB_TABLE)

    def run(self, scenario: Scenario, order_id: str, death: Death) -> tuple[Ended, Trace]:
        """One order among others, from its placing to its end, with a death on its way."""
        ended = self._place(scenario, order_id, death)
        return ended, self._take_trace(order_id, ended)

    def run_alone(self, scenario: Scenario, order_id: str) -> tuple[Ended, Trace]:
        """One order that nothing disturbs, and the shop's books are right after it."""
        self._shop.clear()
        ended = self._place(scenario, order_id, None)
        self._shop.check_invariants()
        return ended, self._take_trace(order_id, ended)

    def left_over(self) -> list[dict[str, Any]]:
        """Items that have no order's name on them."""
        return [
            item
            for table in ITEM_TABLES.values()
            for item in self._client.scan(TableName=table)["Items"]
        ]

    def forget_customer(self, order_id: str) -> None:
        self._shop.customer_table.register(
            f"{order_id}-buyer", payment_method=None, address=None, is_active=False
        )

    def refuse_shipment(self, order_id: str) -> None:
        """Have the order's first attempt find its shipment cancelled already."""
        self._shop.shipment_table.cancel(OrderRun(order_id, 1))

    def _place(self, scenario: Scenario, order_id: str, death: Death | None) -> Ended:
        for warehouse, quantity in STOCK.items():
            self._shop.stock(f"{order_id}-sku", warehouse, quantity)
        self._shop.welcome(f"{order_id}-buyer", MONEY)
        scenario.prepare(self, order_id)
        payload = {
            "customer_id": f"{order_id}-buyer",
            "currency": EUROS,
            "items": [{"sku": f"{order_id}-sku", "quantity": WANTED, "unit_price": PRICE}],
        }
        job = any_job(order_id, job_type=scenario.job_type, payload=json.dumps(payload))
        self._rows.submit(job)
        return self._rig.run(scenario.job_type, order_id, death)

    def _take_trace(self, order_id: str, ended: Ended) -> Trace:
        row = self._rows.get(order_id)
        items = [
            item
            for table in ITEM_TABLES.values()
            for item in take_items(self._client, table, order_id)
        ]
        text = _HELD_BUCKET.sub('"held_bucket": "ANY"', as_text(order_id, ended, row, items))
        return Trace(numbered(text, _TRACKING_NUMBER, "TRK"), _facts(row, items))
